"""The bus between hosts: tcp with CURVE, for known keys only.

On one host all sockets are files of their owner, see rundir.py. A socket that other hosts need is
bound a second time, to tcp, and a process elsewhere connects to that in place of the file. Each
host has one key pair. Who binds knows the public keys that may come, who connects the one of who
binds: both sides are sure of each other, and nobody else reads along.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import zmq
from zmq.utils import z85

from common.config import BusConfig, Secret
from common.errors import ConfigError

DOMAIN = b"crossdesk"  # what the doorkeeper is asked for


class KeyPair(NamedTuple):
    """40 characters of Z85 each."""

    public: bytes
    secret: Secret


class Secured(NamedTuple):
    """An address on tcp. server: the public key of who binds it, None if that is us."""

    address: str
    own: KeyPair
    server: bytes | None = None


class Bus(NamedTuple):
    """listen: where else our sockets are bound, by name. connect: sockets of other hosts.
    allowed: the public keys that may connect to ours."""

    listen: Mapping[str, Secured]
    connect: Mapping[str, Secured]
    allowed: frozenset[bytes]


def load(config: BusConfig, source: Path) -> Bus | None:
    """None if the desk is on one host. key_file is relative to the file that names it.

    Raises:
        ConfigError: the key cannot be used.
    """
    if not config.key_file:
        return None
    own = read_key(source.parent / config.key_file)
    listen = {name: Secured(address, own) for name, address in config.listen.items()}
    connect = {
        name: Secured(
            each.address, own, _public(each.public_key, f"connect.{name}.public_key", source)
        )
        for name, each in config.connect.items()
    }
    allowed = (_public(key, f"allowed.{name}", source) for name, key in config.allowed.items())
    return Bus(listen, connect, frozenset(allowed))


def _public(text: str, key: str, source: Path) -> bytes:
    """Not all that is written in the letters of Z85 stands for 32 bytes."""
    try:
        z85.decode(text)
    except struct.error:
        raise ConfigError(str(source), f"bus.{key}", "is no public key") from None
    return text.encode()


def make_key(path: Path) -> KeyPair:
    """A new pair in a new file, for its owner only.

    Raises:
        ConfigError: the file exists or cannot be written.
    """
    public, secret = zmq.curve_keypair()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(public + b"\n" + secret + b"\n")
    except OSError as error:
        raise ConfigError(str(path), "", f"cannot be made: {error.strerror}") from None
    return KeyPair(public, Secret(secret.decode()))


def read_key(path: Path) -> KeyPair:
    """
    Raises:
        ConfigError: it is no key file, or others may read it; its content is not told.
    """
    try:
        with path.open("rb") as file:
            is_open = os.fstat(file.fileno()).st_mode & 0o077
            lines = file.read(1000).split()
    except OSError as error:
        text = f"cannot be read ({error.strerror}): `crossdesk keys FILE` makes one"
        raise ConfigError(str(path), "bus.key_file", text) from None
    if is_open:
        raise ConfigError(str(path), "bus.key_file", "others may read it: chmod 600")
    try:
        public, secret = lines
        if zmq.curve_public(secret) != public:
            raise ValueError
    except (ValueError, zmq.ZMQError):
        raise ConfigError(str(path), "bus.key_file", "is no key file") from None
    return KeyPair(public, Secret(secret.decode()))


def connect(socket: zmq.Socket[bytes], address: str | Secured) -> None:
    """Options count for the connections that follow, so one socket may have some of each kind."""
    if isinstance(address, str):
        if socket.getsockopt(zmq.MECHANISM) != zmq.NULL:
            socket.setsockopt(zmq.PLAIN_SERVER, 0)  # back to none
        socket.connect(address)
        return
    assert address.server is not None
    _use(socket, address.own)
    socket.setsockopt(zmq.CURVE_SERVERKEY, address.server)
    socket.connect(address.address)


def bind(socket: zmq.Socket[bytes], address: Secured) -> None:
    """In a context that has a doorkeeper; without one everybody is refused.

    Raises:
        ConfigError: the address is in use or cannot be bound.
    """
    _use(socket, address.own)
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    try:
        socket.bind(address.address)
    except zmq.ZMQError as error:
        raise ConfigError(address.address, "bus.listen", f"cannot be bound: {error}") from None


def _use(socket: zmq.Socket[bytes], own: KeyPair) -> None:
    socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret.reveal().encode())
