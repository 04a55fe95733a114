"""The private link to the venue: opened, kept alive, opened again; silent when that is asked."""

from __future__ import annotations

from common import core as c
from common.domain.backoff import Backoff
from common.messages import RejectReason, TradingMode
from common.venues import order_entry as entry
from services.trading_engine.state import EngineState

REFUSED_DELAY_NS = 60_000_000_000  # wrong credentials do not become right by asking often


class Link:
    """Life of the link; `state.logged_in` and `state.is_ready` are set here."""

    def __init__(
        self,
        state: EngineState,
        order_entry: entry.OrderEntry,
        url: str,
        backoff: Backoff,
    ) -> None:
        self._state = state
        self._entry = order_entry
        self._url = url
        self._backoff = backoff
        self._is_up = False
        self._open_at_ns: int | None = None
        self._silent_until_ns = 0
        self._refused = False
        self._was_in = False  # the key was good once

    def start(self) -> None:
        self._state.out.add(c.SetState("starting", "connecting to the venue"))
        self._state.out.add(c.LinkOpen(self._state.link, self._url))

    def stop(self) -> None:
        """With on_disconnect "leave" log out first, which keeps the orders; else the venue cancels
        them when the link drops."""
        if self._is_up and self._state.config.on_disconnect == "leave":
            self._state.send(self._entry.logout(), urgent=True)
        self._open_at_ns = None

    def on_up(self, now_ns: int) -> None:
        self._is_up = True
        self._refused = False
        for frame in self._entry.on_up(now_ns):
            self._state.send(frame, urgent=True)

    def on_down(self, reason: str, now_ns: int) -> None:
        state = self._state
        self._is_up = state.logged_in = state.is_ready = False
        state.closed_text = ""  # while it is closed the account cannot be read after a reconnect
        if state.stopping:
            return
        delay_ns = REFUSED_DELAY_NS if self._refused else self._backoff.next_ns()
        self._open_at_ns = max(now_ns + delay_ns, self._silent_until_ns)
        state.out.add(c.SetState("degraded", f"no link to the venue: {reason}"))

    def ready(self) -> None:
        self._backoff.reset()
        self._was_in = True
        if not self._state.is_ready:
            self._state.is_ready = True
            self._state.out.add(c.SetState("ready"))

    def on_told(self, item: entry.EntryEvent, now_ns: int) -> None:
        state = self._state
        match item:
            case entry.SendFrame(frame):
                state.send(frame, urgent=True)
            case entry.Warned(text):
                state.out.alert("WARNING", text)
            case entry.RateLimited(silent_ns):
                self._silent_until_ns = now_ns + silent_ns
                state.pacer.silence(self._silent_until_ns)
                state.quote_pacer.silence(self._silent_until_ns)
                state.out.alert("ERROR", "the venue's rate limit was broken: silent for a while")
                self._close("rate limit")
            case entry.LinkRefused(text, final):
                self._refused = final
                state.out.alert("ERROR", text)
                if final and self._was_in:  # revoked: whoever did that wants no orders of ours
                    state.tighten(state.venue, TradingMode.HALTED, text, RejectReason.MODE)
                self._close(text)

    def on_bad_frame(self) -> None:
        """Before the login is done, what cannot be read may be its answer: begin again."""
        if self._is_up and not self._state.logged_in:
            self._close("an answer to the login that cannot be read")

    def next_ns(self) -> int | None:
        if self._is_up:
            return self._entry.next_wake_ns
        return self._open_at_ns

    def on_time(self, now_ns: int) -> None:
        if self._is_up:
            if self._entry.is_silent(now_ns):
                self._close("the venue is silent")
                return
            for frame in self._entry.on_time(now_ns):
                self._state.send(frame, urgent=True)
        elif self._open_at_ns is not None and now_ns >= self._open_at_ns:
            self._open_at_ns = None
            self._state.out.add(c.LinkOpen(self._state.link, self._url))

    def _close(self, reason: str) -> None:
        self._is_up = False  # there is nothing to do for it any more but to hear of its end
        self._state.logged_in = False
        self._state.is_ready = False
        self._state.out.add(c.LinkClose(self._state.link, reason))
