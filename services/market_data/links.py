"""Links: which WebSocket carries which streams, and how they come to run at the venue.

Each link is told what to carry, and the difference to what runs there is sent as calls: streams to
stop, streams to start, in batches of the venue's size and at the venue's pace. A stream that must
begin anew is stopped first and started when the venue has confirmed that, because subscribing twice
is reported to double messages. A link that comes back starts from nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, auto
from itertools import count

from common.core import CoreCommand, LinkClose, LinkOpen, LinkSend, WakeAt
from common.domain.backoff import Backoff
from common.venues.streams import CallFailed, Feed, Stream, StreamsStarted, StreamsStopped

NS_PER_S = 1_000_000_000
STEADY_NS = 10 * NS_PER_S  # a link that was up this long starts again without a long wait
ANSWER_NS = 10 * NS_PER_S
BAD_FRAMES_MAX = 100
BAD_WINDOW_NS = 10 * NS_PER_S


class Phase(Enum):
    DOWN = auto()
    CONNECTING = auto()
    SETTING_UP = auto()
    READY = auto()
    CLOSING = auto()


class Run(Enum):
    """How far a stream is on its link; one that is not there does not run."""

    STARTING = auto()
    RUNNING = auto()
    STOPPING = auto()


class Pace:
    """A bucket of calls that refills; the venue counts all links of an address together."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._ns_per_call = int(NS_PER_S / per_second)
        self._burst_ns = burst * self._ns_per_call
        self._empty_ns = 0  # when the bucket was empty, in a history without waste

    def take(self, now_ns: int) -> bool:
        start = max(self._empty_ns, now_ns - self._burst_ns)
        if now_ns - start < self._ns_per_call:
            return False
        self._empty_ns = start + self._ns_per_call
        return True

    def next_ns(self, now_ns: int) -> int:
        """When a call may be made."""
        return max(now_ns, self._empty_ns + self._ns_per_call)


class Link:
    """One WebSocket: its phase, what it shall carry and what runs on it."""

    def __init__(self, name: str, feed: Feed, backoff: Backoff, is_new: bool) -> None:
        self.name = name
        self.feed = feed
        self.backoff = backoff
        self.is_new = is_new  # added while others run, and not failed yet: nothing is missing
        self.phase = Phase.DOWN
        self.wanted: dict[Stream, None] = {}
        self.runs: dict[Stream, Run] = {}
        self.renewing: set[Stream] = set()
        self.refused: set[Stream] = set()
        self.calls_sent_ns: deque[int] = deque()
        self.last_frame_ns = 0
        self.probed = False
        self.up_ns = 0
        self.reopen_ns = 0
        self.bad_frames = 0
        self.bad_since_ns = 0

    @property
    def is_open(self) -> bool:
        return self.phase in (Phase.SETTING_UP, Phase.READY)

    def to_stop(self) -> list[Stream]:
        return [
            stream
            for stream, run in self.runs.items()
            if run is Run.RUNNING and (stream not in self.wanted or stream in self.renewing)
        ]

    def to_start(self) -> list[Stream]:
        return [
            stream
            for stream in self.wanted
            if stream not in self.runs and stream not in self.refused
        ]

    def is_overdue(self, now_ns: int) -> bool:
        """The venue owes an answer to a call, or the login takes too long."""
        if self.phase is Phase.SETTING_UP:
            return now_ns - self.up_ns >= ANSWER_NS
        return bool(self.calls_sent_ns) and now_ns - self.calls_sent_ns[0] >= ANSWER_NS

    def count_bad_frame(self, now_ns: int) -> bool:
        """True when there were so many that the link is better closed."""
        if now_ns - self.bad_since_ns > BAD_WINDOW_NS:
            self.bad_since_ns, self.bad_frames = now_ns, 0
        self.bad_frames += 1
        return self.bad_frames >= BAD_FRAMES_MAX


