"""The control interface of a simulated venue, for tests: docs/simulator.md lists the actions.

Each action is a struct below; over HTTP its name is the path and its fields are the JSON body.
In the process of a test, `VenueSimulator.control.run(action, now_ns)` does the same.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, dataclass_transform

import msgspec

from common.errors import BadMessage, PeerError
from common.venues.serving import CloseConnection, Output, VenueControls
from services.venue_simulator.exchange import Exchange
from services.venue_simulator.faults import Act, Faults, Kind
from services.venue_simulator.market import Market

MS_NS, SECOND_NS = 1_000_000, 1_000_000_000
CUT, GOING_AWAY = 1006, 1001

Next = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
DelayMs = Annotated[float, msgspec.Meta(gt=0, le=600_000)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Offset = Annotated[float, msgspec.Meta(ge=-31_536_000, le=31_536_000)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Price = Annotated[str, msgspec.Meta(max_length=30)]


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all actions. next: of how many frames, null until it is cleared."""


class DropAnswers(Action):
    """Requests are carried out and not answered."""

    method: Pattern = "*"
    next: Next = 1
    client_id: str = ""


class DelayAnswers(Action):
    ms: DelayMs
    method: Pattern = "*"
    next: Next = 1
    client_id: str = ""


class FreezeChannel(Action):
    """Nothing more of these channels, until thaw-channel."""

    channel: Pattern
    client_id: str = ""


class ThawChannel(Action):
    channel: Pattern


class LoseNotifications(Action):
    channel: Pattern
    next: Next = 1
    client_id: str = ""


class DuplicateNotifications(LoseNotifications):
    pass


class ReorderNotifications(LoseNotifications):
    """Each comes after the one that follows it."""


class DelayNotifications(Action):
    ms: DelayMs
    channel: Pattern
    next: Next = 1
    client_id: str = ""


class ClearFaults(Action):
    """All rules, or the one with this number."""

    number: int | None = None


class CutConnections(Action):
    """is_clean: with a closing handshake, else as if a cable were cut."""

    client_id: str = ""
    is_clean: bool = False


class ExpireTokens(Action):
    client_id: str = ""


class Maintenance(Action):
    on: bool


class Halt(Action):
    symbol: Text


class Resume(Action):
    symbol: Text


class Calm(Action):
    """Only clients trade it. The book stays as it is, and marks and indices go on."""

    symbol: Text
    on: bool = True


class Expire(Action):
    symbol: Text


class AddInstrument(Action):
    """symbol: a name of the same product as `like`, with another expiry or strike."""

    symbol: Text
    like: Text


class ChangeTicks(Action):
    """steps: [from this price on, tick]. Orders in the instrument are cancelled."""

    symbol: Text
    tick: Price
    steps: list[tuple[Price, Price]] = []


class Ban(Action):
    """0 seconds lift it. Without client_id everybody, and nobody can connect."""

    seconds: Seconds
    client_id: str = ""


class OffsetClock(Action):
    """The venue's clock against this machine's. Going back, markets stand still meanwhile."""

    seconds: Offset


class State(Action):
    """What is in force."""


ACTIONS: dict[str, type[Action]] = {
    "drop-answers": DropAnswers,
    "delay-answers": DelayAnswers,
    "freeze-channel": FreezeChannel,
    "thaw-channel": ThawChannel,
    "lose-notifications": LoseNotifications,
    "duplicate-notifications": DuplicateNotifications,
    "reorder-notifications": ReorderNotifications,
    "delay-notifications": DelayNotifications,
    "clear-faults": ClearFaults,
    "cut-connections": CutConnections,
    "expire-tokens": ExpireTokens,
    "maintenance": Maintenance,
    "halt": Halt,
    "resume": Resume,
    "calm": Calm,
    "expire": Expire,
    "add-instrument": AddInstrument,
    "change-ticks": ChangeTicks,
    "ban": Ban,
    "offset-clock": OffsetClock,
    "state": State,
}
ACTS = {
    LoseNotifications: Act.DROP,
    DuplicateNotifications: Act.DUPLICATE,
    ReorderNotifications: Act.REORDER,
}


class Clock:
    """The venue's clock: that of the machine and an offset."""

    def __init__(self, offset_ns: int) -> None:
        self.offset_ns = self.first_offset_ns = offset_ns

    def at(self, now_ns: int) -> int:
        return now_ns + self.offset_ns


Done = tuple[dict[str, Any], list[Output]]


