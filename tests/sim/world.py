"""The desk in virtual time (services/strategy_host/virtual.py) with faults, a disk and a witness.

The cores, the venue and the protocol between them are the real ones. What differs from the virtual
desk: frames take their time, get lost with their connection or come twice; what a journal record
covers waits until the record is durable; a process can die between any two of its commands.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol

import msgspec

from common import core as c, messages as m
from common.venues.serving import CloseConnection, SendFrame
from services.strategy_host.virtual import Link, Node, VirtualDesk
from services.trading_engine import records
from services.venue_simulator.core import ConnectionClosed, FrameReceived
from tests.sim.faults import MS, NS_PER_S, Disk, Weather, Wire

COVERED = (c.LinkSend, c.HttpCall, c.Reply)  # what waits for a journal record, as in the shell
LATER_NS = 50 * MS  # records that nothing waits for
TAIL = 80  # events that are kept for the report of a failure
NOTIFICATION = b'"method":"subscription"'


class Witness(Protocol):
    """Sees everything that happens, and objects by raising."""

    def on_commands(self, node: Node, commands: Sequence[Any]) -> None: ...
    def on_command(self, node: Node, command: Any) -> None: ...
    def on_event(self, node: Node, event: Any) -> None: ...
    def on_durable(self, node: Node, payload: bytes) -> None: ...
    def on_venue(self) -> None: ...


class World(VirtualDesk):
    """A virtual desk on a bad day.

    Attributes:
        make: how each process is built anew, by name.
        crash_chance: per command of a process, that it dies before it is carried out.
        latches: of the kill switch, scope -> reason; latched: the processes that follow it.
        events: how many were fed to processes.
    """

    def __init__(self, seed: int, start_ns: int, venue_step_ns: int) -> None:
        super().__init__(start_ns, venue_step_ns)
        self.random = Random(seed)
        self.weather = Weather()
        self.witness: Witness | None = None
        self.make: dict[str, Callable[[], Any]] = {}
        self.disks: dict[str, Disk] = {}
        self.crash_chance = 0.0
        self.latches: dict[str, str] = {}
        self.latched: set[str] = set()
        self.outage = False
        self.ups: dict[str, int] = {}  # when each process last got a link
        self._tail: deque[tuple[int, str, Any]] = deque(maxlen=TAIL)
        self.events = 0
        self._started: dict[str, int] = {}  # name -> its life; before Started nothing arrives
        self._wires: dict[int, Wire] = {}
        self._hash = hashlib.sha256()
        self._encoder = msgspec.msgpack.Encoder(enc_hook=str)

    @property
    def trace(self) -> str:
        """The hash of all commands of all processes."""
        return self._hash.hexdigest()

    def after(self, delay_ns: int, act: Callable[[], None]) -> None:
        self._later(delay_ns, act)

    def note(self, who: str, item: Any = "") -> None:
        self._tail.append((self.now_ns, who, item))

    def tail(self) -> list[str]:
        """The last events, for reading."""
        began_ns = self._started_ns
        return [
            f"{(at_ns - began_ns) / NS_PER_S:.6f} {who} {_short(item)}"[:260]
            for at_ns, who, item in self._tail
        ]

    # --- processes ----------------------------------------------------------------------------

    def start(self, name: str, **sockets: str) -> None:
        self.disks[name] = Disk(self.random)
        self.add(name, self.make[name](), **sockets)

    def crash(self, name: str) -> None:
        node = self.nodes[name]
        if node.is_alive:
            self.note(f"crash {name}")
            for payload in self.disks[name].crash():
                if self.witness is not None:
                    self.witness.on_durable(node, payload)
            self.kill(name)

    def restart(self, name: str) -> None:
        if not self.nodes[name].is_alive:
            self.note(f"restart {name}")
            self.revive(name, self.make[name]())

    def feed(self, node: Node, event: Any) -> None:
        if isinstance(event, c.Started):
            self._started[node.name] = node.life
        if not node.is_alive or self._started.get(node.name) != node.life:
            return
        self.events += 1
        if not isinstance(event, c.Idle):
            self.note(f"{node.name} <", event)
        if isinstance(event, c.LinkUp):
            self.ups[node.name] = self.now_ns
        if self.witness is not None:
            self.witness.on_event(node, event)
        super().feed(node, event)
        if isinstance(event, c.Started) and node.name in self.latched:
            super().feed(node, c.LatchChanged(dict(self.latches)))

    # --- the kill switch ----------------------------------------------------------------------

    def latch(self, scope: str, reason: str) -> None:
        self.latches[scope] = reason
        self._tell_latches()

    def release(self) -> None:
        self.latches.clear()
        self._tell_latches()

    def _tell_latches(self) -> None:
        """In an event of its own, as the shell does."""
        self.note("latches", str(self.latches))
        for name in sorted(self.latched):
            self._deliver(self.nodes[name], 0, c.LatchChanged(dict(self.latches)))

    def _is_withheld(self, node: Node, command: Any) -> bool:
        """A frame that the latch stops at the last moment."""
        if not isinstance(command, c.LinkSend):
            return False
        why = [scope for scope in command.unless if scope in self.latches]
        if why:
            withheld = c.SendWithheld(command.refers, f"the kill switch is on: {why[0]}")
            self._deliver(node, 0, withheld)
        return bool(why)

    # --- carrying out -------------------------------------------------------------------------

    def _do(self, node: Node, commands: Sequence[Any]) -> None:
        commands = list(commands)
        for command in commands:
            self._hash.update(type(command).__name__.encode())
            self._hash.update(self._encoder.encode(command))
        if self.witness is not None:
            self.witness.on_commands(node, commands)
        at = [i for i, command in enumerate(commands) if type(command) is c.Journal]
        if not at:
            self._carry_out(node, commands)
        elif self._carry_out(node, commands[: at[0]]):
            self._write(node, commands[at[0] :])

    def _carry_out(self, node: Node, commands: Sequence[Any]) -> bool:
        """False if the process died on the way."""
        for command in commands:
            if not node.is_alive:
                return False
            if self.crash_chance and self.random.random() < self.crash_chance:
                self.crash(node.name)
                return False
            if self._is_withheld(node, command):
                continue
            if not isinstance(command, c.WakeAt | c.SetState):
                self.note(f"{node.name} >", command)
            if isinstance(command, c.SetLatch):
                self.latch(command.scope, command.reason)
            if self.witness is not None:
                self.witness.on_command(node, command)
            super()._do(node, [command])
            if isinstance(command, c.LinkSend):
                self._note_sent(node, command)
        return True

    # --- the disk -----------------------------------------------------------------------------

    def _write(self, node: Node, commands: Sequence[Any]) -> None:
        """As the shell: sends behind a record wait for the last one, everything else goes on."""
        covered = [each for each in commands if isinstance(each, COVERED)]
        entries = [each.record for each in commands if type(each) is c.Journal]
        for number, entry in enumerate(entries, 1):
            self._append(node, entry, covered if number == len(entries) else [], 0)
        others = [each for each in commands if not isinstance(each, (*COVERED, c.Journal))]
        self._carry_out(node, others)

    def _append(self, node: Node, entry: Any, covered: Sequence[Any], wait_ns: int) -> None:
        disk, life = self.disks[node.name], node.life
        durable_ns = disk.write(records.encode(entry), self.now_ns + wait_ns)

        def synced() -> None:
            if node.life != life or not node.is_alive:
                return
            if disk.failure:
                self._drop(node, covered)
            else:
                payload = disk.synced()
                if self.witness is not None:
                    self.witness.on_durable(node, payload)
                self._carry_out(node, covered)

        self._later(durable_ns - self.now_ns, synced)

    def fail_disk(self, name: str, failure: str) -> None:
        """From now on nothing is written; told at once, as a journal that is written to would."""
        node = self.nodes[name]
        if node.is_alive and self._started.get(name) == node.life:
            self.disks[name].failure = failure
            self.feed(node, c.JournalFailed(f"{failure} failed", failure == "sync"))

    def _drop(self, node: Node, covered: Sequence[Any]) -> None:
        """As the shell: sends are dropped and told; replies go out."""
        for command in covered:
            if isinstance(command, c.LinkSend) and command.refers:
                self.feed(node, c.SendWithheld(command.refers, "the journal failed"))
            elif isinstance(command, c.Reply):
                self._carry_out(node, [command])

    def _note_sent(self, node: Node, command: c.LinkSend) -> None:
        """The record of a frame that left; nothing waits for it."""
        record = getattr(command, "sent_record", None)
        if record is not None and node.is_alive:
            entry = msgspec.structs.replace(record, at_ns=self.now_ns)
            self._append(node, entry, [], 0)

    # --- the network --------------------------------------------------------------------------

    def _delay_ns(self) -> int:
        return self.weather.delay_ns + self.random.randrange(self.weather.jitter_ns)

    def _open(self, node: Node, name: str) -> None:
        if self.outage:
            self._deliver(node, self._delay_ns(), c.LinkDown(name, "refused"))
            return
        super()._open(node, name)

    def _wire(self, number: int) -> Wire:
        return self._wires.setdefault(number, Wire())

    def _send(self, node: Node, name: str, payload: bytes) -> None:
        for number, link in self._links.items():
            if link.node is node and link.name == name:
                self._send_up(number, payload)
                return

    def _send_up(self, number: int, payload: bytes) -> None:
        wire = self._wire(number)
        if wire.is_dead:
            return
        wire.up_ns = max(wire.up_ns, self.now_ns + self._delay_ns())

        def arrive() -> None:
            if wire.is_open and not wire.is_dead:
                self._to_venue(FrameReceived(number, payload))

        self._later(wire.up_ns - self.now_ns, arrive)

    def _to_venue(self, event: Any) -> None:
        self.note("venue <", event)
        super()._to_venue(event)
        if self.witness is not None:
            self.witness.on_venue()

    def _do_venue(self, commands: Sequence[Any]) -> None:
        batches: dict[int, list[bytes]] = {}
        others = []
        for command in commands:
            if isinstance(command, SendFrame):
                for number in command.connections:
                    batches.setdefault(number, []).append(command.payload)
            elif isinstance(command, CloseConnection):
                number = command.connection
                self._later(MS, lambda number=number: self._drop_link(number))  # type: ignore[misc]
            else:
                others.append(command)
        super()._do_venue(others)
        if self.witness is not None:
            self.witness.on_venue()
        for number, payloads in batches.items():
            self._send_down(number, payloads)

    def pump(self) -> None:
        """What somebody did at the venue is told at once, as after any request."""
        if self.venue is not None:
            told = self.venue.server.on_time(self.venue_ns)
            self._do_venue(self.venue._faults.pass_on(told, self.now_ns))

    @property
    def venue_ns(self) -> int:
        """The time at the venue."""
        assert self.venue is not None
        return self.venue._clock.at(self.now_ns)

    def _send_down(self, number: int, payloads: list[bytes]) -> None:
        link, random = self._links.get(number), self.random
        if link is None or self._wire(number).is_dead:
            return
        arriving: list[bytes] = []
        for payload in payloads:
            told = NOTIFICATION in payload
            public = link.node.name.startswith("market_data")
            if told and public and random.random() < self.weather.lost_books:
                continue
            arriving.append(payload)
            if told and random.random() < self.weather.doubled:
                if random.random() < 0.5:
                    arriving.append(payload)
                else:
                    again_ns = random.randrange(200 * MS)
                    self._later(again_ns, lambda p=payload: self._arrive(number, [p]))  # type: ignore[misc]
        if len(arriving) > 1 and random.random() < self.weather.split:
            at = random.randrange(1, len(arriving))
            self._arrive(number, arriving[:at])
            arriving = arriving[at:]
        if arriving:
            self._arrive(number, arriving)

    def _arrive(self, number: int, payloads: list[bytes]) -> None:
        wire = self._wire(number)
        wire.down_ns = max(wire.down_ns, self.now_ns + self._delay_ns())

        def arrive() -> None:
            if not wire.is_dead:
                self._receive(number, payloads)

        self._later(wire.down_ns - self.now_ns, arrive)

    def _drop_link(self, number: int) -> None:
        """The desk's side is gone now; the venue's lives on for a while, and takes what is still
        on its way, or not."""
        link = self._links.pop(number, None)
        if link is None:
            return
        wire = self._wire(number)
        wire.is_open = self.random.random() < 0.7
        gone_ns = max(wire.up_ns, self.now_ns + self.random.randrange(3 * NS_PER_S))

        def close() -> None:
            wire.is_open = False
            self._to_venue(ConnectionClosed(number))

        self._later(gone_ns - self.now_ns, close)
        if link.node.life == link.life:
            self._deliver(link.node, 0, c.LinkDown(link.name, "closed"))

    def half_open(self, name: str) -> None:
        """The links of a process go dead without a word."""
        for link in self._links_of(name):
            self._wire(link.number).is_dead = True

    def heal(self) -> None:
        """The network is well again; what was dead breaks, processes that died are started."""
        self.outage, self.weather, self.crash_chance = False, Weather(), 0.0
        self.release()
        for name, disk in self.disks.items():
            disk.sync_ns = MS
            if disk.failure:
                self.crash(name)
        for link in list(self._links.values()):
            if self._wire(link.number).is_dead:
                self._drop_link(link.number)
        for name in self.nodes:
            self.restart(name)

    def up_since(self, name: str) -> int:
        """When it got its link; now, while it has none."""
        return self.ups.get(name, self.now_ns) if self._links_of(name) else self.now_ns

    def _links_of(self, name: str) -> list[Link]:
        node = self.nodes[name]
        return [link for link in self._links.values() if link.node is node]


def _short(item: Any) -> str:
    match item:
        case c.VenueFrame(payload=payload) | c.LinkSend(payload=payload):
            return f"{type(item).__name__} {bytes(payload)!r}"
        case FrameReceived(number, payload):
            return f"frame of {number} {payload!r}"
        case c.Publish(topic=topic, message=message) if not isinstance(message, m.OrderUpdated):
            return f"Publish {topic} {type(message).__name__}"
        case c.BusMessage(topic=topic, message=message):
            return f"BusMessage {topic} {type(message).__name__}"
        case c.Journal(record):
            return f"Journal {[type(each).__name__ for each in record.records]}"
    return item if isinstance(item, str) else repr(item)
