"""Sockets for other hosts: CURVE, and only for keys that are allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from common import codec, core as c, messages as m
from common.config import BusConfig, ElsewhereConfig, Secret
from common.errors import ConfigError
from common.rundir import RunDir
from common.transport import bus, sockets
from common.transport.bus import Bus, KeyPair, Secured
from common.transport.loop import Shell
from tests.ports import free_port
from tests.transport.test_shell import Running, Scripted, run, run_dir, silent, wait_for

__all__ = ["run", "run_dir"]  # fixtures
QUOTE = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)
TOPIC = "quote.deribit.X"
REFUSED_MS = 1500  # how long a stranger is listened for: connections to loopback take some ms


def pair() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public, Secret(secret.decode()))


def answer(event: c.Event) -> list[object]:
    """A desk that tells a quote to who joins and accepts what it is asked."""
    if isinstance(event, c.Subscribed) and event.topic == TOPIC:
        return [c.PublishSnapshot(TOPIC, QUOTE)]
    if isinstance(event, c.CommandReceived):
        return [c.Reply(event.peer, m.CommandReply(event.request_id, True))]
    return []


class Host:
    """A host that listens for one known key."""

    def __init__(self, run: Callable[..., Running], run_dir: RunDir) -> None:
        self.own, self.known = pair(), pair()
        self.addresses = {
            name: f"tcp://127.0.0.1:{free_port()}" for name in ("md.a", "orders.a", "inventory.a")
        }
        listen = {name: Secured(address, self.own) for name, address in self.addresses.items()}
        run_dir.bus = Bus(listen, {}, frozenset([self.known.public]))
        self.core = Scripted(answer)
        shell = Shell(
            "a", self.core, run_dir, publisher="md.a", router="orders.a", pull="inventory.a"
        )
        self.running = run(shell)
        self.counters = shell._counters
        self.doorkeeper = shell._doorkeeper

    def bus_of(self, own: KeyPair) -> Bus:
        """What another host with this key has in its configuration."""
        elsewhere = {
            name: Secured(address, own, self.own.public) for name, address in self.addresses.items()
        }
        return Bus({}, elsewhere, frozenset())


@pytest.fixture
def host(run: Callable[..., Running], run_dir: RunDir) -> Host:
    return Host(run, run_dir)


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The run directory of another host."""
    return RunDir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(linger=0)


def visitor(run: Callable[..., Running], run_dir: RunDir) -> tuple[Running, Scripted]:
    core = Scripted(silent)
    shell = Shell("b", core, run_dir, publisher="md.b", subscribe=["md.a"], requests=["orders.a"])
    return run(shell), core


def test_row_69_a_known_key_reads_and_asks_over_tcp(run, host: Host, elsewhere: RunDir) -> None:
    elsewhere.bus = host.bus_of(host.known)
    running, core = visitor(run, elsewhere)
    running.do(c.Subscribe(TOPIC))
    wait_for(lambda: core.of(c.BusMessage))
    assert core.of(c.BusMessage)[0].message == QUOTE

    def ask_until_connected() -> bool:
        running.do(c.Request("orders.a", f"r{len(core.events)}", m.QueryOrders()))
        return bool(core.of(c.Replied))

    wait_for(ask_until_connected)
    assert host.doorkeeper.refused == 0


def test_row_69_an_unknown_key_gets_and_sends_nothing_and_is_told(
    run, host: Host, elsewhere: RunDir
) -> None:
    elsewhere.bus = host.bus_of(pair())
    running, core = visitor(run, elsewhere)
    running.do(c.Subscribe(TOPIC))
    wait_for(lambda: host.doorkeeper.refused >= 2)  # both of its sockets
    running.do(c.Request("orders.a", "r1", m.QueryOrders()))
    wait_for(lambda: core.of(c.RequestFailed))
    assert not core.of(c.BusMessage) and not core.of(c.Replied)
    assert not host.core.of(c.Subscribed) and not host.core.of(c.CommandReceived)
    assert host.counters["alerts_warning"] >= 1


@pytest.mark.parametrize("mechanism", ["none", "plain", "wrong server key"])
def test_row_69_who_has_no_key_or_the_wrong_one_of_the_server_gets_nothing(
    host: Host, context: zmq.Context[zmq.Socket[bytes]], mechanism: str
) -> None:
    reader, asker, pusher = (
        sockets.make(context, kind) for kind in (zmq.SUB, zmq.DEALER, zmq.PUSH)
    )
    for socket, name in ((reader, "md.a"), (asker, "orders.a"), (pusher, "inventory.a")):
        if mechanism == "plain":
            socket.plain_username, socket.plain_password = b"admin", b"admin"
        elif mechanism == "wrong server key":
            bus.connect(socket, Secured(host.addresses[name], host.known, pair().public))
            continue
        socket.connect(host.addresses[name])
    reader.subscribe(b"")
    holding = m.InventoryDelta("x", "BTC", m.Exact("1"), 1)
    pusher.send(codec.encode_inventory(holding))
    asker.send_multipart(codec.encode_command("r1", "x", 1, m.QueryOrders()))
    host.running.do(c.Publish(TOPIC, QUOTE))
    assert not reader.poll(REFUSED_MS) and not asker.poll(0)
    assert not host.core.of(c.CommandReceived) and not host.core.of(c.Pushed)
    assert not [event for event in host.core.of(c.Subscribed) if event.topic == TOPIC]


