"""Two shells in one process group: real sockets, scripted cores."""

from __future__ import annotations

import base64
import gc
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from common import core as c, messages as m, parts
from common.rundir import RunDir
from common.transport import joining, publisher as publisher_module
from common.transport.loop import Shell
from tests import samples

DEADLINE_S = 60


class Scripted:
    """A core that remembers its events and answers with what a function returns."""

    def __init__(self, answer: Callable[[c.Event], list[object]]) -> None:
        self.events: list[c.Event] = []
        self._answer = answer

    def handle(self, event: c.Event, now_ns: int) -> list[object]:
        self.events.append(event)
        return self._answer(event)

    def on_time(self, now_ns: int) -> list[object]:
        self.events.append(c.Count("woken"))
        return []

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


def silent(event: c.Event) -> list[object]:
    return []


class Running:
    """A shell on a thread of its own; signals stay with the main thread."""

    def __init__(self, shell: Shell) -> None:
        shell.loop.add_signal_handler = lambda *_: None  # type: ignore[attr-defined]
        self.shell = shell
        self.exit_code: int | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.exit_code = self.shell.run()

    def do(self, *commands: object) -> None:
        self.shell.loop.call_soon_threadsafe(self.shell.execute, commands)

    def stop(self) -> None:
        if self._thread.is_alive():
            self.shell.loop.call_soon_threadsafe(self.shell.stop)
            self._thread.join(DEADLINE_S)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = monotonic() + DEADLINE_S
    pause = threading.Event()
    while not condition():
        assert monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.005)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    import asyncio

    import common.transport.loop as loop_module

    monkeypatch.setattr(loop_module.uvloop, "new_event_loop", asyncio.SelectorEventLoop)
    started: list[Running] = []

    def start(shell: Shell) -> Running:
        started.append(Running(shell))
        return started[-1]

    yield start
    for running in reversed(started):
        running.stop()


@pytest.fixture
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return RunDir(tmp_path_factory.mktemp("desk"))


def book(price: float) -> m.BookDelta:
    return m.BookDelta("deribit.X", [price, 1.0], [])


