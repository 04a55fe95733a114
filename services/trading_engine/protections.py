"""Market maker protection: what the venue holds for each group, its triggers, and changes to it.

The venue decides and remembers; the engine reads it at every login, is told when it acts, and tells
everybody. So nothing of it is journaled but the requests themselves.
"""

from __future__ import annotations

from collections import deque

import msgspec

from common import core as c, messages as m
from common.codec import NAME
from common.messages import ProtectionEvent as E, RejectReason as R
from common.venues.order_entry import (
    CallDone,
    ProtectionActed,
    Quoting,
    VenueCall,
    VenueProtection,
)
from services.trading_engine.answers import ANSWER_WAIT_NS
from services.trading_engine.ledger import Item, Request
from services.trading_engine.state import Call, EngineState

Key = tuple[str, str]  # index, group
COMMANDS = (m.SetProtection, m.ResetProtection, m.QueryProtections)
LIMITS = ("max_quote_quantity", "quantity_limit", "delta_limit", "vega_limit", "trade_count_limit")
MAX_S = 3600


class _Asked(Call):
    """Context of one call. item: None when nobody waits for it. awaited: answers still to come."""

    item: Item | None = None
    command: m.Command = m.QueryProtections()
    awaited: int = 1
    settings: list[VenueProtection] = []
    frozen: list[ProtectionActed] = []
    failed: bool = False


