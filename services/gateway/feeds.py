"""Fan-out: one Feed per channel, encoded once per format, whatever the number of clients.

A client that does not read is blocked: its feeds skip it and count what it missed. When it reads
again, it gets the present state with `missed: n` in place of the n messages it did not get.
"""

from __future__ import annotations

from common.core import BusMessage, Subscribe, TopicLost, Unsubscribe
from services.gateway import rpc, states
from services.gateway.channels import Channel
from services.gateway.events import GatewayCommand, Send
from services.gateway.rows import levels
from services.gateway.states import Row, State

LINGER_NS = 10_000_000_000
TICK_NS = 10_000_000  # conflated feeds fall due together


class Feed:
    """The clients of one channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.clients: dict[int, bool] = {}  # client: speaks msgpack
        self.missed: dict[int, int] = {}  # blocked clients
        self.due_ns = 0  # of a conflated channel: not to be said before
        self.is_waiting = False  # has something to say when it is due
        self.last_event: BusMessage | None = None
        self._sequence = 0
        self._ready: list[tuple[tuple[int, ...], bool]] | None = None  # None: to be found anew

    def join(self, client: int, binary: bool) -> None:
        self.clients[client] = binary
        self._ready = None

    def leave(self, client: int) -> None:
        self.clients.pop(client, None)
        self.missed.pop(client, None)
        self._ready = None

    def block(self, client: int, missed: int = 0) -> None:
        self.missed.setdefault(client, missed)
        self._ready = None

    def drain(self, client: int) -> int:
        """How many messages the client missed."""
        missed = self.missed.pop(client, 0)
        self._ready = None
        return missed

    def _readers(self) -> list[tuple[tuple[int, ...], bool]]:
        """Those that read, by whether they speak msgpack. Found when something is said, not when
        somebody comes or goes: one client may do that on a thousand channels at once."""
        if self._ready is None:
            ready = [pair for pair in self.clients.items() if pair[0] not in self.missed]
            self._ready = []
            for binary in (False, True):
                clients = tuple(client for client, speaks in ready if speaks is binary)
                self._ready += [(clients, binary)] if clients else []
        return self._ready

    def shape(self, data: Row) -> Row:
        """A depth message with as many levels as the channel has, and the channel's own count."""
        if self.channel.kind != "depth":
            return data
        return data | {
            "sequence": self._sequence,
            "bids": levels(data["bids"], self.channel.levels),
            "asks": levels(data["asks"], self.channel.levels),
        }

    def offer(
        self, data: Row, event: BusMessage | None, now_ns: int
    ) -> list[GatewayCommand] | None:
        """Say it, or keep it for later (None) if this conflated feed is not due."""
        self.last_event = event
        self.is_waiting = now_ns < self.due_ns
        if self.is_waiting:
            return None
        if self.channel.interval_ns:
            due_ns = now_ns + self.channel.interval_ns
            self.due_ns = due_ns - due_ns % TICK_NS
        self._sequence += 1
        return self.say(self.shape(data), event)

    def say(self, data: Row, event: BusMessage | None = None) -> list[GatewayCommand]:
        """Tell all that read; the others miss it."""
        for client in self.missed:
            self.missed[client] += 1
        sent: list[GatewayCommand] = []
        for clients, binary in self._readers():
            payload = rpc.notification(self.channel.name, data, binary)
            venue_ns, received_ns = (event.venue_time_ns, event.received_ns) if event else (0, 0)
            sent.append(Send(clients, payload, binary, venue_ns, received_ns))
        return sent

    def tell(self, client: int, data: Row | None) -> list[GatewayCommand]:
        """Tell one client."""
        if data is None or client in self.missed:
            return []
        binary = self.clients[client]
        return [Send((client,), rpc.notification(self.channel.name, data, binary), binary)]


class Topic:
    """One topic of the bus that somebody reads."""

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        self.state = state
        self.feeds: dict[str, Feed] = {}
        self.keep_until_ns = 0