def test_row_69_sockets_of_the_host_itself_are_as_before(run, host: Host, run_dir: RunDir) -> None:
    running, core = visitor(run, RunDir(run_dir.path))
    running.do(c.Subscribe(TOPIC))
    wait_for(lambda: core.of(c.BusMessage))


def test_row_69_without_a_doorkeeper_everybody_is_refused(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    own, other, address = pair(), pair(), f"tcp://127.0.0.1:{free_port()}"
    server, client = (sockets.make(context, kind) for kind in (zmq.ROUTER, zmq.DEALER))
    bus.bind(server, Secured(address, own))
    bus.connect(client, Secured(address, other, own.public))
    client.send(b"x")
    assert not server.poll(REFUSED_MS)


def test_one_socket_connects_to_files_and_to_tcp_in_any_order(
    run, host: Host, elsewhere: RunDir
) -> None:
    run(Shell("c", Scripted(answer), elsewhere, publisher="md.c"))
    run(Shell("d", Scripted(answer), elsewhere, publisher="md.d"))
    elsewhere.bus = host.bus_of(host.known)
    core = Scripted(silent)
    names = ["md.c", "md.a", "md.d"]
    running = run(Shell("b", core, elsewhere, publisher="md.b", subscribe=names))
    running.do(c.Subscribe(TOPIC), c.Subscribe("health."))
    heard = lambda: {event.topic for event in core.of(c.BusMessage)}  # noqa: E731
    wait_for(lambda: heard() >= {"health.a", "health.c", "health.d"})


# --- keys and configuration -----------------------------------------------------------------------


def test_a_key_file_is_its_owners_and_read_back(tmp_path: Path) -> None:
    made = bus.make_key(tmp_path / "bus.key")
    assert (tmp_path / "bus.key").stat().st_mode & 0o777 == 0o600
    read = bus.read_key(tmp_path / "bus.key")
    assert read.public == made.public and read.secret.reveal() == made.secret.reveal()
    assert made.secret.reveal() not in repr(read)
    with pytest.raises(ConfigError, match="File exists"):
        bus.make_key(tmp_path / "bus.key")


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    bus.make_key(tmp_path / "bus.key")
    (tmp_path / "bus.key").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        bus.read_key(tmp_path / "bus.key")


NO_KEYS = [
    b"",
    b"x",
    b"a b",
    b"a" * 40 + b" " + b"b" * 40,
    b"a" * 40 + b" " + b"#" * 40,
    b"\xff \xff",
]


@pytest.mark.parametrize("content", NO_KEYS)
def test_what_is_no_key_file_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bus.key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is no key file") as told:
        bus.read_key(path)
    assert "aaaa" not in str(told.value)


def test_a_missing_key_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="crossdesk keys"):
        bus.load(BusConfig(key_file="none.key"), tmp_path / "desk.yaml")


@pytest.mark.parametrize("where", ["allowed.research", "connect.md.a.public_key"])
def test_what_is_no_public_key_is_named(tmp_path: Path, where: str) -> None:
    bus.make_key(tmp_path / "bus.key")
    good, bad = pair().public.decode(), "#" * 40  # in the letters of keys, but too large a number
    config = BusConfig(
        key_file="bus.key",
        allowed={"research": bad if where.startswith("allowed") else good},
        connect={
            "md.a": ElsewhereConfig("tcp://10.0.0.5:1", bad if where.startswith("conn") else good)
        },
    )
    with pytest.raises(ConfigError, match=f"bus.{where}") as told:
        bus.load(config, tmp_path / "desk.yaml")
    assert bad not in str(told.value)


def test_a_desk_of_one_host_has_no_keys(tmp_path: Path) -> None:
    assert bus.load(BusConfig(), tmp_path / "desk.yaml") is None


def test_addresses_come_from_the_configuration(tmp_path: Path) -> None:
    made, other = bus.make_key(tmp_path / "bus.key"), pair().public.decode()
    address = "tcp://10.0.0.5:8801"
    config = BusConfig(
        key_file="bus.key",
        listen={"md.deribit": address},
        allowed={"research": other},
        connect={"orders.deribit.main": ElsewhereConfig(address, other)},
    )
    loaded = bus.load(config, tmp_path / "desk.yaml")
    run_dir = RunDir(tmp_path / "run", loaded)
    listens, found = run_dir.listens("md.deribit"), run_dir.address("orders.deribit.main")
    assert listens is not None and listens.address == address
    assert isinstance(found, Secured) and found.server == other.encode()
    assert found.own.public == made.public
    assert run_dir.address("md.deribit") == run_dir.endpoint("md.deribit")
    assert run_dir.listens("orders.deribit.main") is None
    assert loaded is not None and loaded.allowed == {other.encode()}
