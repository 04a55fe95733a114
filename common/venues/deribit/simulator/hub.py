"""Who reads which stream: routes the exchange's events, and sends what became of them.

A stream exists while it has a reader; its first reader wakes the books it needs. Notifications are
encoded once per stream, however many read it.
"""

from __future__ import annotations

from typing import Any

from common.venues.deribit.simulator.catalog import Identity
from common.venues.deribit.simulator.channels import Channels
from common.venues.deribit.simulator.envelope import notification
from common.venues.deribit.simulator.streams import SECOND_NS, Key, Stream
from common.venues.serving import Output, SendFrame
from common.venues.simulation import (
    BalanceChanged,
    BookChange,
    IndexChanged,
    InstrumentListed,
    InstrumentStateChanged,
    OrderChanged,
    PositionChanged,
    ProtectionActed,
    PublicTrade,
    SimulatedEvent,
    SimulatedExchange,
    SimulatedFill,
)

StreamKey = tuple[str, str, str]  # channel, account, label


class Hub:
    """All streams of the venue."""

    def __init__(self, exchange: SimulatedExchange, channels: Channels) -> None:
        self._exchange, self._channels = exchange, channels
        self._streams: dict[StreamKey, Stream] = {}
        self._read_by: dict[int, dict[str, StreamKey]] = {}
        self._listeners: dict[Key, dict[Stream, None]] = {}
        self._dirty: dict[Stream, None] = {}
        self._periodic: dict[Stream, None] = {}
        self._second = 0

    # --- subscriptions -----------------------------------------------------------------------

    def subscribe(
        self, connection: int, channel: str, owner: Identity | None, label: str, now_ns: int
    ) -> Stream | None:
        """Make this connection a reader; None if there is no such channel for it.

        Call `welcome` once the answer is on its way: nothing of a channel may precede it.
        """
        account = owner.client_id if owner is not None and channel.startswith("user.") else ""
        key = (channel, account, label)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._channels.make(channel, owner)
            if stream is None:
                return None
            stream.label = label
            self._add(key, stream, now_ns)
        else:
            self._bring_up(stream, now_ns)
        held = self._read_by.setdefault(connection, {})
        if held.get(channel, key) != key:
            self.unsubscribe(connection, channel)
        held[channel] = key
        return stream

    def _add(self, key: StreamKey, stream: Stream, now_ns: int) -> None:
        self._streams[key] = stream
        for symbol in stream.symbols:
            self._exchange.watch(symbol, now_ns)
        for listened in stream.keys:
            self._listeners.setdefault(listened, {})[stream] = None
        if stream.is_periodic:
            self._periodic[stream] = None

    def _bring_up(self, stream: Stream, now_ns: int) -> None:
        """Play the books up to now, so that the joiner's snapshot holds nothing the readers lack.

        What happens in it is routed with all that the subscription causes, before `welcome`.
        """
        for symbol in stream.symbols:
            self._exchange.watch(symbol, now_ns)
            self._exchange.unwatch(symbol)

    def welcome(self, connection: int, stream: Stream, now_ns: int) -> list[Output]:
        """The joiner's first notification, consistent with all that follow.

        What others have waiting is sent first, so that everybody stands at the same change.
        """
        outputs = self._emit(stream, now_ns)
        for data in stream.first(now_ns):
            payload = notification(stream.channel, data, stream.label)
            outputs.append(SendFrame((connection,), payload, channel=stream.channel))
        stream.subscribers[connection] = None
        return outputs

    def unsubscribe(self, connection: int, channel: str) -> bool:
        """False if the connection does not read this channel."""
        key = self._read_by.get(connection, {}).pop(channel, None)
        stream = None if key is None else self._streams.get(key)
        if key is None or stream is None:
            return False
        stream.subscribers.pop(connection, None)
        if not stream.subscribers:
            self._remove(key, stream)
        return True

    def _remove(self, key: StreamKey, stream: Stream) -> None:
        del self._streams[key]
        for symbol in stream.symbols:
            self._exchange.unwatch(symbol)
        for listened in stream.keys:
            listeners = self._listeners[listened]
            listeners.pop(stream, None)
            if not listeners:
                del self._listeners[listened]
        self._dirty.pop(stream, None)
        self._periodic.pop(stream, None)

    def channels_of(self, connection: int) -> list[str]:
        return list(self._read_by.get(connection, ()))

    def drop(self, connection: int, prefix: str = "") -> None:
        """End all subscriptions of a connection, or those whose channel begins so."""
        for channel in self.channels_of(connection):
            if channel.startswith(prefix):
                self.unsubscribe(connection, channel)
        if not prefix:
            self._read_by.pop(connection, None)

    # --- notifications -----------------------------------------------------------------------

    def route(self, events: list[SimulatedEvent]) -> None:
        for event in events:
            for stream in self._listeners.get(_key(event), ()):
                stream.take(event)
                self._dirty[stream] = None

    def flush(self, now_ns: int) -> list[Output]:
        """The notifications that are due now."""
        if now_ns // SECOND_NS != self._second:
            self._second = now_ns // SECOND_NS
            self._dirty.update(self._periodic)
        outputs: list[Output] = []
        for stream in list(self._dirty):
            if now_ns >= stream.due_ns:
                del self._dirty[stream]
                outputs.extend(self._emit(stream, now_ns))
        return outputs

    def _emit(self, stream: Stream, now_ns: int) -> list[Output]:
        self._dirty.pop(stream, None)
        found: list[Any] = stream.collect(now_ns)
        if found:
            stream.due_ns = now_ns + stream.interval_ns
        return _frames(stream, found)

    def announce(self, channel: str, data: Any) -> list[Output]:
        """A notification that no event of the exchange causes."""
        streams = [stream for stream in self._streams.values() if stream.channel == channel]
        return [frame for stream in streams for frame in _frames(stream, [data])]


def _frames(stream: Stream, found: list[Any]) -> list[Output]:
    readers = tuple(stream.subscribers)
    return [
        SendFrame(readers, notification(stream.channel, data, stream.label), channel=stream.channel)
        for data in found
        if readers
    ]


def _key(event: SimulatedEvent) -> Key:
    match event:
        case BookChange():
            return ("book", event.symbol)
        case PublicTrade():
            return ("trade", event.symbol)
        case OrderChanged():
            return ("account", event.order.account)
        case SimulatedFill() | PositionChanged() | BalanceChanged() | ProtectionActed():
            return ("account", event.account)
        case IndexChanged():
            return ("index", event.index)
        case InstrumentListed() | InstrumentStateChanged():
            return ("state", "")
    return ("", "")
