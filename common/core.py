"""The contract between a core and its shell.

A core decides: `handle(event, now_ns) -> list[command]`. It owns its state and touches no socket,
clock, thread, log or random number, so that the same inputs give the same outputs, live, in the
simulator and in a backtest. The shell (transport/loop.py) turns sockets into the events below and
executes the commands, in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, dataclass_transform

import msgspec

from common import messages as m


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Data(msgspec.Struct, frozen=True, gc=False):
    """Base of events and commands: plain frozen data."""


# --- events ----------------------------------------------------------------------------------


class Started(Data):
    """First event of every core, once all sockets are bound."""


class LinkUp(Data):
    link: str


class LinkDown(Data):
    link: str
    reason: str


class VenueFrame(Data):
    """One whole message of a venue's WebSocket. payload is only valid while it is handled."""

    link: str
    payload: bytes
    received_ns: int


class Idle(Data):
    """All frames that one read of a link brought are handled: publish what was held back."""

    link: str


class HttpReply(Data):
    call_id: str
    status: int
    body: bytes
    received_ns: int


class HttpFailed(Data):
    """The call got no usable answer; whether the venue acted on it is unknown."""

    call_id: str
    error: str


class BusMessage(Data):
    """A message another process published. sequence is that of its topic."""

    topic: str
    message: m.Event
    sequence: int
    publisher_start_ns: int
    venue_sequence: int
    venue_time_ns: int
    received_ns: int  # when the first process of the desk received it
    sent_ns: int


class TopicLost(Data):
    """A gap was seen on a topic we follow, or its publisher is silent; a snapshot was asked for.

    Until a message of this topic arrives, what the core knows of it is stale.
    """

    topic: str
    reason: str


class Subscribed(Data):
    """A reader joined one of our exact topics; first: nobody read it before."""

    topic: str
    first: bool


class Unsubscribed(Data):
    """The last reader of one of our exact topics left."""

    topic: str


class CommandReceived(Data):
    """A command from another process; exactly one Reply with the same peer is owed."""

    peer: bytes
    request_id: str
    sender: str
    sent_ns: int
    command: m.Command


class Replied(Data):
    """The answer to a Request."""

    target: str
    request_id: str
    reply: m.CommandReply


class RequestFailed(Data):
    """A Request that got no answer: its target is down (sent=False) or silent (sent=True)."""

    target: str
    request_id: str
    sent: bool
    error: str


class Pushed(Data):
    """A message from a PUSH socket outside."""

    message: m.InventoryDelta


class JournalFailed(Data):
    """Nothing is written down from now on: sends and calls that waited for it were dropped.

    is_final: nobody knows what is on disk; the shell ends the process after a moment, in which the
    core may still cancel.
    """

    error: str
    is_final: bool = False


class LatchChanged(Data):
    """The kill switch: all latches that are set, scope -> reason; told once after Started too.

    released: why each scope was last released, where somebody said so.
    """

    latches: dict[str, str]
    released: dict[str, str] = {}


class SendWithheld(Data):
    """A LinkSend that names this was not sent: a latch in its `unless` was set, or we stop."""

    refers: str
    reason: str


class Stopping(Data):
    """The process was asked to end; return what must still be sent. Stop follows by the shell,
    at once or, if it was told to let the core settle, when the core says SetState("stopped")."""


Event = (
    Started
    | LinkUp
    | LinkDown
    | VenueFrame
    | Idle
    | HttpReply
    | HttpFailed
    | BusMessage
    | TopicLost
    | Subscribed
    | Unsubscribed
    | CommandReceived
    | Replied
    | RequestFailed
    | Pushed
    | JournalFailed
    | LatchChanged
    | SendWithheld
    | Stopping
)


# --- commands --------------------------------------------------------------------------------


class Publish(Data):
    """Publish on our XPUB; takes the next sequence of the topic."""

    topic: str
    message: m.Event
    venue_sequence: int = 0
    venue_time_ns: int = 0
    received_ns: int = 0


class PublishSnapshot(Data):
    """Answer a Subscribed: carries the topic's last sequence and does not advance it."""

    topic: str
    message: m.Event
    venue_sequence: int = 0
    venue_time_ns: int = 0
    received_ns: int = 0


class Subscribe(Data):
    """Follow a topic of another process. A topic ending in "." is a prefix: no snapshot, no start
    at the venue."""

    topic: str


class Unsubscribe(Data):
    topic: str


class Reply(Data):
    peer: bytes
    reply: m.CommandReply


class Request(Data):
    """Ask another process; exactly one Replied or RequestFailed follows.

    target: "orders.<venue>.<account>" or "position_queries.<venue>.<account>".
    """

    target: str
    request_id: str
    command: m.Command
    timeout_s: float = 5.0


class LinkOpen(Data):
    """Connect; LinkUp or LinkDown follows. An open or connecting link stays as it is."""

    link: str
    url: str


class LinkSend(Data):
    """Send one text frame; dropped, with a LinkDown already under way, when the link is down.

    unless: latches that stop it at the last moment, after the journal; so does the end of the
    process. It is then told as SendWithheld with `refers`. A frame without goes in any case.
    sent_record: journaled, with the time in its at_ns, once the frame left; nothing waits for it.
    """

    link: str
    payload: bytes
    unless: tuple[str, ...] = ()
    refers: str = ""
    sent_record: msgspec.Struct | None = None


class LinkClose(Data):
    """Close a link; LinkDown follows. retired: it is not missed, so the beat forgets it."""

    link: str
    reason: str
    retired: bool = False


class HttpCall(Data):
    """One request in a worker thread; HttpReply or HttpFailed follows."""

    call_id: str
    method: str
    url: str
    headers: dict[str, str] = {}
    body: bytes = b""
    timeout_s: float = 10.0


class Journal(Data):
    """Write this record before any LinkSend, HttpCall or Reply that follows in the same list."""

    record: m.Message | msgspec.Struct


class WakeAt(Data):
    """Call on_time at this time; each WakeAt is kept until it is due."""

    ns: int


class Alert(Data):
    """Tell people: a log line of this level and a counter. fields hold no secrets."""

    level: str  # "INFO", "WARNING", "ERROR"
    text: str
    fields: dict[str, str] = {}


class ApiCalled(Data):
    """For the log: one call of a venue's API is over."""

    method: str
    latency_ms: float
    outcome: str  # "ok", or the venue's code and word
    client_order_id: str = ""


class SetLatch(Data):
    """Set the kill switch of a scope (is_on) or release it; LatchChanged follows."""

    scope: str
    reason: str
    is_on: bool = True


class SetState(Data):
    """What the beat says of this process: starting, ready, degraded or stopping; and its links."""

    state: str
    text: str = ""


class Count(Data):
    """Add to a counter of the beat, e.g. "frames_bad"."""

    name: str
    by: float = 1.0


CoreCommand = (
    Publish
    | PublishSnapshot
    | Subscribe
    | Unsubscribe
    | Reply
    | Request
    | LinkOpen
    | LinkSend
    | LinkClose
    | HttpCall
    | Journal
    | WakeAt
    | Alert
    | ApiCalled
    | SetLatch
    | SetState
    | Count
)


class Core(Protocol):
    def handle(self, event: Event, now_ns: int) -> Sequence[CoreCommand]: ...

    def on_time(self, now_ns: int) -> Sequence[CoreCommand]:
        """Called when a WakeAt that the core returned is due."""
        ...
