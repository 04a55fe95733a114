"""Ports for the processes that tests start.

A port that is free when it is chosen shall be free when it is used, also by a process that is
killed and started again. So it lies below those that the kernel gives to connections, any of which
could have it meanwhile, and a UDP socket keeps it from other tests until this process ends.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
FIRST, ENOUGH = 10_000, 1_000
CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_OF_CONNECTIONS = 32_768  # where the kernel does not tell
_kept: list[socket.socket] = []


def free_port() -> int:
    """One that nobody listens at and no other test was given."""
    dice = random.SystemRandom()
    while True:
        keeper = socket.socket(type=socket.SOCK_DGRAM)
        try:
            port = dice.randrange(FIRST, _end())
            keeper.bind((HOST, port))
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
        except OSError:
            keeper.close()
            continue
        _kept.append(keeper)
        return port


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


def _end() -> int:
    try:
        first = int(CONNECTIONS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = FIRST_OF_CONNECTIONS
    return max(first, FIRST + ENOUGH)
