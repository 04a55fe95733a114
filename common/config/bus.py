"""The bus between hosts."""

from __future__ import annotations

from typing import Annotated

import msgspec

from common.config.base import Config

TcpAddress = Annotated[str, msgspec.Meta(pattern=r"^tcp://[^\s/]+:[0-9]{1,5}\Z")]
CurveKey = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z")]


class ElsewhereConfig(Config):
    """A socket of another host. public_key: of the host that binds it."""

    address: TcpAddress
    public_key: CurveKey


class BusConfig(Config):
    """Sockets for other hosts and of other hosts, by name; nothing of it on a desk of one host.

    key_file: the key pair of this host, relative to this file. allowed: public keys by any name.
    """

    key_file: str = ""
    listen: dict[str, TcpAddress] = {}
    allowed: dict[str, CurveKey] = {}
    connect: dict[str, ElsewhereConfig] = {}
