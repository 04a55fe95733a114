"""The client against sockets that play a desk: order, loss, commands that are not answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from common import codec, messages as m, parts
from common.client import Client, Lost, NoAnswer, NotRunning, Received, exact_text, publisher_of
from common.following import PARTS_MISSING
from common.linked import linked_order
from common.rundir import RunDir
from common.transport import joining
from tests import samples

TOPIC = "quote.deribit.BTC-PERPETUAL"
NAME = "deribit.BTC-PERPETUAL"
WAIT_S = 60.0


def quote(bid: float) -> m.Quote:
    return m.Quote(NAME, bid, 1.0, bid + 1, 1.0)


class Publisher:
    """An XPUB that sends what the test says, once the client has subscribed."""

    def __init__(
        self, context: zmq.Context[Any], run_dir: RunDir, name: str = "md.deribit"
    ) -> None:
        self.socket = context.socket(zmq.XPUB)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.socket.bind(run_dir.endpoint(name))
        self.start_ns = 1

    def wait_for(self, topic: str) -> None:
        while self.socket.poll(int(WAIT_S * 1000)):
            if self.socket.recv() == b"\x01" + codec.subscription(topic):
                return
        raise AssertionError(f"nobody subscribed {topic}")

    def send(self, sequence: int, message: m.Event, topic: str = TOPIC) -> None:
        frame = codec.encode(
            topic, message, publisher_start_ns=self.start_ns, sequence=sequence, sent_ns=1
        )
        self.socket.send(frame)

    def beat(self, sequences: dict[str, int]) -> None:
        health = m.Health("market_data.deribit", "ready", 1, 1, sequences)
        self.send(1, health, "health.market_data.deribit")


@pytest.fixture
def run_dir(tmp_path: Path) -> RunDir:
    found = RunDir(tmp_path / "run")
    found.create()
    return found


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    with zmq.Context() as context:
        yield context


@pytest.fixture
def publisher(context: zmq.Context[Any], run_dir: RunDir) -> Iterator[Publisher]:
    made = Publisher(context, run_dir)
    yield made
    made.socket.close(0)


@pytest.fixture
def client(run_dir: RunDir) -> Iterator[Client]:
    with Client(run_dir, sender="tester", timeout_s=WAIT_S) as made:
        yield made


@pytest.fixture
def slow_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is there is found, however busy the machine is."""
    monkeypatch.setattr("common.client.CONNECT_S", WAIT_S)


def delay_once(_: joining.Awaited, tries: int) -> float:
    """Soon, and then not again."""
    return 10 * WAIT_S if tries else 0.2


def take(client: Client, count: int) -> list[Received | Lost]:
    """The next messages, or fewer after a long silence."""
    return list(islice(client.messages(timeout_s=WAIT_S), count))


def test_messages_come_in_order_and_once(client: Client, publisher: Publisher) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    for sequence in (5, 5, 6, 7):
        publisher.send(sequence, quote(float(sequence)))
    received = take(client, 3)
    assert [item.sequence for item in received if isinstance(item, Received)] == [5, 6, 7]


def test_a_hole_is_told_and_a_snapshot_is_asked_for(client: Client, publisher: Publisher) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    publisher.send(1, quote(1.0))
    publisher.send(4, quote(4.0))
    _, lost, fresh = take(client, 3)
    assert lost == Lost(TOPIC, "messages 2 to 3 are missing")
    assert isinstance(fresh, Received) and fresh.sequence == 4
    publisher.wait_for(TOPIC)


def test_a_delta_after_a_hole_waits_for_the_snapshot(client: Client, publisher: Publisher) -> None:
    topic = f"book.{NAME}"
    client.subscribe_book(NAME)
    publisher.wait_for(topic)
    publisher.send(3, m.BookDelta(NAME, [1.0, 1.0], []), topic)
    publisher.send(3, m.BookSnapshot(NAME, [1.0, 1.0], []), topic)
    publisher.send(5, m.BookDelta(NAME, [1.0, 2.0], []), topic)
    publisher.send(5, m.BookSnapshot(NAME, [1.0, 2.0], []), topic)
    first, lost, second = take(client, 3)
    assert isinstance(first, Received) and isinstance(first.message, m.BookSnapshot)
    assert isinstance(lost, Lost)
    assert isinstance(second, Received) and isinstance(second.message, m.BookSnapshot)


