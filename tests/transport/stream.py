"""A busy publisher and its readers, each a process of its own: our shells over real sockets.

    python -m tests.transport.stream feeder|reader|joiner|crowd SETTINGS

SETTINGS is JSON, see Settings. Each book's levels carry the number of the message, so that a reader
can tell what it holds from what it should hold. Every process keeps a report in its file.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
import zmq

from common import core as c, messages as m
from common.rundir import RunDir
from common.transport import clock
from common.transport.loop import Shell
from common.transport.subscriber import Subscriber

FEED = "md.load"
TICK_NS = 1_000_000
REPORT_NS = 100_000_000
AT_MOST = 2000  # messages of one tick, after a stall
DELTAS_OF_A_JOIN = 20
AT_ONCE = 10  # joins of one joiner that go on at the same time
LEVELS = [2.0, 1.0, 3.0, 1.0, 4.0, 1.0, 5.0, 1.0]  # behind the first, so that frames are of a size
MIXED = 7919  # a prime: topics that lose messages are spread


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """What a process does. rate: of the feeder, messages a second over all topics.

    losses_per_s, losses: messages that the feeder loses once somebody reads all topics, and how
    many in all; every other one is the last of its topic for quiet_s. joins: of a joiner; of a
    crowd the number of its members.
    """

    run_dir: str
    report: str
    name: str = ""
    topics: int = 200
    rate: float = 20_000.0
    losses_per_s: float = 0.0
    losses: int = 1_000_000
    quiet_s: float = 2.0
    joins: int = 0
    same: bool = True


class Loss(msgspec.Struct, array_like=True):
    topic: str
    at_ns: int
    is_tail: bool = False
    reason: str = ""


class Report(msgspec.Struct):
    """What a process saw. holes: messages that do not follow from what the reader holds."""

    messages: int = 0
    snapshots: int = 0
    holes: int = 0
    losses: list[Loss] = []
    joins_ns: list[int] = []
    last: dict[str, int] = {}
    most_behind: int = 0  # of the feeder: messages it was behind its rate


def topic_of(number: int) -> str:
    return f"book.load.T{number}"


class Feeder:
    """A core that publishes books at a rate, as fast as it is asked to and no faster."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._counts = [0] * settings.topics
        self._quiet_until = [0] * settings.topics
        self._next = 0
        self._start_ns = 0
        self._unread = set(range(settings.topics))
        self._read_ns = 0  # since when somebody reads all of them
        self._lost = 0
        self.to_lose: dict[bytes, bool] = {}  # topic -> whether it is quiet after

    def handle(self, event: c.Event, now_ns: int) -> list[Any]:
        if isinstance(event, c.Started):
            self._start_ns = now_ns
            return [c.SetState("ready"), c.WakeAt(now_ns + TICK_NS)]
        if isinstance(event, c.Subscribed) and event.topic.startswith("book."):
            number = int(event.topic.rpartition("T")[2])
            self._note_reader(number, now_ns)
            book = m.BookSnapshot("load", [float(self._counts[number]), 1.0, *LEVELS], LEVELS)
            return [c.PublishSnapshot(event.topic, book)]
        return []

    def on_time(self, now_ns: int) -> list[Any]:
        passed_s = (now_ns - self._start_ns) / 1e9
        due = int(passed_s * self._settings.rate) - self._report.messages
        self._report.most_behind = max(self._report.most_behind, due)
        if not self._unread:
            self._lose((now_ns - self._read_ns) / 1e9, now_ns)
        commands = [self._message(now_ns) for _ in range(min(due, AT_MOST))]
        self._report.messages += len(commands)
        return [*commands, c.WakeAt(now_ns + TICK_NS)]

    def _message(self, now_ns: int) -> c.Publish:
        number = self._next
        while self._quiet_until[number] > now_ns:
            number = (number + 1) % self._settings.topics
        self._next = (number + 1) % self._settings.topics
        self._counts[number] += 1
        topic = topic_of(number)
        if self.to_lose and self.to_lose.get(topic.encode()):
            self._quiet_until[number] = now_ns + int(self._settings.quiet_s * 1e9)
        book = m.BookDelta("load", [float(self._counts[number]), 1.0, *LEVELS], LEVELS)
        return c.Publish(topic, book)

    def _note_reader(self, number: int, now_ns: int) -> None:
        if number in self._unread:
            self._unread.discard(number)
            self._read_ns = now_ns

    def _lose(self, passed_s: float, now_ns: int) -> None:
        """Choose the topics of which the next message gets lost. Half of them always goes on."""
        due = int((passed_s - 2) * self._settings.losses_per_s)
        while self._lost < min(due, self._settings.losses):
            self._lost += 1
            number = self._lost * MIXED % self._settings.topics
            if self._quiet_until[number] < now_ns - 1_000_000_000:
                quiet = sum(until > now_ns for until in self._quiet_until)
                is_tail = self._lost % 2 == 0 and quiet < self._settings.topics // 2
                self.to_lose[topic_of(number).encode()] = is_tail


