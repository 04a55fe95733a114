"""Who may connect at all: encryption off this machine, origins of pages, size of headers."""

from __future__ import annotations

import ssl

from aiohttp import web

from common.config import GatewayConfig
from common.errors import ConfigError
from services.gateway.keys import LOOPBACK
from services.gateway.rpc import CallError

MAX_HEADERS = 8192


def check_headers(request: web.Request) -> None:
    """
    Raises:
        CallError: together they are too large.
    """
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADERS:
        text = f"the headers are over {MAX_HEADERS // 1024} KiB together"
        raise CallError("INVALID_REQUEST", text)


def origins(config: GatewayConfig) -> set[str]:
    """Where pages that may call us come from: ourselves, and what is configured."""
    scheme = "https" if config.certificate else "http"
    hosts = {config.host, *(LOOPBACK if config.host in LOOPBACK else ())}
    own = {f"{scheme}://{_bracketed(host)}:{config.port}".lower() for host in hosts}
    return own | {origin.lower().rstrip("/") for origin in config.allowed_origins}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check(config: GatewayConfig, source: str) -> None:
    """Refuse to serve in the clear to anybody but this machine.

    Raises:
        ConfigError: host is not loopback and there is no certificate, or half of one.
    """
    if bool(config.certificate) != bool(config.private_key):
        text = "certificate and private_key belong together"
        raise ConfigError(source, "gateway.certificate", text)
    if config.host not in LOOPBACK and not config.certificate:
        text = f"{config.host} is not loopback: give certificate and private_key for wss and https"
        raise ConfigError(source, "gateway.host", text)
    if not config.certificate:
        return
    tls(config, source)


def tls(config: GatewayConfig, source: str) -> ssl.SSLContext | None:
    """None without a certificate.

    Raises:
        ConfigError: it cannot be used.
    """
    if not config.certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.certificate, config.private_key)
    except (OSError, ssl.SSLError) as error:
        text = f"cannot be used: {error.strerror or error}"
        raise ConfigError(source, "gateway.certificate", text) from None
    return context