def test_row_58_a_snapshot_that_got_lost_is_asked_for_again(
    client: Client, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "FIRST_S", 0.05)
    client.subscribe(TOPIC)
    publisher.wait_for(TOPIC)  # and nothing is answered

    def answer() -> None:
        wanted = b"\x01" + codec.subscription(TOPIC)
        for _ in range(1000):
            publisher.beat({})
            if publisher.socket.poll(50) and publisher.socket.recv() == wanted:
                publisher.send(1, quote(1.0))
                return

    thread = threading.Thread(target=answer)
    thread.start()
    received = next(client.messages(timeout_s=WAIT_S))
    thread.join(WAIT_S)
    assert isinstance(received, Received) and received.message == quote(1.0)


def test_row_60_a_restart_of_the_publisher_is_told(client: Client, publisher: Publisher) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    publisher.send(9, quote(1.0))
    publisher.start_ns = 2
    publisher.send(1, quote(2.0))
    _, lost, fresh = take(client, 3)
    assert lost == Lost(TOPIC, "the publisher started anew")
    assert isinstance(fresh, Received) and fresh.sequence == 1


def test_row_61_loss_at_the_tail_is_seen_from_the_beat(
    client: Client, publisher: Publisher
) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    publisher.send(1, quote(1.0))
    publisher.beat({TOPIC: 2, "quote.deribit.OTHER": 9})
    assert take(client, 2)[1] == Lost(TOPIC, "the last messages are missing")


def test_row_60_a_restart_after_the_clock_went_back_is_found_when_the_old_one_is_silent(
    client: Client, publisher: Publisher
) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    publisher.start_ns = 9
    publisher.send(5, quote(1.0))
    publisher.start_ns = 2
    publisher.send(1, quote(2.0))  # it could be a late message of the one before
    first, lost = take(client, 2)
    assert isinstance(first, Received) and lost == Lost(TOPIC, "the publisher is silent")
    publisher.wait_for(TOPIC)
    publisher.send(2, quote(3.0))
    (fresh,) = take(client, 1)
    assert isinstance(fresh, Received) and fresh.message == quote(3.0)
    publisher.start_ns = 1
    publisher.send(7, quote(4.0))
    publisher.start_ns = 2
    publisher.send(3, quote(5.0))
    (after,) = take(client, 1)
    assert isinstance(after, Received) and after.message == quote(5.0)


def test_a_silent_publisher_is_told(client: Client, publisher: Publisher) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    publisher.beat({})
    publisher.send(1, quote(1.0))
    assert take(client, 2)[1] == Lost(TOPIC, "the publisher is silent")


