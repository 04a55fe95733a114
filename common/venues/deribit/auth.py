"""Signatures of Deribit: login over WebSocket, headers over HTTP.

Both are HMAC-SHA256 with the client secret, hex; the secret itself never travels.
https://docs.deribit.com/articles/authentication, read in August 2026.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from common.config import Credentials


def signature(credentials: Credentials, *parts: str) -> str:
    """HMAC of the parts joined by newlines."""
    secret = credentials.client_secret.reveal().encode()
    return hmac.new(secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def login_params(
    credentials: Credentials, now_ms: int, nonce: str, scope: str = ""
) -> dict[str, Any]:
    """Parameters of public/auth with grant_type client_signature.

    The venue accepts now_ms within 60 s of its own time; a nonce may repeat.
    """
    params: dict[str, Any] = {
        "grant_type": "client_signature",
        "client_id": credentials.client_id,
        "timestamp": now_ms,
        "nonce": nonce,
        "data": "",
        "signature": signature(credentials, str(now_ms), nonce, ""),
    }
    return params | ({"scope": scope} if scope else {})


def refresh_params(refresh_token: str) -> dict[str, Any]:
    """Parameters of public/auth that trade a refresh token for new tokens."""
    return {"grant_type": "refresh_token", "refresh_token": refresh_token}


def sign_http(
    method: str,
    path_and_query: str,
    body: str,
    credentials: Credentials,
    now_ms: int,
    nonce: str,
) -> dict[str, str]:
    """Headers of one HTTP request: scheme deri-hmac-sha256.

    path_and_query exactly as sent ("/api/v2/private/get_positions?currency=BTC"); body "" for GET.
    """
    signed = signature(credentials, str(now_ms), nonce, method.upper(), path_and_query, body, "")
    text = f"id={credentials.client_id},ts={now_ms},nonce={nonce},sig={signed}"
    return {"Authorization": f"deri-hmac-sha256 {text}"}