class Links:
    """All links of one venue.

    Args:
        chance: gives numbers from 0 to 1; spreads reconnects.
    """

    def __init__(
        self,
        venue: str,
        url: str,
        make_feed: Callable[[], Feed],
        streams_per_link: int,
        silence_ns: int,
        chance: Callable[[], float],
    ) -> None:
        self._venue = venue
        self._url = url
        self._make_feed = make_feed
        self._streams_per_link = streams_per_link
        self._silence_ns = silence_ns
        self._chance = chance
        self._links: dict[str, Link] = {}
        self._carriers: dict[Stream, Link] = {}
        self._last_look_ns = 0
        self._hold_ns = 0  # after a refused call: nothing is asked of the venue before
        feed = self.add().feed
        self._pace = Pace(feed.calls_per_second, feed.call_burst)
        self._streams_per_call = feed.streams_per_call
        self._links_max = feed.links_max

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())

    def get(self, name: str) -> Link | None:
        return self._links.get(name)

    def add(self) -> Link:
        names = (f"{self._venue}.public.{number}" for number in count())
        name = next(name for name in names if name not in self._links)
        link = Link(name, self._make_feed(), Backoff(self._chance), is_new=bool(self._links))
        self._links[link.name] = link
        return link

    # --- what is wanted ----------------------------------------------------------------------

    def want(self, stream: Stream) -> None:
        if stream not in self._carriers:
            link = self._link_with_room()
            link.wanted[stream] = None
            self._carriers[stream] = link

    def unwant(self, stream: Stream) -> None:
        link = self._carriers.pop(stream, None)
        if link is not None:
            link.wanted.pop(stream, None)
            link.renewing.discard(stream)
            link.refused.discard(stream)

    def renew(self, stream: Stream) -> None:
        """Stop the stream and start it again."""
        link = self._carriers.get(stream)
        if link is not None and stream in link.runs:
            link.renewing.add(stream)

    def forgive(self) -> None:
        """Ask once more for what the venue refused: its list of instruments has changed."""
        for link in self:
            link.refused.clear()

    def is_refused(self, stream: Stream) -> bool:
        link = self._carriers.get(stream)
        return link is not None and stream in link.refused

    # --- events ------------------------------------------------------------------------------

    def on_up(self, link: Link, now_ns: int) -> list[CoreCommand]:
        link.phase = Phase.SETTING_UP
        link.up_ns = link.last_frame_ns = now_ns
        return [LinkSend(link.name, frame) for frame in link.feed.on_up(now_ns)]

    def on_ready(self, link: Link) -> None:
        link.phase = Phase.READY

    def on_down(self, link: Link, now_ns: int) -> list[CoreCommand]:
        if link.up_ns and now_ns - link.up_ns >= STEADY_NS:
            link.backoff.reset()
        link.up_ns = 0
        link.phase = Phase.DOWN
        link.is_new = False
        link.feed.on_down()
        link.runs.clear()
        link.renewing.clear()
        link.refused.clear()
        link.calls_sent_ns.clear()
        link.reopen_ns = now_ns + link.backoff.next_ns()
        return [WakeAt(link.reopen_ns)]

    def on_started(self, link: Link, event: StreamsStarted) -> None:
        self._answered(link)
        for stream in event.accepted:
            link.runs[stream] = Run.RUNNING
        for stream in event.refused:
            link.runs.pop(stream, None)
            link.refused.add(stream)

    def on_stopped(self, link: Link, event: StreamsStopped) -> None:
        self._answered(link)
        for stream in event.streams:
            link.runs.pop(stream, None)
            link.renewing.discard(stream)

    def on_call_failed(self, link: Link, event: CallFailed, now_ns: int) -> None:
        self._answered(link)
        self._hold_ns = now_ns + int(event.wait_s * NS_PER_S)
        for stream in event.streams:
            link.runs.pop(stream, None)

    def close(self, link: Link, reason: str, retired: bool = False) -> list[CoreCommand]:
        link.phase = Phase.CLOSING
        return [LinkClose(link.name, reason, retired)]

    # --- time --------------------------------------------------------------------------------

    def open_due(self, now_ns: int) -> list[CoreCommand]:
        """Open what is down and due; drop links that have nothing left to carry."""
        commands: list[CoreCommand] = []
        for link in list(self):
            if not link.wanted and len(self._links) > 1:
                commands += self._retire(link)
            elif link.phase is Phase.DOWN and now_ns >= max(link.reopen_ns, self._hold_ns):
                link.phase = Phase.CONNECTING
                commands.append(LinkOpen(link.name, self._url))
        return commands

    def send_due(self, now_ns: int) -> list[CoreCommand]:
        """Calls that start and stop streams, as far as the venue's pace allows."""
        commands: list[CoreCommand] = []
        if now_ns < self._hold_ns:
            return commands
        for link in self:
            if link.phase is not Phase.READY:
                continue
            for run, streams in ((Run.STOPPING, link.to_stop()), (Run.STARTING, link.to_start())):
                while streams:
                    if not self._pace.take(now_ns):
                        return [*commands, WakeAt(self._pace.next_ns(now_ns))]
                    batch = streams[: self._streams_per_call]
                    commands.append(self._call(link, run, batch, now_ns))
                    del streams[: self._streams_per_call]
        return commands

    def keep_alive(self, now_ns: int) -> list[CoreCommand]:
        """What sessions need to send, and a probe on each link that has become quiet."""
        commands: list[CoreCommand] = []
        for link in self:
            if not link.is_open:
                continue
            frames = []
            wake_ns = link.feed.next_wake_ns
            if wake_ns is not None and now_ns >= wake_ns:
                frames += link.feed.on_time(now_ns)
            if not link.probed and now_ns - link.last_frame_ns >= self._silence_ns // 2:
                link.probed = True
                frames.append(link.feed.probe())
            commands += [LinkSend(link.name, frame) for frame in frames]
        return commands

    def dead(self, now_ns: int) -> list[tuple[Link, str]]:
        """Open links to be closed, and why: silent though probed, or an answer is overdue.

        After a pause of our own the frames that came meanwhile are still to be read, so nobody
        is judged in that round.
        """
        paused = now_ns - self._last_look_ns > self._silence_ns // 2
        self._last_look_ns = now_ns
        if paused:
            return []
        found = []
        for link in self:
            if not link.is_open:
                continue
            if now_ns - link.last_frame_ns >= self._silence_ns:
                found.append((link, f"silent for {self._silence_ns / NS_PER_S:g} s"))
            elif link.is_overdue(now_ns):
                found.append((link, "an answer is overdue"))
        return found

    def _link_with_room(self) -> Link:
        """The first that is not full, else a new one; all are overfilled when no more may be."""
        for link in self:
            if len(link.wanted) < self._streams_per_link:
                return link
        if len(self._links) < self._links_max:
            return self.add()
        return min(self, key=lambda link: len(link.wanted))

    def _answered(self, link: Link) -> None:
        if link.calls_sent_ns:
            link.calls_sent_ns.popleft()

    def _call(self, link: Link, run: Run, streams: list[Stream], now_ns: int) -> LinkSend:
        link.calls_sent_ns.append(now_ns)
        link.runs.update(dict.fromkeys(streams, run))
        call = link.feed.subscribe if run is Run.STARTING else link.feed.unsubscribe
        return LinkSend(link.name, call(streams))

    def _retire(self, link: Link) -> list[CoreCommand]:
        if link.phase is Phase.DOWN:
            del self._links[link.name]
            return []
        return self.close(link, "nothing left to carry", retired=True) if link.is_open else []