class Control:
    """Carries out actions on one simulated venue."""

    def __init__(
        self,
        venue: VenueControls,
        exchange: Exchange,
        market: Market,
        faults: Faults,
        clock: Clock,
    ) -> None:
        self._venue, self._exchange, self._market = venue, exchange, market
        self._faults, self._clock = faults, clock

    def run(self, action: Action, now_ns: int) -> Done:
        """The result and what is to be sent at once.

        Raises:
            PeerError: names what is wrong with the action.
        """
        client_id = getattr(action, "client_id", "")
        if client_id and client_id not in self._exchange.accounts():
            raise BadMessage(f"no account {client_id!r}", "client_id")
        if isinstance(action, Halt | Resume | Calm | Expire | AddInstrument | ChangeTicks):
            self._exchange.advance(self._clock.at(now_ns))
            return self._instrument(action, self._clock.at(now_ns)), []
        if isinstance(action, CutConnections | ExpireTokens | Maintenance | Ban | OffsetClock):
            return self._session(action, now_ns)
        return self._rule(action), []

    def _rule(self, action: Action) -> dict[str, Any]:
        answers, notifications = Kind.ANSWERS, Kind.NOTIFICATIONS
        add = self._faults.add
        match action:
            case DropAnswers(method, count, client_id):
                rule = add(answers, Act.DROP, method, left=count, client_id=client_id)
            case DelayAnswers(ms, method, count, client_id):
                late = int(ms * MS_NS)
                rule = add(
                    answers, Act.DELAY, method, left=count, client_id=client_id, delay_ns=late
                )
            case DelayNotifications(ms, channel, count, client_id):
                late = int(ms * MS_NS)
                rule = add(
                    notifications,
                    Act.DELAY,
                    channel,
                    left=count,
                    client_id=client_id,
                    delay_ns=late,
                )
            case FreezeChannel(channel, client_id):
                rule = add(notifications, Act.DROP, channel, left=None, client_id=client_id)
            case LoseNotifications(channel, count, client_id):
                act = ACTS[type(action)]
                rule = add(notifications, act, channel, left=count, client_id=client_id)
            case _:
                return self._ended(action)
        return {"rule": rule.number}

    def _ended(self, action: Action) -> dict[str, Any]:
        match action:
            case ThawChannel(channel):
                frozen = [
                    rule.number
                    for rule in self._faults.rules
                    if rule.left is None and rule.pattern == channel and rule.act is Act.DROP
                ]
                if not frozen:
                    raise BadMessage(f"{channel!r} is not frozen", "channel")
                return {"ended": sum(self._faults.clear(number) for number in frozen)}
            case ClearFaults(number):
                return {"ended": self._faults.clear(number)}
        offset_ns = self._clock.offset_ns - self._clock.first_offset_ns
        return {
            "rules": [_view(rule) for rule in self._faults.rules],
            "connections": len(self._venue.connections()),
            "clock_offset_s": offset_ns / SECOND_NS,
        }

    def _session(self, action: Action, now_ns: int) -> Done:
        venue, venue_ns = self._venue, self._clock.at(now_ns)
        match action:
            case CutConnections(client_id, is_clean):
                found = [n for n in venue.connections() if client_id in ("", venue.client_of(n))]
                code, reason = (GOING_AWAY, "going_away") if is_clean else (CUT, "cut")
                return {"cut": len(found)}, [
                    CloseConnection(n, code, reason, not is_clean) for n in found
                ]
            case ExpireTokens(client_id):
                return {"expired": venue.expire_tokens(client_id, venue_ns)}, []
            case Maintenance(on):
                return {"maintenance": on}, venue.set_maintenance(on)
            case Ban(seconds, client_id):
                venue.ban(client_id, venue_ns + int(seconds * SECOND_NS))
                return {"banned_s": seconds}, []
            case OffsetClock(seconds):
                clock = self._clock
                clock.offset_ns = clock.first_offset_ns + int(seconds * SECOND_NS)
        return {"time_ms": self._clock.at(now_ns) // MS_NS}, []

    def _instrument(self, action: Action, venue_ns: int) -> dict[str, Any]:
        operations = self._exchange.operations
        match action:
            case Halt(symbol):
                operations.halt(symbol)
            case Resume(symbol):
                operations.resume(symbol)
            case Calm(symbol, on):
                operations.calm(symbol, on)
            case Expire(symbol):
                operations.expire(symbol)
            case AddInstrument(symbol, like):
                self._venue.add_instrument(symbol, like, venue_ns)
            case ChangeTicks(symbol, tick, steps):
                ticks = [(_decimal(a, "steps"), _decimal(b, "steps")) for a, b in steps]
                new = operations.change_ticks(symbol, _decimal(tick, "tick"), ticks)
                self._venue.redefine(new)
        definition = self._exchange.instrument(action.symbol)  # type: ignore[attr-defined]
        return {"symbol": definition.symbol, "status": definition.status.value}  # type: ignore[union-attr]


def parse(name: str, body: bytes) -> Action:
    """An action as it comes over HTTP.

    Raises:
        BadMessage: there is no such action, or a field is wrong; names it.
    """
    if name not in ACTIONS:
        raise BadMessage(f"no action {name!r}; there are: {', '.join(ACTIONS)}")
    try:
        return msgspec.json.decode(body or b"{}", type=ACTIONS[name])
    except msgspec.ValidationError as error:
        problem, _, field = str(error).partition(" - at `$.")
        raise BadMessage(problem, field.rstrip("`")) from None
    except msgspec.DecodeError:
        raise BadMessage("the body is not a JSON object") from None


def refusal(error: PeerError) -> dict[str, str]:
    field = error.field if isinstance(error, BadMessage) else ""
    return {"error": str(error)} | ({"field": field} if field else {})


def _decimal(text: str, field: str) -> Decimal:
    try:
        value = Decimal(text)
    except ArithmeticError:
        value = Decimal(-1)
    if not value.is_finite() or not Decimal("1e-10") <= value <= Decimal("1e10"):
        raise BadMessage(f"{text!r} is no price above 0", field)
    return value


def _view(rule: Any) -> dict[str, Any]:
    return {
        "rule": rule.number,
        "kind": rule.kind.value,
        "act": rule.act.value,
        "pattern": rule.pattern,
        "next": rule.left,
        "client_id": rule.client_id,
        "hits": rule.hits,
    }