def test_nobody_is_silent_at_the_first_look_after_a_standstill(
    client: Client, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    publisher.send(1, quote(1.0))
    assert len(take(client, 1)) == 1
    later = time.monotonic() + 60
    monkeypatch.setattr("common.client.time", SimpleNamespace(monotonic=lambda: later))
    assert client._silent_topics() == []
    assert client._silent_topics() == [Lost(TOPIC, "the publisher is silent")]


def test_a_silent_publisher_is_told_while_another_is_busy(
    client: Client, publisher: Publisher, context: zmq.Context[Any], run_dir: RunDir
) -> None:
    busy = f"order.deribit.main.{client.sender}"
    done = threading.Event()

    def talk() -> None:
        other = Publisher(context, run_dir, "order_events.deribit.main")
        other.start_ns = 2
        other.wait_for(busy)
        sequence = 0
        while not done.wait(0.005):
            sequence += 1
            other.send(sequence, m.OrderSnapshot("deribit", "main", "tester", []), busy)
        other.socket.close(0)

    talking = threading.Thread(target=talk)
    talking.start()
    client.subscribe_quote(NAME)
    client.subscribe(busy)
    publisher.wait_for(TOPIC)
    publisher.beat({})
    publisher.send(1, quote(1.0))
    try:
        told = next(item for item in client.messages(WAIT_S) if isinstance(item, Lost))
    finally:
        done.set()
        talking.join()
    assert told == Lost(TOPIC, "the publisher is silent")


def test_frames_that_are_not_ours_are_counted(client: Client, publisher: Publisher) -> None:
    client.subscribe_quote(NAME)
    publisher.wait_for(TOPIC)
    publisher.socket.send(codec.subscription(TOPIC) + b"\xc1")
    publisher.send(1, quote(1.0))
    assert len(take(client, 1)) == 1
    assert client.bad_frames == 1


Answer = Callable[[codec.RequestHeader, m.Command], list[m.CommandReply]]


@pytest.fixture
def engine(
    context: zmq.Context[Any], run_dir: RunDir, slow_to_connect: None
) -> Iterator[dict[str, Any]]:
    """A ROUTER that answers with what `state["answer"]` returns and keeps what it was sent."""
    state: dict[str, Any] = {"commands": [], "answer": lambda header, command: []}
    router = context.socket(zmq.ROUTER)
    router.bind(run_dir.endpoint("orders.deribit.main"))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            if not router.poll(20):
                continue
            peer, first, second = router.recv_multipart()
            header, command = codec.decode_header(first), codec.decode_command(second)
            state["commands"].append(command)
            for reply in state["answer"](header, command):
                router.send_multipart([peer, *codec.encode_reply("engine", 1, reply)])

    thread = threading.Thread(target=serve)
    thread.start()
    yield state
    stop.set()
    thread.join()
    router.close(0)


def test_place_sends_exact_numbers_and_our_name(client: Client, engine: dict[str, Any]) -> None:
    engine["answer"] = lambda header, _: [m.CommandReply(header.request_id, True)]
    reply = client.place(NAME, m.Side.BUY, 100, price="50000.5", post_only=True)
    assert reply.accepted
    [sent] = engine["commands"]
    assert (str(sent.quantity), str(sent.price), sent.owner) == ("100", "50000.5", "tester")
    assert sent.order_type is m.OrderType.LIMIT
    client.place(NAME, m.Side.SELL, Decimal("1.5"))
    assert engine["commands"][1].order_type is m.OrderType.MARKET


def test_linked_orders_and_further_terms_are_sent(client: Client, engine: dict[str, Any]) -> None:
    engine["answer"] = lambda header, _: [m.CommandReply(header.request_id, True)]
    stop = linked_order(m.Side.SELL, trigger_price="49000")
    client.place(
        NAME,
        m.Side.BUY,
        100,
        price="50000.5",
        display_quantity=10,
        contingency_type=m.ContingencyType.OTO,
        linked_orders=[stop],
    )
    client.modify(samples.ORDER, trigger_offset="5", display_quantity=20)
    placed, changed = engine["commands"]
    assert (placed.linked_orders, placed.display_quantity) == ([stop], 10)
    assert (changed.trigger_offset, changed.display_quantity, changed.price) == (5, 20, None)


def test_an_answer_to_an_older_command_is_not_ours(client: Client, engine: dict[str, Any]) -> None:
    engine["answer"] = lambda header, _: [
        m.CommandReply("older", False),
        m.CommandReply(header.request_id, True, text="mine"),
    ]
    assert client.cancel_all("deribit").text == "mine"


def test_no_answer_leaves_the_order_in_doubt(client: Client, engine: dict[str, Any]) -> None:
    client.timeout_s = 0.05
    with pytest.raises(NoAnswer) as raised:
        client.place(NAME, m.Side.BUY, 1, price=1, request_id="again-1")
    assert raised.value.request_id == "again-1"


def test_a_command_is_asked_again_of_the_successor_of_who_died_with_it(
    client: Client, run_dir: RunDir
) -> None:
    client.timeout_s = 60.0
    taken: list[list[bytes]] = []
    is_answered = threading.Event()

    def serve(is_last: bool) -> None:
        own: zmq.Context[Any] = zmq.Context()  # its end waits until the socket's path is free
        router = own.socket(zmq.ROUTER)
        router.bind(run_dir.endpoint("orders.deribit.main"))
        peer, *frames = router.recv_multipart()
        taken.append(frames)
        if is_last:
            reply = m.CommandReply(codec.decode_header(frames[0]).request_id, True)
            router.send_multipart([peer, *codec.encode_reply("engine", 1, reply)])
            is_answered.wait(60)  # what is not read when the connection ends is lost
        router.close(0)
        own.term()

    thread = threading.Thread(target=lambda: [serve(False), serve(True)], daemon=True)
    thread.start()
    assert client.place(NAME, m.Side.BUY, 1, price=1).accepted
    is_answered.set()
    thread.join()
    assert len(taken) == 2 and taken[0] == taken[1]


def test_row_62_nothing_is_sent_to_a_process_that_is_away(client: Client) -> None:
    with pytest.raises(NotRunning, match=r"orders\.deribit\.main"):
        client.query_orders("deribit")
    with pytest.raises(NotRunning):
        client.push_inventory("deribit", "somewhere", "ETH", "1.5")


@pytest.mark.usefixtures("slow_to_connect")
def test_a_snapshot_in_parts_is_handed_on_from_its_first_part_on(
    client: Client, context: zmq.Context[Any], run_dir: RunDir
) -> None:
    topic = f"order.deribit.main.{client.sender}"
    engine = Publisher(context, run_dir, "order_events.deribit.main")
    client.subscribe_orders("deribit")
    engine.wait_for(topic)
    orders = [samples.ORDER] * 1200
    cut = parts.split(m.OrderSnapshot("deribit", "main", "tester", orders))
    for part in (cut[2], *cut):  # the end of a snapshot for somebody who came before
        engine.send(7, part, topic)
    engine.send(8, samples.ORDER, topic)
    told = list(islice(client.messages(WAIT_S), 4))
    assert [item.message for item in told if isinstance(item, Received)] == [*cut, samples.ORDER]
    engine.socket.close(0)


@pytest.mark.usefixtures("slow_to_connect")
@pytest.mark.parametrize("came", [(0,), (0, 1), (0, 2)])
def test_row_58_a_snapshot_of_which_parts_got_lost_is_asked_for_again(
    client: Client,
    context: zmq.Context[Any],
    run_dir: RunDir,
    monkeypatch: pytest.MonkeyPatch,
    came: tuple[int, ...],
) -> None:
    monkeypatch.setattr(joining.Awaited, "_delay", delay_once)
    monkeypatch.setattr("common.client.SILENT_S", 10 * WAIT_S)
    topic = f"order.deribit.main.{client.sender}"
    engine = Publisher(context, run_dir, "order_events.deribit.main")
    client.subscribe_orders("deribit")
    engine.wait_for(topic)
    cut = parts.split(m.OrderSnapshot("deribit", "main", "tester", [samples.ORDER] * 1200))
    for part in came:
        engine.send(7, cut[part], topic)

    def answer_again() -> None:
        engine.wait_for(topic)
        for part in cut:
            engine.send(7, part, topic)
        engine.send(8, samples.ORDER, topic)

    answering = threading.Thread(target=answer_again)
    answering.start()
    told: list[Any] = []
    while samples.ORDER not in told:
        (item,) = take(client, 1)
        told.append(item.message if isinstance(item, Received) else item)
    answering.join()
    assert told[0] == cut[0] and Lost(topic, PARTS_MISSING) in told
    assert told[-4:] == [*cut, samples.ORDER]
    assert topic not in client._awaited
    engine.socket.close(0)


def test_inventory_is_pushed(client: Client, context: zmq.Context[Any], run_dir: RunDir) -> None:
    pull = context.socket(zmq.PULL)
    pull.bind(run_dir.endpoint("inventory.deribit.main"))
    client.push_inventory("deribit", "uniswap-v3:weth-usdc", "ETH", "-1.5")
    assert pull.poll(int(WAIT_S * 1000))
    told = codec.decode_inventory(pull.recv())
    assert (told.source, str(told.quantity)) == ("uniswap-v3:weth-usdc", "-1.5")
    pull.close(0)


def test_floats_do_not_commit() -> None:
    with pytest.raises(ValueError, match="as text"):
        exact_text(0.1)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        exact_text("nan")


@pytest.mark.parametrize(
    ("topic", "publisher"),
    [
        ("book.deribit.BTC-PERPETUAL", "md.deribit"),
        ("instruments.deribit", "md.deribit"),
        ("index.deribit.btc_usd", "md.deribit"),
        ("order.deribit.main.me", "order_events.deribit.main"),
        ("fill.deribit.main", "order_events.deribit.main"),
        ("account.deribit.main", "positions.deribit.main"),
        ("risk.deribit.main", "positions.deribit.main"),
    ],
)
def test_each_topic_has_its_publisher(topic: str, publisher: str) -> None:
    assert publisher_of(topic) == publisher
