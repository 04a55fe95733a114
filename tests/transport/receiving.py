"""Servers that take alerts: a webhook, and mail in the clear or over TLS. Both may be slow."""

from __future__ import annotations

import base64
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class MailServer:
    """certificate: with it the server offers STARTTLS. drips: it greets byte by byte, for ever."""

    certificate: tuple[Path, Path] | None = None
    password: str = ""
    drips: bool = False
    port: int = 0
    mails: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    greeted: int = 0
    closed: threading.Event = field(default_factory=threading.Event)


class _Session(socketserver.StreamRequestHandler):
    known: MailServer

    def handle(self) -> None:
        self.known.greeted += 1
        if self.known.drips:
            return self._drip()
        self._say("220 test")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "QUIT":
                return self._say("221 bye")
            self._serve(verb, line)

    def _serve(self, verb: str, line: str) -> None:
        if verb == "EHLO":
            encrypted = isinstance(self.connection, ssl.SSLSocket)
            offers = encrypted or self.known.certificate is None
            self._say("250-test")
            self._say("250 AUTH PLAIN" if offers else "250 STARTTLS")
        elif verb == "STARTTLS":
            self._encrypt()
        elif verb == "AUTH":
            self._login(line.split()[2])
        elif verb == "DATA":
            self._take()
        else:
            self._say("250 ok")

    def _encrypt(self) -> None:
        assert self.known.certificate is not None
        self._say("220 go on")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.known.certificate)
        self.connection = self.request = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")

    def _login(self, word: str) -> None:
        _, user, password = base64.b64decode(word).decode().split("\0")
        self.known.logins.append(user)
        good = password == self.known.password
        self._say("235 welcome" if good else f"535 {password} is not the password")

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.decode())
        self.known.mails.append("".join(lines))
        self._say("250 taken")

    def _drip(self) -> None:
        while not self.known.closed.wait(0.05):
            try:
                self.connection.sendall(b"2")
            except OSError:
                return

    def _say(self, line: str) -> None:
        self.connection.sendall(line.encode() + b"\r\n")


@contextmanager
def serving(known: MailServer) -> Iterator[MailServer]:
    session = type("Session", (_Session,), {"known": known})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), session) as server:
        server.daemon_threads = True
        server.block_on_close = False
        known.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield known
        finally:
            known.closed.set()
            server.shutdown()
            thread.join()


@contextmanager
def hook(*statuses: int, drips: bool = False) -> Iterator[tuple[str, list[Any]]]:
    """A web server that answers with these statuses, the last one for ever."""
    posted: list[Any] = []
    left, closed = list(statuses), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            while drips and not closed.wait(0.05):
                self.wfile.write(b"H")
            if not drips:
                self.send_response(left.pop(0) if len(left) > 1 else left[0])
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/services/secret-path", posted
        finally:
            closed.set()
            server.shutdown()
            thread.join()