class Dropping:
    """In place of the publisher's socket: what is to be lost never gets into it."""

    def __init__(self, socket: zmq.Socket[bytes], core: Feeder, losses: list[Loss]) -> None:
        self._socket = socket
        self._core = core
        self._losses = losses

    def send(self, frame: bytes, flags: int) -> None:
        if self._core.to_lose:
            topic = frame[: frame.index(b"\0")]
            is_tail = self._core.to_lose.pop(topic, None)
            if is_tail is not None:
                self._losses.append(Loss(topic.decode(), clock.now_ns(), is_tail))
                return
        self._socket.send(frame, flags)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


class Checker:
    """Whether each message follows from what is held: a snapshot, then every change of it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._held: dict[str, int] = report.last

    def take(self, event: c.BusMessage) -> None:
        book = event.message
        assert isinstance(book, m.BookSnapshot | m.BookDelta)
        count, held = int(book.bids[0]), self._held.get(event.topic)
        self._report.messages += 1
        if isinstance(book, m.BookSnapshot):
            self._report.snapshots += 1
        elif count != (held or 0) + 1 or held is None:
            self._report.holes += 1
        self._report.holes += count != event.sequence
        self._held[event.topic] = count

    def lose(self, event: c.TopicLost) -> None:
        """What is held is worthless now."""
        self._held.pop(event.topic, None)
        self._report.losses.append(Loss(event.topic, clock.now_ns(), reason=event.reason))

    def forget(self, topic: str) -> None:
        self._held.pop(topic, None)


class Reader:
    """A core that follows all topics; times: when each message was sent and when it was here."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._settings = settings
        self._checker = Checker(report)
        self.times = array("q")

    def handle(self, event: c.Event, now_ns: int) -> list[Any]:
        if isinstance(event, c.BusMessage):
            self.times.append(event.sent_ns)
            self.times.append(now_ns)
            self._checker.take(event)
        elif isinstance(event, c.TopicLost):
            self._checker.lose(event)
        elif isinstance(event, c.Started):
            return [c.Subscribe(topic_of(number)) for number in range(self._settings.topics)]
        return []

    def on_time(self, now_ns: int) -> list[Any]:
        return []


