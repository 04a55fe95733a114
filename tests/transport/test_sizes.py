"""Who sends a message of 64 MB is cut off by the limit of the socket, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq
from zmq.utils.monitor import recv_monitor_message

from common import codec
from common import core as c
from common import messages as m
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