def test_row_58_a_joiner_gets_a_snapshot_and_then_the_deltas_after_it(run, run_dir: RunDir) -> None:
    def answer(event: c.Event) -> list[object]:
        if isinstance(event, c.Subscribed) and event.topic.startswith("book."):
            return [c.PublishSnapshot(event.topic, m.BookSnapshot("deribit.X", [1.0, 1.0], []))]
        return []

    publisher = run(Shell("a", Scripted(answer), run_dir, publisher="md.a"))
    publisher.do(c.Publish("book.deribit.X", book(1.0)), c.Publish("book.deribit.X", book(2.0)))
    wait_for(lambda: publisher.shell._publisher._sequences.get("book.deribit.X") == 2)
    reader = Scripted(silent)
    joiner = run(Shell("b", reader, run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(c.Subscribe("book.deribit.X"))
    wait_for(lambda: reader.of(c.BusMessage))
    publisher.do(c.Publish("book.deribit.X", book(3.0)))
    wait_for(lambda: len(reader.of(c.BusMessage)) >= 2)
    snapshot, delta = reader.of(c.BusMessage)
    assert isinstance(snapshot.message, m.BookSnapshot) and snapshot.sequence == 2
    assert delta.message == book(3.0) and delta.sequence == 3


def test_row_58_a_snapshot_that_got_lost_is_asked_for_again(
    run, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else happens on the topic, so nothing else tells of the loss."""
    monkeypatch.setattr(joining, "FIRST_S", 0.05)
    asked: list[str] = []

    def answer(event: c.Event) -> list[object]:
        if isinstance(event, c.Subscribed):
            asked.append(event.topic)
            if asked.count(event.topic) > 2 and event.topic.startswith("book."):
                return [c.PublishSnapshot(event.topic, m.BookSnapshot("deribit.X", [1.0, 1.0], []))]
        return []

    run(Shell("a", Scripted(answer), run_dir, publisher="md.a"))
    reader = Scripted(silent)
    joiner = run(Shell("b", reader, run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(c.Subscribe("trade.deribit.X"), c.Subscribe("book.deribit.X"))
    wait_for(lambda: reader.of(c.BusMessage))
    assert not reader.of(c.TopicLost)
    assert asked.count("trade.deribit.X") == 1  # no trade is not a lost one


def test_a_reader_that_leaves_and_comes_back_at_once_is_a_first_reader(
    run, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "SHARE_S", 60.0)  # joiners share all the time
    core = Scripted(silent)
    run(Shell("a", core, run_dir, publisher="md.a"))
    joiner = run(Shell("b", Scripted(silent), run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(c.Subscribe("trade.deribit.X"))
    wait_for(lambda: core.of(c.Subscribed))
    joiner.do(c.Unsubscribe("trade.deribit.X"), c.Subscribe("trade.deribit.X"))
    wait_for(lambda: len(core.of(c.Subscribed)) == 2)
    told = [event for event in core.events if isinstance(event, (c.Subscribed, c.Unsubscribed))]
    first = c.Subscribed("trade.deribit.X", first=True)
    assert told == [first, c.Unsubscribed("trade.deribit.X"), first]


def test_a_beat_tells_at_most_so_many_topics_and_the_others_next(
    run, run_dir: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "BEAT_TOPICS", 10)
    quote = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)
    topics = {f"quote.deribit.X{number}" for number in range(25)}
    shell = Shell("a", Scripted(silent), run_dir, publisher="md.a")
    beats: list[dict[str, int]] = []
    changed = shell._publisher.changed_sequences

    def tell() -> dict[str, int]:
        """Asked by the shell's own beats too."""
        beats.append(changed())
        return beats[-1]

    shell._publisher.changed_sequences = tell  # type: ignore[method-assign]
    running = run(shell)
    running.do(*(c.Publish(topic, quote) for topic in topics))

    def told() -> set[str]:
        running.shell.loop.call_soon_threadsafe(tell)
        return {topic for beat in list(beats) for topic in beat}

    wait_for(lambda: told() >= topics)
    assert all(len(beat) <= 10 for beat in beats)


def test_row_60_a_restarted_publisher_is_noticed_and_asked_for_a_snapshot(
    run, run_dir: RunDir
) -> None:
    def answer(event: c.Event) -> list[object]:
        if isinstance(event, c.Subscribed) and event.topic.startswith("book."):
            return [c.Publish(event.topic, m.BookSnapshot("deribit.X", [1.0, 1.0], []))]
        return []

    first = run(Shell("a", Scripted(answer), run_dir, publisher="md.a"))
    reader = Scripted(silent)
    joiner = run(Shell("b", reader, run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(c.Subscribe("book.deribit.X"))
    wait_for(lambda: reader.of(c.BusMessage))
    first.stop()
    run(Shell("a", Scripted(answer), run_dir, publisher="md.a"))
    wait_for(lambda: len({each.publisher_start_ns for each in reader.of(c.BusMessage)}) == 2)
    assert reader.of(c.TopicLost)


@pytest.mark.parametrize("followed", ["book.deribit.X", "book."])
def test_row_60_a_publisher_that_restarts_with_an_earlier_start_is_followed(
    run, run_dir: RunDir, followed: str
) -> None:
    """The wall clock was set back between its two lives."""

    def answer(event: c.Event) -> list[object]:
        if isinstance(event, c.Subscribed) and event.topic.startswith("book."):
            return [c.Publish(event.topic, m.BookSnapshot("deribit.X", [1.0, 1.0], []))]
        return []

    snapshot = c.Publish("book.deribit.X", m.BookSnapshot("deribit.X", [1.0, 1.0], []))
    first_shell = Shell("a", Scripted(answer), run_dir, publisher="md.a")
    future_ns = first_shell._publisher.start_ns = 2**62
    first = run(first_shell)
    reader = Scripted(silent)
    joiner = run(Shell("b", reader, run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(c.Subscribe(followed))

    def hears(start_ns: int, running: Running) -> bool:
        running.do(snapshot)
        return any(event.publisher_start_ns == start_ns for event in reader.of(c.BusMessage))

    wait_for(lambda: hears(future_ns, first))
    first.stop()
    second_shell = Shell("a", Scripted(answer), run_dir, publisher="md.a")
    second = run(second_shell)
    wait_for(lambda: hears(second_shell._publisher.start_ns, second))
    assert reader.of(c.TopicLost)


def test_row_66_a_message_that_readers_would_refuse_is_not_sent_and_told(
    run, run_dir: RunDir
) -> None:
    publisher = run(Shell("a", Scripted(silent), run_dir, publisher="md.a"))
    reader = Scripted(silent)
    joiner = run(Shell("b", reader, run_dir, publisher="md.b", subscribe=["md.a"]))
    topics = {"quote.deribit.X", "alert.a"}
    joiner.do(*(c.Subscribe(topic) for topic in topics))
    wait_for(lambda: {each.topic for each in publisher.shell.core.of(c.Subscribed)} == topics)
    quote = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)
    huge = m.Quote("x" * (1 << 20), 1.0, 1.0, 2.0, 1.0)
    publisher.do(*(c.Publish("quote.deribit.X", each) for each in (quote, huge, quote)))
    wait_for(lambda: reader.of(c.TopicLost))  # what is missing is seen by the reader
    wait_for(lambda: any(isinstance(each.message, m.Alert) for each in reader.of(c.BusMessage)))
    assert publisher.shell._counters["messages_too_large"] == 1


def test_five_thousand_topics_survive_a_publisher_restart(run, run_dir: RunDir) -> None:
    topics = [f"quote.deribit.X{number}" for number in range(5000)]
    publisher = Scripted(silent)
    first = run(Shell("a", publisher, run_dir, publisher="md.a"))
    joiner = run(Shell("b", Scripted(silent), run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(*(c.Subscribe(topic) for topic in topics))
    wait_for(lambda: len(publisher.of(c.Subscribed)) >= 5000)
    first.stop()
    second = Scripted(silent)
    run(Shell("a", second, run_dir, publisher="md.a"))
    wait_for(lambda: {event.topic for event in second.of(c.Subscribed)} >= set(topics))


def test_row_61_a_lost_last_message_is_noticed_from_the_beat(run, run_dir: RunDir) -> None:
    publisher = run(Shell("a", Scripted(silent), run_dir, publisher="md.a"))
    reader = Scripted(silent)
    joiner = run(Shell("b", reader, run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(c.Subscribe("quote.deribit.X"))
    quote = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)
    wait_for(lambda: publisher.shell.core.of(c.Subscribed))
    publisher.do(c.Publish("quote.deribit.X", quote))
    wait_for(lambda: reader.of(c.BusMessage))
    lost = lambda: publisher.shell._publisher._sequences.update({"quote.deribit.X": 2})  # noqa: E731
    publisher.shell.loop.call_soon_threadsafe(lost)
    publisher.shell.loop.call_soon_threadsafe(
        publisher.shell._publisher._changed.add, "quote.deribit.X"
    )
    wait_for(lambda: reader.of(c.TopicLost))


def test_topics_of_a_prefix_that_is_left_are_forgotten(run, run_dir: RunDir) -> None:
    publisher = run(Shell("a", Scripted(silent), run_dir, publisher="md.a"))
    reader = Scripted(silent)
    joiner = run(Shell("b", reader, run_dir, publisher="md.b", subscribe=["md.a"]))
    joiner.do(c.Subscribe("quote.deribit."), c.Subscribe("quote.deribit.X"))
    wait_for(lambda: publisher.shell.core.of(c.Subscribed))
    quote = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)
    publisher.do(c.Publish("quote.deribit.X", quote), c.Publish("quote.deribit.Y", quote))
    wait_for(lambda: len(reader.of(c.BusMessage)) == 2)
    joiner.do(c.Unsubscribe("quote.deribit."))
    wait_for(lambda: set(joiner.shell._subscriber._topics) == {"quote.deribit.X"})


def test_row_62_a_request_is_answered_once_and_a_dead_target_is_told(run, run_dir: RunDir) -> None:
    def answer(event: c.Event) -> list[object]:
        if isinstance(event, c.CommandReceived):
            return [c.Reply(event.peer, m.CommandReply(event.request_id, True))]
        return []

    asker_core = Scripted(silent)
    asker = run(
        Shell("b", asker_core, run_dir, publisher="health.b", requests=["orders.a", "orders.none"])
    )
    asker.do(c.Request("orders.none", "r0", m.QueryOrders()))
    wait_for(lambda: asker_core.of(c.RequestFailed))
    assert asker_core.of(c.RequestFailed)[0].sent is False
    run(Shell("a", Scripted(answer), run_dir, publisher="health.a", router="orders.a"))

    def ask_until_up() -> bool:
        asker.do(c.Request("orders.a", f"r{len(asker_core.events)}", m.QueryOrders()))
        return bool(asker_core.of(c.Replied))

    wait_for(ask_until_up)
    assert asker_core.of(c.Replied)[0].reply.accepted


def test_sends_wait_for_the_journal_and_other_commands_do_not(
    run, run_dir: RunDir, tmp_path: Path
) -> None:
    from common.transport import journal

    done: list[str] = []
    shell = Shell("a", Scripted(silent), run_dir, publisher="md.a", journal=tmp_path / "a.journal")
    shell.extend(c.LinkSend, lambda command: done.append("sent"))
    shell.extend(c.Count, lambda command: done.append("counted"))
    running = run(shell)
    running.do(
        c.Journal(m.CancelOrder("1")),
        c.LinkSend("l", b""),
        c.Journal(m.CancelOrder("2")),
        c.Count("x"),
    )
    wait_for(lambda: len(done) == 2)
    assert done == ["counted", "sent"]
    assert len(journal.read(tmp_path / "a.journal")) == 2


def test_a_wake_is_delivered_once_when_it_is_due(run, run_dir: RunDir) -> None:
    core = Scripted(silent)
    running = run(Shell("a", core, run_dir, publisher="md.a"))
    running.do(c.WakeAt(1), c.WakeAt(1))
    wait_for(lambda: core.of(c.Count))
    assert len(core.of(c.Count)) == 1


def test_a_request_that_is_asked_again_has_one_outcome(run, run_dir: RunDir) -> None:
    held: list[c.CommandReceived] = []

    def answer(event: c.Event) -> list[object]:
        if isinstance(event, c.CommandReceived):
            held.append(event)
        return []

    answerer = run(Shell("a", Scripted(answer), run_dir, publisher="health.a", router="orders.a"))
    core = Scripted(silent)
    asker = run(Shell("b", core, run_dir, publisher="health.b", requests=["orders.a"]))

    def ask_until_there() -> bool:
        asker.do(c.Request("orders.a", "same", m.QueryOrders(), timeout_s=30))
        return len(held) >= 2

    wait_for(ask_until_there)
    answerer.do(*(c.Reply(each.peer, m.CommandReply("same", True)) for each in held))
    wait_for(lambda: core.of(c.Replied))
    asker.do(c.Publish("quote.x", m.Quote("x", 1.0, 1.0, 2.0, 1.0)))
    assert len(core.of(c.Replied)) == 1
    assert not [event for event in core.of(c.RequestFailed) if event.sent]


def test_row_58_twenty_thousand_orders_reach_every_joiner(run, run_dir: RunDir) -> None:
    orders = [
        msgspec.structs.replace(samples.ORDER, client_order_id=str(2**63 + number))
        for number in range(20_000)
    ]
    whole = m.OrderSnapshot("deribit", "main", "", orders)

    def answer(event: c.Event) -> list[object]:
        if isinstance(event, c.Subscribed):
            return [c.PublishSnapshot(event.topic, part) for part in parts.split(whole)]
        return []

    topic = "order.deribit.main"
    run(Shell("a", Scripted(answer), run_dir, publisher="order_events.a"))
    cores = [Scripted(silent) for _ in range(3)]
    for number, core in enumerate(cores):
        name = f"health.joiner{number}"
        shell = Shell("b", core, run_dir, publisher=name, subscribe=["order_events.a"])
        run(shell).do(c.Subscribe(topic))

        def gathered(core: Scripted = core) -> list[m.OrderSnapshot]:
            gathering = parts.Gathering()
            told = [event.message for event in core.of(c.BusMessage) if event.topic == topic]
            return [done for part in told if (done := gathering.take(part)) is not None]

        wait_for(gathered)
        assert gathered()[0] == whole


def test_a_request_reaches_the_successor_of_who_died_with_it(run, run_dir: RunDir) -> None:
    taken: list[c.CommandReceived] = []

    def answer(event: c.Event) -> list[object]:
        if not isinstance(event, c.CommandReceived):
            return []
        if event.request_id != "held":
            return [c.Reply(event.peer, m.CommandReply(event.request_id, True))]
        taken.append(event)
        return []

    first = run(Shell("a", Scripted(answer), run_dir, publisher="health.a", router="orders.a"))
    core = Scripted(silent)
    asker = run(Shell("b", core, run_dir, publisher="health.b", requests=["orders.a"]))

    def is_connected() -> bool:
        asker.do(c.Request("orders.a", "other", m.QueryOrders()))
        return bool(core.of(c.Replied))

    wait_for(is_connected)
    asker.do(c.Request("orders.a", "held", m.QueryOrders(), timeout_s=600))
    wait_for(lambda: len(taken) == 1)
    first.stop()
    second = run(Shell("a", Scripted(answer), run_dir, publisher="health.a", router="orders.a"))
    wait_for(lambda: len(taken) == 2)
    assert (taken[0].sent_ns, taken[0].command) == (taken[1].sent_ns, taken[1].command)
    second.do(c.Reply(taken[1].peer, m.CommandReply("held", True)))
    wait_for(lambda: [event for event in core.of(c.Replied) if event.request_id == "held"])
    assert len(taken) == 2


def test_row_57_a_venue_that_breaks_the_websocket_protocol_costs_a_link_and_not_the_process(
    run, run_dir: RunDir
) -> None:
    """It answers the handshake and goes on with reserved bits and an unknown opcode."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}/"
        threading.Thread(target=greet_and_break_the_rules, args=(server,), daemon=True).start()

        def answer(event: c.Event) -> list[object]:
            if isinstance(event, (c.Started, c.LinkDown)) and len(core.of(c.LinkDown)) < 3:
                return [c.LinkOpen("venue", url)]
            return []

        core = Scripted(answer)
        running = run(Shell("a", core, run_dir, publisher="md.a"))
        wait_for(lambda: len(core.of(c.LinkDown)) == 3)
        gc.collect()
        running.do(c.WakeAt(1))
        wait_for(lambda: core.of(c.Count))
        running.stop()
        assert running.exit_code == 0


def greet_and_break_the_rules(server: socket.socket) -> None:
    for _ in range(3):
        peer, _ = server.accept()
        with peer:
            lines = peer.recv(4096).decode().split("\r\n")
            key = next(line.split(": ")[1] for line in lines if "websocket-key" in line.lower())
            digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
            head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
            accept = f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}"
            peer.sendall(f"{head}\r\n{accept}\r\n\r\n".encode() + b"\xff\x00")
            peer.recv(4096)