class Market:
    """All followed topics of market data, their states and their readers."""

    def __init__(self) -> None:
        self._topics: dict[str, Topic] = {}
        self._due: dict[str, Topic] = {}  # conflated feeds with something to say
        self._next_due_ns: int | None = None

    @property
    def topics(self) -> int:
        return len(self._topics)

    def state(self, topic: str) -> State | None:
        found = self._topics.get(topic)
        return found.state if found else None

    def states(self, kind: str) -> dict[str, State]:
        """All followed topics of a kind, by instrument."""
        prefix = kind + "."
        found = [topic for topic in self._topics.values() if topic.name.startswith(prefix)]
        return {topic.name.removeprefix(prefix): topic.state for topic in found}

    def hold(self, name: str, until_ns: int) -> list[GatewayCommand]:
        """Follow a topic at least until then."""
        topic, commands = self._follow(name)
        topic.keep_until_ns = max(topic.keep_until_ns, until_ns)
        return commands

    def _follow(self, name: str) -> tuple[Topic, list[GatewayCommand]]:
        if name in self._topics:
            return self._topics[name], []
        kind, _, instrument = name.partition(".")
        topic = self._topics[name] = Topic(name, states.make(kind, instrument))
        return topic, [Subscribe(name)]

    def join(
        self, client: int, binary: bool, channel: Channel, is_blocked: bool
    ) -> list[GatewayCommand]:
        topic, commands = self._follow(channel.topic)
        feed = topic.feeds.setdefault(channel.name, Feed(channel))
        feed.join(client, binary)
        if is_blocked:
            feed.block(client, missed=1)
        return commands + feed.tell(client, self._snapshot(topic, feed))

    def leave(self, client: int, channel: Channel, now_ns: int) -> None:
        topic = self._topics.get(channel.topic)
        feed = topic.feeds.get(channel.name) if topic else None
        if topic is None or feed is None:
            return
        feed.leave(client)
        if not feed.clients:
            del topic.feeds[channel.name]
        if not topic.feeds:
            topic.keep_until_ns = max(topic.keep_until_ns, now_ns + LINGER_NS)

    def block(self, client: int, channel: Channel) -> None:
        feed = self._feed(channel)
        if feed:
            feed.block(client)

    def drain(self, client: int, channel: Channel) -> list[GatewayCommand]:
        """The present state, if the client missed something."""
        feed = self._feed(channel)
        missed = feed.drain(client) if feed else 0
        if feed is None or not missed:
            return []
        data = self._snapshot(self._topics[channel.topic], feed)
        if data is None:
            return feed.tell(client, {"type": "stale", "missed": missed})
        return feed.tell(client, data | {"missed": missed})

    def _feed(self, channel: Channel) -> Feed | None:
        topic = self._topics.get(channel.topic)
        return topic.feeds.get(channel.name) if topic else None

    def _snapshot(self, topic: Topic, feed: Feed) -> Row | None:
        data = topic.state.snapshot()
        return feed.shape(data) if data else None

    def on_message(self, event: BusMessage, now_ns: int) -> list[GatewayCommand]:
        topic = self._topics.get(event.topic)
        if topic is None:
            return []
        data = topic.state.apply(event)
        return self._say(topic, data, event, now_ns) if data else []

    def on_lost(self, event: TopicLost, now_ns: int) -> list[GatewayCommand]:
        topic = self._topics.get(event.topic)
        data = topic.state.lose(event.reason) if topic else None
        return self._say(topic, data, None, now_ns) if topic and data else []

    def _say(
        self, topic: Topic, data: Row, event: BusMessage | None, now_ns: int
    ) -> list[GatewayCommand]:
        commands: list[GatewayCommand] = []
        for feed in topic.feeds.values():
            said = feed.offer(data, event, now_ns)
            if said is None:
                self._due[topic.name] = topic
                self._next_due_ns = min(self._next_due_ns or feed.due_ns, feed.due_ns)
            else:
                commands += said
        return commands

    def next_due_ns(self) -> int | None:
        """When a conflated feed has to speak."""
        return self._next_due_ns

    def say_due(self, now_ns: int) -> list[GatewayCommand]:
        """What conflated feeds kept until now."""
        commands: list[GatewayCommand] = []
        for topic in list(self._due.values()):
            data = topic.state.snapshot()
            waiting = [feed for feed in topic.feeds.values() if feed.is_waiting]
            said = [feed.offer(data, feed.last_event, now_ns) for feed in waiting if data]
            for some in said:
                commands += some or []
            if not any(feed.is_waiting for feed in waiting):
                self._due.pop(topic.name, None)
        feeds = [feed for topic in self._due.values() for feed in topic.feeds.values()]
        dues = [feed.due_ns for feed in feeds if feed.is_waiting]
        self._next_due_ns = min(dues, default=None)
        return commands

    def drop_unread(self, now_ns: int) -> list[GatewayCommand]:
        """Stop following topics that nobody has read for a while."""
        unread = [
            topic.name
            for topic in self._topics.values()
            if not topic.feeds and topic.keep_until_ns <= now_ns
        ]
        for name in unread:
            del self._topics[name]
            self._due.pop(name, None)
        return [Unsubscribe(name) for name in unread]
