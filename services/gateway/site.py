"""The files of the web page, and the headers that every answer carries."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

PAGE = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
NAMES = {"/": "index.html", "/account": "account.html", "/api/v1/docs": "docs.html"}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class File(msgspec.Struct, frozen=True):
    body: bytes
    content_type: str
    etag: str


def files() -> dict[str, File]:
    """Every file of the page by its path on the server."""
    found = {}
    for path in sorted(PAGE.rglob("*")):
        kind = TYPES.get(path.suffix)
        if kind is not None:
            body = path.read_bytes()
            etag = hashlib.sha256(body).hexdigest()[:16]
            found[f"/page/{path.relative_to(PAGE).as_posix()}"] = File(body, kind, etag)
    for place, name in NAMES.items():
        found[place] = found[f"/page/{name}"]
    return found
