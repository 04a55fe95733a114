"""The private link: kept up with growing delays, polled, closed when silent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from common import core as c
from common.domain.backoff import Backoff
from common.venues.accounts import (
    AccountCallFailed,
    AccountEvent,
    AccountFeed,
    AccountOpened,
    AccountRefused,
    PositionList,
)
from common.venues.streams import FrameToSend

LINK = "account"
POLL_NS = 7_000_000_000  # and SETTLE_NS: a lost report is made good within 10 s
LOGIN_NS = 10_000_000_000
ANSWER_NS = 10_000_000_000


class AccountLink:
    """Decides when to connect, to ask and to give up; hands the account's events on.

    problem: why there is no link, "" while there is one or none was tried yet.
    """

    def __init__(self, feed: AccountFeed, url: str, backoff: Backoff) -> None:
        self._feed = feed
        self._url = url
        self._backoff = backoff
        self._is_up = False
        self._is_refused = False
        self._connect_at_ns: int | None = None
        self._wake_at_ns = 0  # the last look that was asked for
        self._login_by_ns = 0
        self._poll_at_ns = 0
        self._asked_ns: deque[int] = deque()  # when each unanswered list was asked for
        self.is_open = False  # logged in and following
        self.problem = ""

    @property
    def is_asking(self) -> bool:
        return bool(self._asked_ns)

    def open(self) -> list[c.CoreCommand]:
        return [c.LinkOpen(LINK, self._url)]

    def on_up(self, now_ns: int) -> list[c.CoreCommand]:
        self._is_up, self._is_refused = True, False
        self._login_by_ns = now_ns + LOGIN_NS
        return [*self._send(self._feed.on_up(now_ns)), *self._wake(self._login_by_ns, now_ns)]

    def on_down(self, reason: str, now_ns: int) -> list[c.CoreCommand]:
        self._feed.on_down()
        self._is_up = self.is_open = False
        self._asked_ns.clear()
        self.problem = self.problem if self._is_refused else reason
        wait_ns = self._backoff.longest_ns() if self._is_refused else self._backoff.next_ns()
        self._connect_at_ns = now_ns + wait_ns
        return [c.WakeAt(self._connect_at_ns)]

    def on_frame(
        self, payload: bytes, now_ns: int
    ) -> tuple[list[AccountEvent], list[c.CoreCommand]]:
        """The account's events in a frame, and what the link itself needs done.

        Raises:
            VenueProtocolError: the frame breaks the venue's protocol.
        """
        events: list[AccountEvent] = []
        commands: list[c.CoreCommand] = []
        for event in self._feed.parse(payload, now_ns):
            if isinstance(event, FrameToSend):
                commands.append(c.LinkSend(LINK, event.frame))
            elif isinstance(event, AccountRefused):
                commands += self._on_refused(event)
            else:
                commands += self._note(event, now_ns)
                events.append(event)
        return events, [*commands, *self._wake(self._feed.next_wake_ns, now_ns)]

    def on_time(self, now_ns: int) -> list[c.CoreCommand]:
        if self._connect_at_ns is not None and now_ns >= self._connect_at_ns:
            self._connect_at_ns = None
            return self.open()
        if not self._is_up:
            return []
        if self._feed.is_silent(now_ns):
            return [c.LinkClose(LINK, "the venue is silent")]
        if not self.is_open and now_ns >= self._login_by_ns:
            return [c.LinkClose(LINK, "no answer to the login")]
        if self._asked_ns and now_ns - self._asked_ns[0] >= ANSWER_NS:
            return [c.LinkClose(LINK, "no answer to what was asked")]
        commands = self._send(self._feed.on_time(now_ns))
        if self.is_open and now_ns >= self._poll_at_ns:
            commands += self.ask_state(now_ns)
        return [*commands, *self._wake(self._feed.next_wake_ns, now_ns)]

    def ask_state(self, now_ns: int) -> list[c.CoreCommand]:
        """Ask for all positions and balances, unless there is nobody to ask."""
        if not self.is_open:
            return []
        self._asked_ns.append(now_ns)
        self._poll_at_ns = now_ns + POLL_NS
        return [*self._send(self._feed.ask_state()), c.WakeAt(self._poll_at_ns)]

    def ask_fills(self, instrument: str, from_ns: int, to_ns: int) -> list[c.CoreCommand]:
        if not self.is_open:
            return []
        return self._send([self._feed.ask_fills(instrument, from_ns, to_ns)])

    def ask_all_fills(
        self, currencies: Iterable[str], from_ns: int, to_ns: int
    ) -> list[c.CoreCommand]:
        if not self.is_open:
            return []
        return self._send(self._feed.ask_all_fills(currencies, from_ns, to_ns))

    def answered(self) -> int:
        """When the list that just came was asked for; each list is to be told once."""
        return self._asked_ns.popleft() if self._asked_ns else 0

    def _note(self, event: AccountEvent, now_ns: int) -> list[c.CoreCommand]:
        if isinstance(event, AccountOpened):
            self.is_open, self.problem = True, ""
            self._asked_ns.append(now_ns)
            self._poll_at_ns = now_ns + POLL_NS
            return [c.WakeAt(self._poll_at_ns)]
        if isinstance(event, PositionList):
            self._backoff.reset()
        if isinstance(event, AccountCallFailed):
            self._asked_ns.clear()
            text = f"{event.method}: {event.text}"
            return [c.Count("calls_failed"), c.Alert("WARNING", text)]
        return []

    def _on_refused(self, event: AccountRefused) -> list[c.CoreCommand]:
        self._is_refused, self.problem = event.is_final, event.text
        return [c.Alert("ERROR", event.text), c.LinkClose(LINK, event.text)]

    def _send(self, frames: Sequence[bytes]) -> list[c.CoreCommand]:
        return [c.LinkSend(LINK, frame) for frame in frames]

    def _wake(self, at_ns: int | None, now_ns: int) -> list[c.CoreCommand]:
        """Nothing when an earlier look is due anyway: that one asks again."""
        if at_ns is None or now_ns < self._wake_at_ns <= at_ns:
            return []
        self._wake_at_ns = at_ns
        return [c.WakeAt(at_ns)]
