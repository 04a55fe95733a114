"""One binder of each endpoint."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from common import core as c, messages as m
from common.config import Secret
from common.errors import ConfigError
from common.rundir import RunDir
from common.transport import bus, sockets
from common.transport.bus import KeyPair, Secured
from common.transport.loop import Shell
from tests.ports import free_port
from tests.transport.test_shell import Scripted, run, run_dir, silent, wait_for

__all__ = ["run", "run_dir"]  # fixtures
TOPIC = "quote.deribit.X"
QUOTE = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(linger=0)


def test_row_68_an_endpoint_in_use_is_named_and_its_first_binder_keeps_it(
    run, run_dir: RunDir, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    first = run(Shell("a", Scripted(silent), run_dir, publisher="md.a"))
    second = sockets.make(context, zmq.XPUB)
    with pytest.raises(ConfigError, match=r"md\.a.*in use by another process"):
        sockets.bind(second, run_dir.endpoint("md.a"))
    core = Scripted(silent)
    reader = run(Shell("b", core, run_dir, publisher="md.b", subscribe=["md.a"]))
    reader.do(c.Subscribe(TOPIC))
    wait_for(lambda: first.shell.core.of(c.Subscribed))
    first.do(c.Publish(TOPIC, QUOTE))
    wait_for(lambda: core.of(c.BusMessage))


def test_row_68_a_taken_address_for_other_hosts_is_named(
    run_dir: RunDir, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    run_dir.create()
    public, secret = zmq.curve_keypair()
    own = KeyPair(public, Secret(secret.decode()))
    address = f"tcp://127.0.0.1:{free_port()}"
    first, second = (sockets.make(context, zmq.XPUB) for _ in range(2))
    bus.bind(first, Secured(address, own))
    with pytest.raises(ConfigError, match=f"{address}.*cannot be bound"):
        sockets.bind(second, run_dir.endpoint("md.a"), Secured(address, own))
