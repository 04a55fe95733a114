"""Virtual time: the real cores of a desk in one process, with a clock that jumps.

It does for every core what the shell does (transport/loop.py), without sockets, threads or waiting:
the bus, requests, links and HTTP calls to the simulated venue, timers and journals are entries of
one queue, ordered by time and then by when they were made. So a run depends on nothing but what
went in, and an hour takes as long as its work takes.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec

from common import core as c, messages as m, parts
from common.client import publisher_of
from common.errors import LocalError
from common.venues.serving import CloseConnection, HttpRequest, SendFrame
from services.venue_simulator.core import (
    ConnectionClosed,
    FrameReceived,
    HttpAsked,
    VenueSimulator,
)
from services.venue_simulator.faults import AnswerHttp

MS = 1_000_000
NS_PER_S = 1_000_000_000
BUS_NS = 50_000
LINK_NS = MS
BEAT_NS = 500 * MS
SNAPSHOTS = get_args(m.Snapshot)
DELTAS = get_args(m.Delta)
HTTP_OK = 200


class Node(msgspec.Struct, eq=False):
    """One process. life: raised when it is killed, so that what was on its way to it is dropped."""

    name: str
    core: Any
    publisher: str
    router: str = ""
    life: int = 0
    is_alive: bool = True
    topics: dict[str, bool] = {}  # followed -> it has its snapshot
    wakes: set[int] = set()
    pending: dict[str, int] = {}  # requests without an answer -> of which life
    state: c.SetState = c.SetState("starting")
    journal: list[Any] = []


class Link(msgspec.Struct, eq=False):
    """One WebSocket of a node to the venue."""

    node: Node
    name: str
    number: int
    life: int


class VirtualDesk:
    """Cores, a venue, and the queue of what happens next.

    Attributes:
        now_ns: the virtual time.
        tap: called with every message that is published, in order.
        alerts: (process, Alert) of all that was told to people.
    """

    def __init__(self, start_ns: int, venue_step_ns: int = 10 * MS) -> None:
        self.now_ns = start_ns
        self.tap: Callable[[str, m.Event], None] = lambda topic, message: None
        self.alerts: list[tuple[str, c.Alert]] = []
        self.nodes: dict[str, Node] = {}
        self.venue: VenueSimulator | None = None
        self._venue_step_ns = venue_step_ns
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._made = 0
        self._publishers: dict[str, Node] = {}
        self._routers: dict[str, Node] = {}
        self._links: dict[int, Link] = {}
        self._connections = 0
        self._calls: dict[int, tuple[Node, int, c.HttpCall]] = {}
        self._started_ns = start_ns

    # --- building -----------------------------------------------------------------------------

    def set_venue(self, venue: VenueSimulator) -> None:
        self.venue = venue
        self._do_venue(venue.handle(c.Started(), self.now_ns))

    def add(self, name: str, core: Any, *, publisher: str, router: str = "") -> Node:
        """Start a process."""
        node = Node(name, core, publisher, router)
        self.nodes[name] = node
        self._publishers[publisher] = node
        if router:
            self._routers[router] = node
        self._later(BUS_NS, lambda: self.feed(node, c.Started()))
        self._beat(node)
        return node

    def kill(self, name: str) -> None:
        """A process dies on the spot; what it published is stale for its readers."""
        node = self.nodes[name]
        node.life += 1
        node.is_alive = False
        for link in [link for link in self._links.values() if link.node is node]:
            self._drop_link(link.number)
        for other in self.nodes.values():
            for topic in other.topics:
                if other.is_alive and other.topics[topic] and self._publisher(topic) is node:
                    other.topics[topic] = False
                    self.feed(other, c.TopicLost(topic, "the publisher is silent"))

    def revive(self, name: str, core: Any) -> None:
        """Start a killed process again, with another core; readers find it by themselves."""
        node = self.nodes[name]
        node.core, node.is_alive = core, True
        node.topics, node.wakes, node.pending = {}, set(), {}
        node.state = c.SetState("starting")
        self._later(BUS_NS, lambda: self.feed(node, c.Started()))
        for other in self.nodes.values():
            for topic in other.topics:
                if self._publisher(topic) is node:
                    self._join(other, topic)
        self._beat(node)

    # --- time ---------------------------------------------------------------------------------

    def run_until(self, end_ns: int) -> None:
        queue = self._queue
        while queue and queue[0][0] <= end_ns:
            due_ns, _, act = heapq.heappop(queue)
            self.now_ns = max(self.now_ns, due_ns)
            act()
        self.now_ns = max(self.now_ns, end_ns)

    def run_for(self, seconds: float) -> None:
        self.run_until(self.now_ns + int(seconds * NS_PER_S))

    def run_till(self, is_so: Callable[[], bool], limit_s: float) -> None:
        """Raises LocalError: it did not come to be so within the limit."""
        end_ns = self.now_ns + int(limit_s * NS_PER_S)
        while not is_so():
            if self.now_ns >= end_ns:
                raise LocalError(f"not so within {limit_s:g} s of virtual time")
            self.run_for(0.05)

    def ask(self, target: str, request_id: str, command: m.Command) -> None:
        """A command from outside; its answer is dropped."""
        event = c.CommandReceived(b"", request_id, "outside", self.now_ns, command)
        self.feed(self._routers[target], event)

    def _later(self, delay_ns: int, act: Callable[[], None]) -> None:
        self._made += 1
        heapq.heappush(self._queue, (self.now_ns + delay_ns, self._made, act))

    def _beat(self, node: Node) -> None:
        """The health topic, for those who follow it."""
        life = node.life

        def beat() -> None:
            if node.life == life:
                health = m.Health(node.name, node.state.state, 1, 1, text=node.state.text)
                self._publish(f"health.{node.name}", health)
                self._later(BEAT_NS, beat)

        self._later(BEAT_NS, beat)

    # --- feeding cores ------------------------------------------------------------------------

    def feed(self, node: Node, event: Any) -> None:
        if node.is_alive:
            self._do(node, node.core.handle(event, self.now_ns))

    def _deliver(self, node: Node, delay_ns: int, event: Any) -> None:
        life = node.life
        self._later(delay_ns, lambda: self.feed(node, event) if node.life == life else None)

    def _do(self, node: Node, commands: Sequence[Any]) -> None:
        for command in commands:
            match command:
                case c.Publish(topic=topic, message=message):
                    self.tap(topic, message)
                    self._publish(topic, message, command)
                case c.PublishSnapshot(topic=topic, message=message):
                    self._publish_snapshot(topic, message)
                case c.WakeAt(ns):
                    self._wake_at(node, ns)
                case c.Request():
                    self._request(node, command)
                case c.Reply(peer, reply):
                    self._reply(peer, reply)
                case c.Journal(record):
                    node.journal.append(record)
                case c.Alert():
                    self.alerts.append((node.name, command))
                case c.SetState():
                    node.state = command
                case _:
                    self._do_io(node, command)

    def _do_io(self, node: Node, command: Any) -> None:
        match command:
            case c.Subscribe(topic):
                node.topics[topic] = topic.endswith(".")
                self._join(node, topic)
            case c.Unsubscribe(topic):
                if node.topics.pop(topic, None) is not None:
                    self._leave(topic)
            case c.LinkOpen(link=link):
                self._open(node, link)
            case c.LinkSend(link=link, payload=payload):
                self._send(node, link, payload)
            case c.LinkClose(link=link):
                for each in [x for x in self._links.values() if x.node is node and x.name == link]:
                    self._drop_link(each.number)
            case c.HttpCall():
                self._http(node, command)

    def _wake_at(self, node: Node, ns: int) -> None:
        if ns in node.wakes:
            return
        node.wakes.add(ns)
        life = node.life

        def wake() -> None:
            if node.life == life:
                node.wakes.discard(ns)
                self._do(node, node.core.on_time(self.now_ns))

        self._later(max(0, ns - self.now_ns), wake)

    # --- the bus ------------------------------------------------------------------------------

    def _publisher(self, topic: str) -> Node | None:
        if topic.startswith("health."):
            return self.nodes.get(topic.removeprefix("health."))
        return self._publishers.get(publisher_of(topic))

    def _join(self, node: Node, topic: str) -> None:
        publisher = self._publisher(topic)
        if publisher is not None and not topic.endswith("."):
            others = sum(topic in each.topics for each in self.nodes.values())
            self._deliver(publisher, BUS_NS, c.Subscribed(topic, others <= 1))

    def _leave(self, topic: str) -> None:
        publisher = self._publisher(topic)
        if publisher is not None and not any(topic in n.topics for n in self.nodes.values()):
            self._deliver(publisher, BUS_NS, c.Unsubscribed(topic))

    def _publish(self, topic: str, message: m.Event, command: c.Publish | None = None) -> None:
        for node in self.nodes.values():
            if topic in node.topics:
                if not node.topics[topic] and isinstance(message, DELTAS):
                    continue  # it waits for the snapshot
                node.topics[topic] = True
            elif not any(topic.startswith(prefix) for prefix in _prefixes(node)):
                continue
            self._deliver(node, BUS_NS, self._bus_message(topic, message, command))

    def _publish_snapshot(self, topic: str, message: m.Event) -> None:
        for node in self.nodes.values():
            is_part = parts.is_later(message)
            if topic in node.topics and (is_part or not node.topics[topic]):
                node.topics[topic] = True
                self._deliver(node, BUS_NS, self._bus_message(topic, message, None))

    def _bus_message(self, topic: str, message: m.Event, command: c.Publish | None) -> c.BusMessage:
        now_ns = self.now_ns
        venue_sequence = command.venue_sequence if command else 0
        venue_time_ns = command.venue_time_ns if command else 0
        start_ns = self._started_ns
        return c.BusMessage(
            topic, message, 1, start_ns, venue_sequence, venue_time_ns, now_ns, now_ns
        )

    # --- requests -----------------------------------------------------------------------------

    def _request(self, node: Node, request: c.Request) -> None:
        name, target = request.request_id, self._routers.get(request.target)
        if target is None or not target.is_alive:
            failed = c.RequestFailed(request.target, name, False, "is not running")
            self._deliver(node, 0, failed)
            return
        node.pending[name] = life = node.life
        received = c.CommandReceived(
            node.name.encode(), name, node.name, self.now_ns, request.command
        )
        self._deliver(target, BUS_NS, received)

        def give_up() -> None:
            if node.life == life and node.pending.pop(name, None) is not None:
                error = "gave no answer in time"
                self.feed(node, c.RequestFailed(request.target, name, True, error))

        self._later(int(request.timeout_s * NS_PER_S), give_up)

    def _reply(self, peer: bytes, reply: m.CommandReply) -> None:
        node = self.nodes.get(peer.decode())
        if node is not None and node.pending.pop(reply.request_id, None) is not None:
            self._deliver(node, BUS_NS, c.Replied("", reply.request_id, reply))

    # --- the venue ----------------------------------------------------------------------------

    def _do_venue(self, commands: Sequence[Any]) -> None:
        frames: dict[int, list[bytes]] = {}
        for command in commands:
            match command:
                case SendFrame(connections, payload):
                    for number in connections:
                        frames.setdefault(number, []).append(payload)
                case c.WakeAt(ns):
                    step = self._venue_step_ns
                    self._later(max(0, -(-ns // step) * step - self.now_ns), self._wake_venue)
                case AnswerHttp(number, answer):
                    node, life, call = self._calls.pop(number)
                    received = c.HttpReply(
                        call.call_id, answer.status, answer.body, self.now_ns + LINK_NS
                    )
                    if node.life == life:
                        self._deliver(node, LINK_NS, received)
                case CloseConnection(connection=number):
                    self._later(LINK_NS, lambda number=number: self._drop_link(number))  # type: ignore[misc]
        for number, payloads in frames.items():
            self._later(LINK_NS, lambda n=number, p=payloads: self._receive(n, p))  # type: ignore[misc]

    def _wake_venue(self) -> None:
        if self.venue is not None:
            self._do_venue(self.venue.on_time(self.now_ns))

    def _receive(self, number: int, payloads: list[bytes]) -> None:
        """One read of a link: its frames, then Idle, as the shell does it."""
        link = self._links.get(number)
        if link is None:
            return
        for payload in payloads:
            self.feed(link.node, c.VenueFrame(link.name, payload, self.now_ns))
        self.feed(link.node, c.Idle(link.name))

    def _open(self, node: Node, name: str) -> None:
        if self.venue is None or any(
            link.node is node and link.name == name for link in self._links.values()
        ):
            return
        self._connections += 1
        link = Link(node, name, self._connections, node.life)
        if not self.venue.accept(link.number, "127.0.0.1", self.now_ns):
            self._deliver(node, LINK_NS, c.LinkDown(name, "refused"))
            return
        self._links[link.number] = link
        self._later(LINK_NS, lambda: self._up(link))

    def _up(self, link: Link) -> None:
        """Unless it broke on the way: nobody is told of a link after its end."""
        if link.number in self._links and link.node.life == link.life:
            self.feed(link.node, c.LinkUp(link.name))

    def _send(self, node: Node, name: str, payload: bytes) -> None:
        mine = [x.number for x in self._links.values() if x.node is node and x.name == name]
        if mine:
            event = FrameReceived(mine[0], payload)
            self._later(LINK_NS, lambda: self._to_venue(event))

    def _to_venue(self, event: Any) -> None:
        if self.venue is not None:
            self._do_venue(self.venue.handle(event, self.now_ns))

    def _drop_link(self, number: int) -> None:
        link = self._links.pop(number, None)
        if link is not None:
            self._to_venue(ConnectionClosed(number))
            if link.node.life == link.life:
                self.feed(link.node, c.LinkDown(link.name, "closed"))

    def cut_links(self, name: str) -> None:
        """The network fails: all links of a process break."""
        node = self.nodes[name]
        for link in [link for link in self._links.values() if link.node is node]:
            self._drop_link(link.number)

    def _http(self, node: Node, call: c.HttpCall) -> None:
        self._connections += 1
        number = self._connections
        self._calls[number] = (node, node.life, call)
        parts = urlsplit(call.url)
        uri = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): value for name, value in call.headers.items()}
        request = HttpRequest(call.method, uri, headers, call.body, "127.0.0.1")
        self._later(LINK_NS, lambda: self._to_venue(HttpAsked(number, request)))


def _prefixes(node: Node) -> Sequence[str]:
    return [topic for topic in node.topics if topic.endswith(".")]


class Recorder:
    """Keeps the last `size` messages of some kinds, for looking at."""

    def __init__(self, kinds: tuple[type, ...], size: int = 1_000_000) -> None:
        self._kinds = kinds
        self.messages: deque[m.Event] = deque(maxlen=size)

    def __call__(self, topic: str, message: m.Event) -> None:
        if isinstance(message, self._kinds):
            self.messages.append(message)
