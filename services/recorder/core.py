"""Recorder: bus messages in, rows to write out; when to flush, when to rotate, when to give up.

Disk trouble ends the recording: it is told once, the topics are left, and nobody else notices. What
was flushed before stays on disk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from common import messages as m
from common.config import RecorderConfig
from common.core import (
    Alert,
    BusMessage,
    Count,
    Data,
    SetState,
    Started,
    Stopping,
    Subscribe,
    TopicLost,
    Unsubscribe,
    WakeAt,
)
from services.recorder.families import Row, family_of_topic, rows_of

NS_PER_S = 1_000_000_000
RAW_FIRST_NS = NS_PER_S // 2  # so that the frames hold the snapshots that our topics bring about
MB = 1_000_000
TOLD_ROWS = 10_000  # "records are lost" is said once for so many
MARKET_WORDS = ("book", "depth", "quote", "trade", "ticker", "index", "instrument")


# --- between the core and the files ----------------------------------------------------------


class WriteRows(Data):
    """Append these to the open file of each family; Written or WriteFailed follows."""

    rows: dict[str, list[Row]]


class Rotate(Data):
    """Make files of what is open; Rotated or WriteFailed follows."""


class Written(Data):
    """open_bytes: of all files that are open now."""

    rows: int
    open_bytes: int


class Rotated(Data):
    files: int
    deleted: int  # older files, to keep the limit


class GaveUp(Data):
    """Nothing more will be recorded; what follows is up to who started us."""

    text: str


class WriteFailed(Data):
    """Nothing more can be written."""

    error: str


class Seen(msgspec.Struct):
    """What was recorded of a topic last. whole: a book is known from a snapshot on."""

    start_ns: int
    sequence: int
    whole: bool = False
    asked: bool = False


class Recorder:
    """The core of the recorder.

    Args:
        venues: whose raw frames are recorded if the configuration says so.
    """

    def __init__(self, config: RecorderConfig, venues: Sequence[str]) -> None:
        self._topics = wanted_topics(config, venues)
        self._later = [each for each in self._topics if not is_raw(each)]
        self._later_ns: int | None = None  # when to follow those
        self._exact = {topic for topic in self._topics if not topic.endswith(".")}
        self._flush_ns = int(config.flush_seconds * NS_PER_S)
        self._flush_rows = config.flush_rows
        self._rotate_ns = int(config.rotate_minutes * 60 * NS_PER_S)
        self._rotate_bytes = int(config.rotate_mb * MB)
        self._max_waiting = config.max_waiting_rows
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)
        self._gathered = 0
        self._waiting = 0  # rows at the disk
        self._flushed_ns = 0
        self._opened_ns: int | None = None  # when the open period began; None: nothing is open
        self._rotating = False
        self._seen: dict[str, Seen] = {}
        self._dropped_rows = 0
        self._failed = False

    def handle(self, event: Any, now_ns: int) -> list[Any]:
        """Takes the events of common/core.py and those of this module."""
        match event:
            case WriteFailed(error):
                return self._give_up(error)
            case _ if self._failed:
                return []
            case BusMessage():
                return self._take(event, now_ns)
            case TopicLost(topic, reason):
                return self._lose(topic, reason, now_ns)
            case Written(rows, open_bytes):
                return self._on_written(rows, open_bytes)
            case Rotated(files, deleted):
                self._rotating = False
                return [Count("files_written", files), Count("files_deleted", deleted)]
            case Started():
                self._flushed_ns = now_ns
                return [*self._follow(now_ns), SetState("ready"), WakeAt(now_ns + self._flush_ns)]
            case Stopping():
                return [*self._flush(now_ns), Rotate()]
        return []

    def on_time(self, now_ns: int) -> list[Any]:
        if self._failed:
            return []
        commands = self._flush(now_ns) if now_ns - self._flushed_ns >= self._flush_ns else []
        if self._later_ns is not None and now_ns >= self._later_ns:
            self._later_ns = None
            commands += [Subscribe(topic) for topic in self._later]
        if self._opened_ns is not None and now_ns - self._opened_ns >= self._rotate_ns:
            commands += self._rotate()
        return [*commands, WakeAt(now_ns + self._flush_ns)]

    def _follow(self, now_ns: int) -> list[Any]:
        """Raw frames first: what starts a feed at the venue is to be recorded from its start."""
        first = [topic for topic in self._topics if is_raw(topic)]
        if not first:
            return [Subscribe(topic) for topic in self._later]
        self._later_ns = now_ns + RAW_FIRST_NS
        return [*(Subscribe(topic) for topic in first), WakeAt(self._later_ns)]

    # --- messages ----------------------------------------------------------------------------

    def _take(self, event: BusMessage, now_ns: int) -> list[Any]:
        if self._waiting + self._gathered >= self._max_waiting:
            return self._drop()
        seen = self._seen.get(event.topic)
        if seen is None:
            seen = self._seen[event.topic] = Seen(event.publisher_start_ns, event.sequence)
        elif event.publisher_start_ns == seen.start_ns and event.sequence > seen.sequence + 1:
            text = f"messages {seen.sequence + 1} to {event.sequence - 1} are missing"
            self._add_lost(event.topic, seen, text, now_ns)
        seen.start_ns, seen.sequence = event.publisher_start_ns, event.sequence
        for family, row in rows_of(event, now_ns):
            self._rows[family].append(row)
            self._gathered += 1
        commands = self._complete(event, seen)
        if self._gathered >= self._flush_rows:
            commands += self._flush(now_ns)
        return commands

    def _complete(self, event: BusMessage, seen: Seen) -> list[Any]:
        """A prefix brings no snapshots: of a book that it brings changes of, ask for one."""
        topic = event.topic
        if topic in self._exact:
            return []
        if isinstance(event.message, m.BookSnapshot):
            seen.whole = True
            if seen.asked:
                seen.asked = False
                return [Unsubscribe(topic)]
        elif isinstance(event.message, m.BookDelta) and not seen.whole and not seen.asked:
            seen.asked = True
            return [Subscribe(topic)]
        return []

    def _lose(self, topic: str, reason: str, now_ns: int) -> list[Any]:
        seen = self._seen.pop(topic, None)
        if seen is not None:
            self._add_lost(topic, seen, reason, now_ns)
            if seen.asked:  # it is being asked for; a new answer comes
                self._seen[topic] = Seen(0, 0, asked=True)
        return [Count("topics_lost")]

    def _add_lost(self, topic: str, seen: Seen, reason: str, now_ns: int) -> None:
        family = family_of_topic(topic)
        row = family.lost_row(topic, seen.start_ns, seen.sequence, reason, now_ns)
        self._rows[family.name].append(row)
        self._gathered += 1
        seen.whole = False

    def _drop(self) -> list[Any]:
        """The disk is behind: what is dropped shows as a hole in the sequence of its topic."""
        self._dropped_rows += 1
        commands: list[Any] = [Count("rows_dropped")]
        if self._dropped_rows % TOLD_ROWS == 1:
            commands.append(Alert("WARNING", "the disk is too slow: messages are not recorded"))
        return commands

    # --- files -------------------------------------------------------------------------------

    def _flush(self, now_ns: int) -> list[Any]:
        self._flushed_ns = now_ns
        if not self._gathered:
            return []
        if self._opened_ns is None:
            self._opened_ns = now_ns
        rows, self._rows = dict(self._rows), defaultdict(list)
        self._waiting += self._gathered
        self._gathered = 0
        return [WriteRows(rows)]

    def _rotate(self) -> list[Any]:
        self._opened_ns = None
        self._rotating = True
        return [Rotate()]

    def _on_written(self, rows: int, open_bytes: int) -> list[Any]:
        self._waiting -= rows
        commands: list[Any] = [Count("rows_written", rows)]
        if open_bytes >= self._rotate_bytes and not self._rotating:
            commands += self._rotate()
        return commands

    def _give_up(self, error: str) -> list[Any]:
        if self._failed:
            return []
        self._failed = True
        self._rows.clear()
        self._seen.clear()
        left = [Unsubscribe(topic) for topic in self._topics]
        text = f"recording has stopped: {error}"
        return [Alert("ERROR", text), SetState("degraded", text), *left, GaveUp(text)]


def is_raw(topic: str) -> bool:
    return topic.startswith("raw.")


def wanted_topics(config: RecorderConfig, venues: Sequence[str]) -> list[str]:
    """The configured topics, and the definitions of the instruments they are about."""
    topics = dict.fromkeys(config.topics)
    for topic in config.topics:
        word, _, rest = topic.partition(".")
        venue = rest.partition(".")[0]
        if word in MARKET_WORDS and venue:
            topics |= dict.fromkeys((f"instruments.{venue}", f"instrument.{venue}."))
    if config.raw_frames:
        for venue in venues:
            topics |= dict.fromkeys((f"instruments.{venue}", f"raw.{venue}", f"raw.{venue}."))
    return list(topics)