class Joiner:
    """A core that joins topics, sees that each begins whole and goes on without a hole, leaves."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._checker = Checker(report)
        self._next = 0
        self._asked: dict[str, int] = {}
        self._deltas: dict[str, int] = {}

    def handle(self, event: c.Event, now_ns: int) -> list[Any]:
        if isinstance(event, c.Started):
            return [self._join(now_ns) for _ in range(AT_ONCE)]
        if isinstance(event, c.TopicLost):
            self._checker.lose(event)
        if not isinstance(event, c.BusMessage) or event.topic not in self._deltas:
            return []
        self._checker.take(event)
        asked_ns = self._asked.pop(event.topic, None)
        if asked_ns is not None:
            self._report.joins_ns.append(now_ns - asked_ns)
        self._deltas[event.topic] += 1
        return self._leave(event.topic, now_ns)

    def on_time(self, now_ns: int) -> list[Any]:
        return []

    def _join(self, now_ns: int) -> c.Subscribe:
        topic = topic_of(self._next % self._settings.topics)
        self._next += 1
        self._asked[topic], self._deltas[topic] = now_ns, 0
        return c.Subscribe(topic)

    def _leave(self, topic: str, now_ns: int) -> list[Any]:
        if self._deltas[topic] <= DELTAS_OF_A_JOIN:
            return []
        del self._deltas[topic]
        self._checker.forget(topic)
        again = [self._join(now_ns)] if self._next < self._settings.joins else []
        return [c.Unsubscribe(topic), *again]


class Member:
    """One of a crowd: a subscriber that connects and joins when it is told to."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, context: Any, endpoint: str, topic: str
    ) -> None:
        self.report = Report()
        self._checker = Checker(self.report)
        self._began_ns = clock.now_ns()
        self._subscriber = Subscriber(loop, context, [endpoint], self._on_event)
        self._subscriber.subscribe(topic)

    def _on_event(self, event: c.Event) -> None:
        if isinstance(event, c.TopicLost):
            self._checker.lose(event)
        elif isinstance(event, c.BusMessage):
            self._checker.take(event)
            if not self.report.joins_ns:
                self.report.joins_ns.append(clock.now_ns() - self._began_ns)

    def close(self) -> None:
        self._subscriber.close()


def feed(settings: Settings) -> None:
    report = Report()
    core = Feeder(settings, report)
    shell = Shell("feeder", core, RunDir(settings.run_dir), publisher=FEED)
    publisher: Any = shell._publisher
    publisher._socket = Dropping(publisher._socket, core, report.losses)
    _run(shell, settings, report)


def read(settings: Settings) -> None:
    report = Report()
    core = Reader(settings, report)
    _run(_reading(core, settings), settings, report)
    with Path(settings.report).with_suffix(".times").open("wb") as file:
        core.times.tofile(file)


def join(settings: Settings) -> None:
    report = Report()
    _run(_reading(Joiner(settings, report), settings), settings, report)


def _reading(core: Any, settings: Settings) -> Shell:
    publisher = f"health.{settings.name}"
    return Shell(
        settings.name, core, RunDir(settings.run_dir), publisher=publisher, subscribe=[FEED]
    )


def _run(shell: Shell, settings: Settings, report: Report) -> None:
    def keep() -> None:
        write(settings, report)
        shell.loop.call_later(REPORT_NS / 1e9, keep)

    shell.loop.call_soon(keep)
    shell.run()
    write(settings, report)


def crowd(settings: Settings) -> None:
    """All join when SIGUSR1 says so."""
    loop = uvloop.new_event_loop()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    endpoint = RunDir(settings.run_dir).endpoint(FEED)
    members: list[Member] = []

    def begin() -> None:
        for number in range(settings.joins):
            topic = topic_of(0 if settings.same else number)
            members.append(Member(loop, context, endpoint, topic))

    def keep() -> None:
        every = [member.report for member in members]
        whole = Report(
            sum(each.messages for each in every),
            sum(each.snapshots for each in every),
            sum(each.holes for each in every),
            [loss for each in every for loss in each.losses],
            [took for each in every for took in each.joins_ns],
        )
        write(settings, whole)
        loop.call_later(REPORT_NS / 1e9, keep)

    loop.add_signal_handler(signal.SIGUSR1, begin)
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    loop.call_soon(keep)
    loop.run_forever()
    keep()
    for member in members:
        member.close()
    context.destroy(linger=0)


def write(settings: Settings, report: Report) -> None:
    path = Path(settings.report)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(report))
    new.replace(path)


PROGRAMS: dict[str, Callable[[Settings], None]] = {
    "feeder": feed,
    "reader": read,
    "joiner": join,
    "crowd": crowd,
}


def main() -> None:
    settings = msgspec.json.decode(sys.argv[2], type=Settings)
    RunDir(settings.run_dir).create()
    clock.follow(RunDir(settings.run_dir).clock)
    PROGRAMS[sys.argv[1]](settings)


if __name__ == "__main__":
    main()