class Protections:
    """The protections of one account."""

    def __init__(self, state: EngineState, entry: Quoting | None) -> None:
        self._state = state
        self._entry = entry
        self._known: dict[Key, m.ProtectionUpdated] = {}
        self._is_read = False
        self._waiting: deque[_Asked] = deque()  # by deadline

    # --- looking ------------------------------------------------------------------------------

    def refusal(self, index: str, group: str, now_ns: int) -> str:
        """Why the venue would refuse quotes of this group; "" if it would not, or nobody knows."""
        if not self._is_read:
            return ""
        known = self._known.get((index, group))
        if known is None:
            return f"group {group} has no protection for {index}: set it first"
        until_ns = known.frozen_until_ns
        if until_ns is None or 0 < until_ns <= now_ns:
            return ""
        left = f"for {(until_ns - now_ns) / 1e9:.1f} s" if until_ns else "until it is reset"
        return f"protection of group {group} acted: {index} takes no quotes {left}"

    def snapshot(self, topic: str) -> m.ProtectionSnapshot | None:
        if topic != self._topic:
            return None
        return m.ProtectionSnapshot(self._state.venue, self._state.account, self.all())

    def all(self) -> list[m.ProtectionUpdated]:
        return [self._known[key] for key in sorted(self._known)]

    @property
    def _topic(self) -> str:
        return f"protection.{self._state.venue}.{self._state.account}"

    # --- asking -------------------------------------------------------------------------------

    def on_logged_in(self, now_ns: int) -> None:
        """What changed while we were away; of an account that can quote."""
        entry, config = self._entry, self._state.config
        if entry is None:
            return
        if config.on_disconnect == "cancel" or not entry.needs_cancel_on_disconnect:
            self._read(None, now_ns)

    def take(self, request: Request, now_ns: int) -> None:
        item = Item(request, 0, "protection")
        request.items = [item]
        command = request.command
        refusal = self._refuse(command)
        if refusal is not None:
            reason, field, text = refusal
            item.result = m.CommandReply(request.request_id, False, reason, text, field)
        elif isinstance(command, m.SetProtection | m.ResetProtection):
            self._change(item, command, now_ns)
        else:
            self._read(item, now_ns)

    def _refuse(self, command: m.Command) -> tuple[R, str, str] | None:
        if self._entry is None:
            return R.UNSUPPORTED, "", f"{self._state.venue} has no market maker protection"
        if not self._state.logged_in:
            return R.LINK_DOWN, "", "there is no link to the venue"
        if isinstance(command, m.SetProtection):
            return _refuse_settings(command) or _refuse_names(command)
        return _refuse_names(command) if isinstance(command, m.ResetProtection) else None

    def _read(self, item: Item | None, now_ns: int) -> None:
        assert self._entry is not None
        asked = _Asked("protection", now_ns, item=item)
        calls = self._entry.protections(asked)
        asked.awaited = len(calls)
        self._ask(asked, calls)

    def _change(
        self, item: Item, command: m.SetProtection | m.ResetProtection, now_ns: int
    ) -> None:
        assert self._entry is not None
        asked = _Asked("protection", now_ns, item=item, command=command)
        if isinstance(command, m.SetProtection):
            call = self._entry.set_protection(command, asked)
        else:
            call = self._entry.reset_protection(command, asked)
        self._ask(asked, [call])

    def _ask(self, asked: _Asked, calls: list[VenueCall]) -> None:
        asked.method = calls[0].method
        self._waiting.append(asked)
        self._state.ask([call.frame for call in calls])

    # --- answers ------------------------------------------------------------------------------

    def on_answer(self, call: Call, done: CallDone, now_ns: int) -> None:
        assert isinstance(call, _Asked)
        refused = done.refused
        outcome = "ok" if refused is None else f"{refused.code} {refused.text}"
        latency_ms = (now_ns - call.sent_ns) / 1e6
        self._state.out.add(c.ApiCalled(call.method, latency_ms, outcome))
        call.awaited -= 1
        call.settings += done.protections or []
        call.frozen += done.frozen or []
        if refused is not None and not call.failed:
            call.failed = True
            self._answer(call, refused.reason, refused.field, refused.text)
        if call.awaited:
            return
        if call in self._waiting:
            self._waiting.remove(call)
        if not call.failed:
            self._apply(call, now_ns)
            self._answer(call)

    def _apply(self, call: _Asked, now_ns: int) -> None:
        command = call.command
        match command:
            case m.ResetProtection():
                self._tell((command.index, command.mmp_group), now_ns, E.RESET, None)
            case m.SetProtection():
                for settings in call.settings:
                    self._note(settings, now_ns)
            case _:
                self._take_all(call, now_ns)

    def _take_all(self, call: _Asked, now_ns: int) -> None:
        """The venue's whole list holds."""
        self._is_read = True
        frozen = {(each.index, each.group): each.frozen_until_ns for each in call.frozen}
        settings = {(each.index, each.group): each for each in call.settings}
        for key in self._known.keys() - settings.keys() - frozen.keys():
            self._remove(key, now_ns)
        for key, each in settings.items():
            self._note(each, now_ns, frozen.get(key), all_told=True)

    def _note(
        self,
        told: VenueProtection,
        now_ns: int,
        frozen_until_ns: int | None = None,
        *,
        all_told: bool = False,
    ) -> None:
        """all_told: the venue also said whether it is frozen."""
        key = told.index, told.group
        if not told.interval_s:
            self._remove(key, now_ns)
            return
        known = self._known.get(key)
        if known is not None and not all_told:
            frozen_until_ns = known.frozen_until_ns
        new = m.ProtectionUpdated(
            venue=self._state.venue,
            account=self._state.account,
            index=told.index,
            mmp_group=told.group,
            interval_s=told.interval_s,
            frozen_s=told.frozen_s,
            max_quote_quantity=told.max_quote_quantity,
            quantity_limit=told.quantity_limit,
            delta_limit=told.delta_limit,
            vega_limit=told.vega_limit,
            trade_count_limit=told.trade_count_limit,
            frozen_until_ns=frozen_until_ns,
            event=E.SET,
            updated_ns=now_ns,
        )
        if known is None or not _is_like(known, new):
            self._publish(new)

    def _remove(self, key: Key, now_ns: int) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            gone = {"interval_s": 0, "frozen_until_ns": None, "event": E.REMOVED}
            self._tell_only(msgspec.structs.replace(known, updated_ns=now_ns, **gone))

    def on_acted(self, acted: ProtectionActed, now_ns: int) -> None:
        """The venue cancelled the quotes of a group; each order's own report says so too."""
        self._tell((acted.index, acted.group), now_ns, E.TRIGGERED, acted.frozen_until_ns)
        text = "market maker protection acted: the venue cancelled the quotes of a group"
        self._state.out.alert("WARNING", text, index=acted.index, mmp_group=acted.group)

    def _tell(self, key: Key, now_ns: int, event: E, frozen_until_ns: int | None) -> None:
        known = self._known.get(key) or m.ProtectionUpdated(
            self._state.venue,
            self._state.account,
            *key,
            interval_s=0,
            frozen_s=0,
            max_quote_quantity=None,
            quantity_limit=None,
            delta_limit=None,
            vega_limit=None,
            trade_count_limit=None,
            frozen_until_ns=None,
            event=event,
            updated_ns=now_ns,
        )
        self._publish(
            msgspec.structs.replace(
                known, event=event, frozen_until_ns=frozen_until_ns, updated_ns=now_ns
            )
        )

    def _publish(self, protection: m.ProtectionUpdated) -> None:
        self._known[protection.index, protection.mmp_group] = protection
        self._tell_only(protection)

    def _tell_only(self, protection: m.ProtectionUpdated) -> None:
        received_ns = self._state.received_ns
        self._state.out.add(c.Publish(self._topic, protection, received_ns=received_ns))

    # --- replies ------------------------------------------------------------------------------

    def _answer(
        self, call: _Asked, reason: R | None = None, field: str = "", text: str = ""
    ) -> None:
        item = call.item
        if item is None or item.result is not None:
            return
        name, found = item.request.request_id, self.all()
        item.result = m.CommandReply(name, reason is None, reason, text, field, protections=found)

    def on_lost(self, call: Call) -> None:
        """The link dropped before the answer."""
        assert isinstance(call, _Asked)
        if call in self._waiting:
            self._waiting.remove(call)
        self._give_up(call)

    def next_ns(self) -> int | None:
        return self._waiting[0].sent_ns + ANSWER_WAIT_NS if self._waiting else None

    def on_time(self, now_ns: int) -> None:
        while self._waiting and self._waiting[0].sent_ns + ANSWER_WAIT_NS <= now_ns:
            self._give_up(self._waiting.popleft())

    def _give_up(self, call: _Asked) -> None:
        item = call.item
        if item is not None and item.result is None:
            text = "the venue has not answered yet; ask for the protections to see what holds"
            name = item.request.request_id
            in_doubt = not isinstance(call.command, m.QueryProtections)
            reason = None if in_doubt else R.NOT_READY
            item.result = m.CommandReply(name, False, reason, text, in_doubt=in_doubt)


