"""What hostile peers send to our sockets: 64 MB, and bytes that are no messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from common import codec, core as c, messages as m
from common.rundir import RunDir
from common.transport.loop import Shell
from tests.transport.test_shell import Scripted, run, run_dir, silent, wait_for

__all__ = ["run", "run_dir"]  # fixtures
HUGE = b"x" * (64 << 20)
TOPIC = "quote.deribit.X"
QUOTE = m.Quote("deribit.X", 1.0, 1.0, 2.0, 1.0)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    made.setsockopt(zmq.LINGER, 0)
    yield made
    made.destroy(linger=0)


def answer(event: c.Event) -> list[object]:
    if isinstance(event, c.CommandReceived):
        return [c.Reply(event.peer, m.CommandReply(event.request_id, True))]
    return []


def watched(socket: zmq.Socket[bytes]) -> zmq.Socket[bytes]:
    """Tells when a connection of this socket ends."""
    return socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)


@pytest.mark.parametrize(
    ("kind", "name"), [(zmq.DEALER, "orders.a"), (zmq.PUSH, "inventory.a"), (zmq.XSUB, "md.a")]
)
def test_row_66_a_peer_that_sends_64_mb_is_cut_and_others_are_served(
    run, run_dir: RunDir, context: zmq.Context[zmq.Socket[bytes]], kind: int, name: str
) -> None:
    core = Scripted(answer)
    running = run(
        Shell("a", core, run_dir, publisher="md.a", router="orders.a", pull="inventory.a")
    )
    other, asker = Scripted(silent), context.socket(zmq.DEALER)
    reader = run(Shell("b", other, run_dir, publisher="md.b", subscribe=["md.a"]))
    reader.do(c.Subscribe(TOPIC))
    wait_for(lambda: core.of(c.Subscribed))
    asker.connect(run_dir.endpoint("orders.a"))
    attacker = context.socket(kind)
    cut = watched(attacker)
    attacker.connect(run_dir.endpoint(name))
    attacker.send_multipart([HUGE] if kind != zmq.DEALER else [HUGE, HUGE])
    wait_for(lambda: cut.poll(0))
    assert recv_monitor_message(cut)["event"] == zmq.EVENT_DISCONNECTED
    attacker.disable_monitor()
    asker.send_multipart(codec.encode_command("r1", "x", 1, m.QueryOrders()))
    wait_for(lambda: asker.poll(0))
    running.do(c.Publish(TOPIC, QUOTE))
    wait_for(lambda: other.of(c.BusMessage))
    assert len(core.of(c.CommandReceived)) == 1 and not core.of(c.Pushed)
    assert not other.of(c.TopicLost)


def test_row_66_a_reader_cuts_a_publisher_that_sends_64_mb_and_reads_the_others(
    run, run_dir: RunDir, context: zmq.Context[zmq.Socket[bytes]]
) -> None:
    run_dir.create()
    attacker = context.socket(zmq.PUB)
    attacker.setsockopt(zmq.SNDHWM, 1)  # not many of them at once in our memory
    cut = watched(attacker)
    attacker.bind(run_dir.endpoint("md.a"))
    publisher = run(Shell("c", Scripted(silent), run_dir, publisher="md.c"))
    core = Scripted(silent)
    reader = run(Shell("b", core, run_dir, publisher="md.b", subscribe=["md.a", "md.c"]))
    reader.do(c.Subscribe(TOPIC))

    def is_cut() -> bool:
        attacker.send(codec.subscription(TOPIC) + HUGE)  # is nobody's before the reader is there
        return bool(cut.poll(10))

    wait_for(is_cut)
    attacker.disable_monitor()

    def is_heard() -> bool:
        publisher.do(c.Publish(TOPIC, QUOTE))
        return bool(core.of(c.BusMessage))

    wait_for(is_heard)
    assert {event.message for event in core.of(c.BusMessage)} == {QUOTE}
    assert reader.shell._subscriber.bad_frames == 0


def test_row_66_an_answer_over_1_mib_is_refused_and_the_connection_lives(
    run, run_dir: RunDir
) -> None:
    """The asker would cut the connection and never come back."""
    text = "x" * (2 << 20)

    def answer_at_length(event: c.Event) -> list[object]:
        if isinstance(event, c.CommandReceived):
            is_large = event.request_id.startswith("large")
            reply = m.CommandReply(event.request_id, True, text=text if is_large else "")
            return [c.Reply(event.peer, reply)]
        return []

    run(Shell("a", Scripted(answer_at_length), run_dir, publisher="md.a", router="orders.a"))
    core = Scripted(silent)
    asker = run(Shell("b", core, run_dir, publisher="md.b", requests=["orders.a"]))

    def answer_to(name: str) -> m.CommandReply:
        """It is asked until it is connected."""
        found: list[m.CommandReply] = []

        def is_answered() -> bool:
            asker.do(c.Request("orders.a", f"{name}{len(core.events)}", m.QueryOrders()))
            found[:] = [e.reply for e in core.of(c.Replied) if e.request_id.startswith(name)]
            return bool(found)

        wait_for(is_answered)
        return found[0]

    refused = answer_to("large")
    assert not refused.accepted and refused.in_doubt and "1 MiB" in refused.text
    assert answer_to("small").accepted


BOMBS = {
    "an array of 2^32": b"\xdd\xff\xff\xff\xff",
    "a map of 2^32": b"\xdf\xff\xff\xff\xff",
    "5,000 deep": b"\x91" * 5000 + b"\x01",
    "an extension": b"\xd4\x05\x00",
    "an unknown tag": b"\x92\xa6NoSuch\x01",
    "nothing": b"",
}


@pytest.mark.parametrize("what", BOMBS)
def test_row_65_a_bomb_is_dropped_and_counted_at_every_socket_and_others_are_served(
    run, run_dir: RunDir, context: zmq.Context[zmq.Socket[bytes]], what: str
) -> None:
    run_dir.create()
    publisher, router = context.socket(zmq.PUB), context.socket(zmq.ROUTER)
    publisher.bind(run_dir.endpoint("md.x"))
    router.bind(run_dir.endpoint("orders.x"))
    core = Scripted(answer)
    shell = Shell(
        "a",
        core,
        run_dir,
        publisher="md.a",
        router="orders.a",
        pull="inventory.a",
        subscribe=["md.x"],
        requests=["orders.x"],
    )
    running, bomb = run(shell), BOMBS[what]
    running.do(c.Subscribe(TOPIC))
    pusher, joiner, asker = (context.socket(kind) for kind in (zmq.PUSH, zmq.XSUB, zmq.DEALER))
    for socket, name in ((pusher, "inventory.a"), (joiner, "md.a"), (asker, "orders.a")):
        socket.connect(run_dir.endpoint(name))
    pusher.send(bomb)
    joiner.send(b"\x01" + bomb + b"\0")
    header, command = codec.encode_command("r1", "x", 1, m.QueryOrders())
    asker.send_multipart([bomb, command])
    asker.send_multipart([header, bomb])

    def is_counted() -> bool:
        publisher.send(codec.subscription(TOPIC) + bomb)
        running.do(c.Request("orders.x", f"r{len(core.events)}", m.QueryOrders(), timeout_s=60))
        if router.poll(0):
            router.send_multipart([router.recv_multipart()[0], b"", bomb])
        parts = shell._subscriber, shell._answerer, shell._pull, shell._askers["orders.x"]
        return all(part.bad_frames for part in parts)

    wait_for(is_counted)
    wait_for(lambda: asker.poll(0))
    refused = codec.decode_reply(asker.recv_multipart()[-1])
    assert refused.request_id == "r1" and refused.reason is m.RejectReason.BAD_REQUEST
    asker.send_multipart([header, command])
    wait_for(lambda: asker.poll(0))
    assert codec.decode_reply(asker.recv_multipart()[-1]).accepted
    assert shell._counted()["bad_frames"] >= 4
    assert not core.of(c.BusMessage) and not core.of(c.Pushed) and not core.of(c.Replied)
