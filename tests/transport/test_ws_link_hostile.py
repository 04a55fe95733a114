"""Rows 30, 55 and 56: TLS that cannot be trusted, a message without end, a line of single bytes."""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time_ns

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common import core as c
from common.transport import ws_link
from common.transport.ws_link import MAX_FRAME_BYTES, WsLink
from services.venue_simulator import certificates
from tests import figures
from tests.faults.proxy import Proxy

HOST = "127.0.0.1"
DEADLINE_S = 60
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def connected(serve: Serve, context: ssl.SSLContext | None) -> list[c.Event]:
    """What a link tells that connects to this server over wss."""

    async def run() -> list[c.Event]:
        server = await asyncio.start_server(serve, HOST, 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        events: list[c.Event] = []
        async with asyncio.timeout(DEADLINE_S):
            await WsLink("orders", f"wss://{HOST}:{port}/ws", events.append).connect()
        server.close()
        return events

    return asyncio.run(run())


def expired(directory: Path) -> ssl.SSLContext:
    """Right name, signed by itself, over since yesterday."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    made = made.public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=1))
    pem = serialization.Encoding.PEM
    (directory / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (directory / "key.pem").write_bytes(key.private_bytes(pem, form, plain))
    return loaded(directory / "cert.pem", directory / "key.pem")


def loaded(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("what", ["unknown", "expired", "wrong name"])
def test_row_30_a_certificate_that_cannot_be_trusted_is_refused(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what == "expired":
        context = expired(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    else:
        paths = certificates.provide(tmp_path, HOST, time_ns())
        context = loaded(*paths)
    if what == "wrong name":
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / certificates.AUTHORITY))
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(100))
        writer.close()

    if what == "wrong name":
        monkeypatch.setattr(ws_link, "ws_connect", to_another_name(ws_link.ws_connect))
    (down,) = connected(serve, context)
    assert isinstance(down, c.LinkDown) and "certificate" in down.reason.lower(), down
    assert not heard  # no login was sent
    figures.note("P19", f"logins sent over TLS that is {what}", "0", "0", True, row=30)


def to_another_name(connect: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """The same server, asked for under a name that its certificate does not hold."""

    async def connect_to_other(factory: object, url: str, **more: object) -> object:
        return await connect(factory, url, server_hostname="venue.example", **more)

    return connect_to_other


def test_row_30_tls_that_stalls_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(1000))
        await reader.read()
        writer.close()

    for connect_s in (0.3, 3.0, 30.0):  # a machine that stands still sends nothing in time
        monkeypatch.setattr(ws_link, "CONNECT_S", connect_s)
        (down,) = connected(serve, None)
        assert isinstance(down, c.LinkDown) and "cannot connect" in down.reason
        if heard:
            break
    assert heard[:1] == b"\x16"  # a TLS handshake, nothing plain


def test_row_55_a_message_of_50_mb_closes_the_link_at_its_limit() -> None:
    """In frames of 1 MB: not one of them is too large by itself."""

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        transport, part = request.transport, bytes(1_000_000)
        for number in range(50):
            if transport is None or transport.is_closing():
                break
            head = bytes((0x01 if number == 0 else 0x80 if number == 49 else 0x00, 127))
            transport.write(head + len(part).to_bytes(8, "big") + part)
            await asyncio.sleep(0.002)
        return socket

    async def run() -> list[c.Event]:
        application = web.Application()
        application.router.add_get("/ws", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        events: list[c.Event] = []
        down = asyncio.Event()

        def on_event(event: c.Event) -> None:
            events.append(event)
            if isinstance(event, c.LinkDown):
                down.set()

        async with asyncio.timeout(DEADLINE_S):
            await WsLink("x", f"ws://{HOST}:{runner.addresses[0][1]}/ws", on_event).connect()
            await down.wait()
        await runner.cleanup()
        return events

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    events = asyncio.run(run())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    assert not [event for event in events if isinstance(event, c.VenueFrame)]
    assert isinstance(events[-1], c.LinkDown)
    bar = 2 * MAX_FRAME_BYTES / 1e6
    shown = f"{grown:.0f} MB, the server's part included"
    figures.note("P14", "memory for 50 MB", f"{bar:.0f} MB", shown, grown <= bar, row=55)


def test_row_56_single_bytes_give_the_same_messages() -> None:
    texts = ["plain", "ünïcödé €" * 40, '{"a":1}', "x" * 70_000]

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for text in texts:
            await socket.send_str(text)
        await socket.receive()
        return socket

    async def run() -> list[bytes]:
        application = web.Application()
        application.router.add_get("/ws", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        frames: list[bytes] = []
        whole = asyncio.Event()

        def on_event(event: c.Event) -> None:
            if isinstance(event, c.VenueFrame):
                frames.append(bytes(event.payload))
                if len(frames) == len(texts):
                    whole.set()

        with Proxy(runner.addresses[0][1]) as proxy:
            proxy.slice_bytes = 1
            async with asyncio.timeout(DEADLINE_S):
                link = WsLink("x", f"ws://{HOST}:{proxy.port}/ws", on_event)
                await link.connect()
                await whole.wait()
            link.close("the test is over")
        await runner.cleanup()
        return frames

    assert asyncio.run(run()) == [text.encode() for text in texts]