def _is_like(one: m.ProtectionUpdated, other: m.ProtectionUpdated) -> bool:
    """They differ in what happened last at most."""
    return msgspec.structs.replace(one, event=other.event, updated_ns=other.updated_ns) == other


def _refuse_names(command: m.SetProtection | m.ResetProtection) -> tuple[R, str, str] | None:
    if not command.index or NAME.match(command.index) is None:
        return R.BAD_REQUEST, "index", "name the venue's index, such as btc_usd"
    if command.mmp_group and NAME.match(command.mmp_group) is None:
        text = "mmp_group has at most 64 characters of A-Z a-z 0-9 . _ : / -"
        return R.BAD_REQUEST, "mmp_group", text
    return None


def _refuse_settings(command: m.SetProtection) -> tuple[R, str, str] | None:
    for name in ("interval_s", "frozen_s"):
        if not 0 <= getattr(command, name) <= MAX_S:
            return R.BAD_REQUEST, name, f"{name} is from 0 to {MAX_S}"
    for name in LIMITS:
        value = getattr(command, name)
        if value is not None and value <= 0:
            return R.BAD_REQUEST, name, f"{name} is greater than 0"
    if command.interval_s and command.max_quote_quantity is None:
        return R.BAD_REQUEST, "max_quote_quantity", "max_quote_quantity is needed"
    return None
