"""The exceptions of crossdesk.

CrossdeskError
  PeerError             somebody else broke a rule; count it, drop it, go on
    VenueProtocolError  a venue sent what its protocol does not allow; carries the raw text
    BadMessage          a frame on the bus or from a client that is not one of ours
  LocalError            we misused something of ours: a bug
  ConfigError           the configuration cannot be used; names the file and the key; exit 78
  AlreadyRunning        another process does what this one was started for; exit 75
  BookGap               a book delta is missing; the caller asks for a snapshot

A business "no" (an order refused) is data, not an exception: see messages.RejectReason.
"""

from __future__ import annotations

RAW_TEXT_LIMIT = 200


class CrossdeskError(Exception):
    """Root of all exceptions that crossdesk raises."""


class PeerError(CrossdeskError):
    """Bytes from outside that break a rule."""


class VenueProtocolError(PeerError):
    """A venue's frame is not what its protocol says."""

    def __init__(self, venue: str, problem: str, raw: bytes | str = b"") -> None:
        if isinstance(raw, bytes):
            raw = raw.decode("utf-8", "replace")
        self.venue, self.problem, self.raw = venue, problem, raw[:RAW_TEXT_LIMIT]
        super().__init__(f"{venue}: {problem}: {self.raw!r}" if raw else f"{venue}: {problem}")


class BadMessage(PeerError):
    """A frame that is not a valid message of ours; field is the one at fault, "" if unknown."""

    def __init__(self, problem: str, field: str = "") -> None:
        self.field = field
        super().__init__(problem)


class LocalError(CrossdeskError):
    """A bug of ours."""


class ConfigError(CrossdeskError):
    """The configuration cannot be used."""

    def __init__(self, source: str, key: str, problem: str) -> None:
        self.source, self.key, self.problem = source, key, problem
        super().__init__(f"{source}: {key}: {problem}" if key else f"{source}: {problem}")


class AlreadyRunning(CrossdeskError):
    """Another process does what this one was started for."""


class BookGap(CrossdeskError):
    """A delta does not follow what the book holds."""

    def __init__(self, instrument: str, expected: int, received: int) -> None:
        self.instrument, self.expected, self.received = instrument, expected, received
        super().__init__(f"{instrument}: expected {expected}, received {received}")
