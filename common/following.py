"""What a reader knows of one topic of the bus, and what each message of the topic means to it.

The sequence must grow by one; a hole or another start of the publisher makes the topic lost until
the next snapshot. A large snapshot comes in parts, one after the other: with one sequence for
joiners, whom the others leave it to, with growing ones if it is news for all. The topic is whole
with the last of them. A part that does not follow on the one before belongs to another snapshot:
some of ours were lost, and the topic with them. What is published between two parts is newer than
the snapshot and handed on; what the snapshot covers is not.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import msgspec

from common import messages as m
from common.codec import Envelope
from common.parts import Part, is_later

SNAPSHOTS = get_args(m.Snapshot)
DELTAS = get_args(m.Delta)
PARTS_MISSING = "parts of the snapshot are missing"


class Step(NamedTuple):
    """What a message means. lost: why what was known is worthless by now; "" if it is not."""

    is_next: bool
    lost: str = ""


ON = Step(True)
OUT = Step(False)


class Topic(msgspec.Struct):
    """start_ns 0: no message yet. synced: messages are handed on as they follow.

    next_part, parts: of the snapshot that is coming, or came last. Its sequence is that of its last
    part; `sequence` is ahead of it when something newer came in between.
    """

    start_ns: int = 0
    sequence: int = 0
    synced: bool = False
    next_part: int = 0
    parts: int = 0
    parts_sequence: int = 0

    @property
    def is_whole(self) -> bool:
        """Nothing of it is awaited."""
        return self.synced and self.next_part >= self.parts

    def take(self, envelope: Envelope, *, from_snapshot: bool) -> Step:
        """One message, of no publisher that started before the one we know.

        Args:
            from_snapshot: deltas mean nothing before the first snapshot.
        """
        if not self.synced:
            return ON if self._begin(envelope, from_snapshot) else OUT
        lost = self._break(envelope)
        if lost:
            self.synced = False
            return Step(self._begin(envelope, from_snapshot), lost)
        return ON if self._go_on(envelope) else OUT

    def _begin(self, envelope: Envelope, from_snapshot: bool) -> bool:
        """Whether it is something to begin with."""
        message = envelope.message
        if is_later(message):
            return False  # of a snapshot that began before we were there; ours is to come
        if from_snapshot and isinstance(message, DELTAS) and not isinstance(message, SNAPSHOTS):
            return False
        self.start_ns, self.sequence = envelope.publisher_start_ns, envelope.sequence
        self.synced, self.next_part, self.parts = True, 0, 0
        if isinstance(message, Part):
            self._begin_parts(message, envelope.sequence)
        return True

    def _begin_parts(self, first: Part, sequence: int) -> None:
        self.next_part, self.parts = 1, first.parts
        self.sequence = self.parts_sequence = sequence

    def _break(self, envelope: Envelope) -> str:
        """Why we cannot go on; "" if we can."""
        message, sequence = envelope.message, envelope.sequence
        if envelope.publisher_start_ns != self.start_ns:
            return "the publisher started anew"
        if sequence > self.sequence + 1:
            return f"messages {self.sequence + 1} to {sequence - 1} are missing"
        if not isinstance(message, Part) or not message.part or self.is_whole:
            return ""
        is_ours = sequence < self.parts_sequence or self._follows_on(message, sequence)
        return "" if is_ours else PARTS_MISSING

    def _follows_on(self, part: Part, sequence: int) -> bool:
        return (part.part, part.parts) == (self.next_part, self.parts) and (
            sequence in (self.parts_sequence, self.sequence + 1)
        )

    def _go_on(self, envelope: Envelope) -> bool:
        """Whether it is news."""
        message, sequence = envelope.message, envelope.sequence
        is_new = sequence > self.sequence
        if isinstance(message, Part):
            if message.part == 0:
                is_new = is_new or (sequence == self.sequence and not self.is_whole)
                if is_new:
                    self._begin_parts(message, sequence)
                return is_new
            if not self.is_whole and sequence >= self.parts_sequence:
                self.next_part += 1
                self.parts_sequence = sequence
                is_new = True
        self.sequence = max(self.sequence, sequence)
        return is_new
