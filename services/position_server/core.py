"""The position server's decisions: what came in, what is told, what is asked.

Fills come from the engine's socket and from the venue's private link; marks and definitions from
market_data; outside holdings from a PULL socket. What the venue says is compared with ours after
every word of it. Fills are told at once; moves of marks at most once per FLUSH_NS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from common import core as c, messages as m
from common.config import ExposureLimitsConfig
from common.domain.backoff import Backoff
from common.errors import VenueProtocolError
from common.venues.accounts import (
    AccountFeed,
    BalanceList,
    FillsTold,
    PositionList,
    PositionsChanged,
)
from services.position_server.day import Day
from services.position_server.events import DaySaved, SaveDay
from services.position_server.holdings import Holdings
from services.position_server.ledger import SETTLE_NS, Ledger, Step
from services.position_server.link import AccountLink
from services.position_server.missed import MissedFills

FLUSH_NS = 200_000_000
PROFIT_NS = 1_000_000_000
UPKEEP_NS = 10_000_000_000
DAY_NS = 86_400_000_000_000


Commands = list[c.CoreCommand]


class PositionServer:
    """Core of one account's position server.

    Args:
        feed: the venue's half; url: of its private WebSocket.
        backoff: delays between attempts to connect.
        day: as it was saved, or a new one.
    """

    def __init__(
        self,
        venue: str,
        account: str,
        feed: AccountFeed,
        url: str,
        limits: ExposureLimitsConfig,
        backoff: Backoff,
        day: Day | None = None,
    ) -> None:
        self.holdings = Holdings(venue, account, limits)
        self._link = AccountLink(feed, url, backoff)
        self._definitions_topic = f"instruments.{venue}"
        self._states_prefix = f"instrument.{venue}."
        self._account_topic = f"account.{venue}.{account}"
        self._profit_topic = f"profit.{venue}.{account}"
        self._risk_topic = f"risk.{venue}.{account}"
        self._fills_topic = f"fill.{venue}.{account}"
        self._dirty: set[str] = set()
        self._all_dirty = False
        self._flush_at_ns: int | None = None
        self._settle_at_ns: int | None = None
        self._upkeep_at_ns = 0
        self._watched: set[str] = set()  # instruments whose ticker we follow
        self._told: dict[tuple[str, str], Any] = {}  # last published of each kind and name
        self._has_balances = False
        self._day = day or Day()
        self._profit_at_ns = 0
        self._must_save = False
        self._missed = MissedFills()
        self._handlers: dict[type, Callable[[Any, int], Commands]] = {
            c.Started: self._on_started,
            c.LinkUp: lambda event, now: self._link.on_up(now),
            c.LinkDown: self._on_link_down,
            c.VenueFrame: self._on_frame,
            c.BusMessage: self._on_bus,
            c.TopicLost: self._on_topic_lost,
            c.Subscribed: self._on_subscribed,
            c.CommandReceived: self._on_command,
            c.Pushed: self._on_pushed,
            DaySaved: self._on_saved,
            PositionList: self._on_position_list,
            PositionsChanged: self._on_positions_changed,
            FillsTold: self._on_fills_told,
            BalanceList: self._on_balances,
            m.InstrumentList: self._on_instruments,
            m.InstrumentDefinition: self._on_definition,
            m.Ticker: self._on_ticker,
            m.Fill: lambda fill, now: self._add_fills([fill], now),
            m.FillSnapshot: lambda snapshot, now: self._add_fills(snapshot.fills, now),
        }

    def handle(self, event: Any, now_ns: int) -> Sequence[Any]:
        handler = self._handlers.get(type(event))
        if handler is None:
            return []
        return self._finish(handler(event, now_ns))

    def on_time(self, now_ns: int) -> Sequence[Any]:
        commands = self._link.on_time(now_ns)
        if self._flush_at_ns is not None and now_ns >= self._flush_at_ns:
            self._flush_at_ns = None
            commands += self._flush(now_ns)
        if self._settle_at_ns is not None and now_ns >= self._settle_at_ns:
            self._settle_at_ns = None
            commands += self._settle(now_ns)
        if now_ns >= self._profit_at_ns:
            commands += self._tell_profit(now_ns)
        if now_ns >= self._upkeep_at_ns:
            commands += self._keep_up(now_ns)
        return self._finish(commands)

    # --- beginnings and links -----------------------------------------------------------------

    def _on_started(self, event: c.Started, now_ns: int) -> Commands:
        return [
            c.Subscribe(self._definitions_topic),
            c.Subscribe(self._states_prefix),
            c.Subscribe(f"{self._fills_topic}."),
            c.Subscribe(self._fills_topic),
            *self._tell_profit(now_ns),
            *self._link.open(),
            *self._keep_up(now_ns),
        ]

    def _on_link_down(self, event: c.LinkDown, now_ns: int) -> Commands:
        was_live, self.holdings.is_live = self.holdings.is_live, False
        if was_live:
            self._missed.lose(now_ns)
            self._all_dirty = True
        for ledger in self.holdings.ledgers.values():
            ledger.lose_link()
        return [*self._link.on_down(event.reason, now_ns), *self._flush(now_ns)]

    def _on_frame(self, event: c.VenueFrame, now_ns: int) -> Commands:
        try:
            told, commands = self._link.on_frame(event.payload, now_ns)
        except VenueProtocolError as error:
            # What it would have told is found by asking again.
            alert = c.Alert("WARNING", str(error))
            again = [] if self._link.is_asking else self._link.ask_state(now_ns)
            return [c.Count("frames_bad"), alert, *again]
        for each in told:
            handler = self._handlers.get(type(each))
            if handler is not None:
                commands += handler(each, now_ns)
        return commands

    def _finish(self, commands: Commands) -> list[Any]:
        saving, self._must_save = self._must_save, False
        saved = [SaveDay(self._day.save())] if saving else []
        return [*commands, *saved, self._state()]

    def _state(self) -> c.SetState:
        if not self.holdings.is_live or not self._has_balances:
            is_first = self.holdings.baseline is None or self.holdings.is_live
            problem = self._link.problem or ("" if is_first else "waiting for the positions")
            return c.SetState("degraded" if problem else "starting", problem)
        undefined = self.holdings.undefined()
        if undefined:
            return c.SetState("degraded", f"no definition of {', '.join(undefined[:5])}")
        return c.SetState("ready")

    # --- the venue ----------------------------------------------------------------------------

    def _on_position_list(self, event: PositionList, now_ns: int) -> Commands:
        is_first = self.holdings.baseline is None
        self.holdings.is_live = True
        self.holdings.hear_all(event, self._link.answered(), now_ns)
        commands = self._compare(now_ns)
        self._all_dirty = True
        commands += self._watch()
        commands += self._flush(now_ns)
        if is_first and self.holdings.baseline is not None:
            self._day.open(now_ns, self.holdings.baseline.to_ns)
            commands += self._tell_profit(now_ns)
            commands.append(c.Publish(self._account_topic, self.holdings.snapshot(now_ns)))
        return commands + self._ask_missed(now_ns)

    def _on_positions_changed(self, event: PositionsChanged, now_ns: int) -> Commands:
        self._dirty |= self.holdings.hear_change(event.fills, event.reports, now_ns)
        self._day.add(event.fills, self.holdings.instruments)
        return [*self._compare(now_ns), *self._watch(), *self._flush(now_ns)]

    def _on_balances(self, event: BalanceList, now_ns: int) -> Commands:
        commands: Commands = []
        self._has_balances = True
        for currency in sorted(self.holdings.set_balances(event.reports)):
            balance = self.holdings.balance(currency, now_ns)
            commands += self._tell("balance", currency, balance)
            commands += self._alert(self.holdings.limits.check_balance(balance))
        return commands + self._ask_missed(now_ns)

    def _on_fills_told(self, event: FillsTold, now_ns: int) -> Commands:
        if event.currency:
            self._missed.tell(event.currency)
        ledger = self.holdings.ledgers.get(event.instrument)
        if ledger is not None:
            ledger.answer()
        return [*self._compare(now_ns), *self._flush(now_ns)]

    def _ask_missed(self, now_ns: int) -> Commands:
        """After a gap of the link: a fill and its opposite would leave no difference to see."""
        if not self.holdings.is_live:
            return []
        due = self._missed.due(self.holdings.balances, now_ns)
        return self._link.ask_all_fills(due, self._missed.since_ns or 0, now_ns + DAY_NS)

    # --- differences --------------------------------------------------------------------------

    def _compare(self, now_ns: int) -> Commands:
        commands: Commands = []
        ledgers = self.holdings.ledgers.values() if self._link.is_open else []
        for ledger in ledgers:
            step = ledger.next_step(now_ns)
            if step is Step.ASK:
                commands += self._tell_difference(ledger, now_ns)
            elif step is Step.REPAIR:
                ledger.repair(self.holdings.mark_price(ledger.name))
                self._dirty.add(ledger.name)
        if self._settle_at_ns is None and self._differing():
            self._settle_at_ns = now_ns + SETTLE_NS
            commands.append(c.WakeAt(self._settle_at_ns))
        return commands

    def _differing(self) -> bool:
        return any(each.differs_since_ns is not None for each in self.holdings.ledgers.values())

    def _settle(self, now_ns: int) -> Commands:
        commands = self._compare(now_ns)
        if self._differing() and not self._link.is_asking:
            commands += self._link.ask_state(now_ns)
        return [*commands, *self._flush(now_ns)]

    def _tell_difference(self, ledger: Ledger, now_ns: int) -> Commands:
        """Tell it once, and ask for what we may have missed; then for the positions again."""
        holdings, is_told = self.holdings, ledger.is_told
        difference = m.PositionDifference(
            holdings.venue,
            holdings.account,
            ledger.name,
            ledger.quantity,
            ledger.theirs,
            ledger.differs_since_ns or now_ns,
        )
        ledger.ask(now_ns)
        asking = [
            *self._link.ask_fills(ledger.name, ledger.counts_from_ns, now_ns + DAY_NS),
            *self._link.ask_state(now_ns),
        ]
        if is_told:
            return asking
        text = f"position differs: ours {ledger.quantity}, the venue's {ledger.theirs}"
        return [
            c.Publish(self._risk_topic, difference),
            c.Alert("WARNING", text, {"instrument": ledger.name}),
            c.Count("differences"),
            *asking,
        ]

    # --- the bus ------------------------------------------------------------------------------

    def _on_bus(self, event: c.BusMessage, now_ns: int) -> Commands:
        handler = self._handlers.get(type(event.message))
        return [] if handler is None else handler(event.message, now_ns)

    def _on_topic_lost(self, event: c.TopicLost, now_ns: int) -> Commands:
        kind, _, name = event.topic.partition(".")
        if kind == "ticker":
            self.holdings.lose_ticker(name)
            self._dirty.add(name)
            return self._plan_flush(now_ns)
        if event.topic.startswith(f"{self._fills_topic}."):
            return [c.Subscribe(self._fills_topic)]  # the snapshot has what was missed
        return []

    def _on_instruments(self, message: m.InstrumentList, now_ns: int) -> Commands:
        commands: Commands = []
        for definition in message.instruments:
            commands += self._on_definition(definition, now_ns)
        return commands

    def _on_definition(self, definition: m.InstrumentDefinition, now_ns: int) -> Commands:
        if not self.holdings.define(definition, now_ns):
            return []
        self._dirty.add(definition.instrument)
        return [*self._compare(now_ns), *self._watch(), *self._flush(now_ns)]

    def _on_ticker(self, ticker: m.Ticker, now_ns: int) -> Commands:
        if ticker.instrument not in self._watched:
            return []
        self.holdings.set_ticker(ticker)
        self._dirty.add(ticker.instrument)
        return self._plan_flush(now_ns)

    def _add_fills(self, fills: Iterable[m.Fill], now_ns: int) -> Commands:
        sound = [fill for fill in fills if min(fill.last_price, fill.last_quantity) > 0]
        changed = self.holdings.add_fills(sound, now_ns)
        self._day.add(sound, self.holdings.instruments)
        if not changed:
            return []
        self._dirty |= changed
        return [*self._watch(), *self._flush(now_ns)]

    def _on_pushed(self, event: c.Pushed, now_ns: int) -> Commands:
        problem = self.holdings.inventory.push(event.message)
        if problem:
            return [c.Count("inventory_refused"), c.Alert("WARNING", f"inventory: {problem}")]
        self._all_dirty = True
        return self._plan_flush(now_ns)

    def _on_subscribed(self, event: c.Subscribed, now_ns: int) -> Commands:
        """A joiner; before the baseline there is nothing true to tell, the snapshot follows it."""
        if event.topic == self._profit_topic:
            return [c.PublishSnapshot(self._profit_topic, self._profit(now_ns))]
        if event.topic != self._account_topic or self.holdings.baseline is None:
            return []
        return [c.PublishSnapshot(self._account_topic, self.holdings.snapshot(now_ns))]

    def _on_command(self, event: c.CommandReceived, now_ns: int) -> Commands:
        if not isinstance(event.command, m.QueryPositions):
            text = "the position server answers QueryPositions only"
            reply = m.CommandReply(event.request_id, False, m.RejectReason.UNSUPPORTED, text)
        elif self.holdings.baseline is None:
            text = self._link.problem or "the venue has not told the positions yet"
            reply = m.CommandReply(event.request_id, False, m.RejectReason.NOT_READY, text)
        else:
            snapshot = self.holdings.snapshot(now_ns)
            reply = m.CommandReply(event.request_id, True, account=snapshot)
        return [c.Reply(event.peer, reply)]

    # --- what is told -------------------------------------------------------------------------

    def _plan_flush(self, now_ns: int) -> Commands:
        if self._flush_at_ns is not None:
            return []
        self._flush_at_ns = now_ns + FLUSH_NS
        return [c.WakeAt(self._flush_at_ns)]

    def _flush(self, now_ns: int) -> Commands:
        """Publish what changed: positions, then the exposures they make up, then alerts."""
        holdings = self.holdings
        if holdings.baseline is None:
            return []
        commands: Commands = []
        names = set(holdings.ledgers) if self._all_dirty else self._dirty & set(holdings.ledgers)
        underlyings = {holdings.underlying_of(name) for name in names} - {""}
        if self._all_dirty:
            underlyings = holdings.underlyings()
            for currency in sorted(holdings.balances):
                balance = holdings.balance(currency, now_ns)
                commands += self._tell("balance", currency, balance)
        self._dirty, self._all_dirty = set(), False
        for name in sorted(names):
            if holdings.ledgers[name].is_used or ("position", name) in self._told:
                commands += self._tell("position", name, holdings.position(name, now_ns))
        for underlying in sorted(underlyings):
            exposure = holdings.exposure(underlying, now_ns)
            commands += self._tell("exposure", underlying, exposure)
            commands += self._alert(holdings.limits.check_exposure(exposure))
        return commands

    def _tell(
        self, kind: str, name: str, message: m.PositionUpdated | m.BalanceUpdated | m.Exposure
    ) -> Commands:
        """Publish unless only the time changed since it was last told."""
        before = self._told.get((kind, name))
        if before is not None:
            as_before = msgspec.structs.replace(message, updated_ns=before.updated_ns)
            if as_before == before:
                return []
        self._told[kind, name] = message
        return [c.Publish(self._account_topic, message)]

    def _alert(self, alerts: Iterable[m.RiskAlert]) -> Commands:
        commands: Commands = []
        for alert in alerts:
            level = "WARNING" if alert.raised else "INFO"
            commands += [c.Publish(self._risk_topic, alert), c.Alert(level, alert.text)]
        return commands

    # --- the day's profit ---------------------------------------------------------------------

    def _profit(self, now_ns: int) -> m.ProfitOfDay:
        holdings = self.holdings
        self._day.compare(holdings.ledgers, holdings.instruments, holdings.marks, now_ns)
        return self._day.figures(holdings.venue, holdings.account, holdings.marks, now_ns)

    def _tell_profit(self, now_ns: int) -> Commands:
        """Once a second, changed or not: who goes by it has to know that we live."""
        self._profit_at_ns = now_ns + PROFIT_NS
        told = c.Publish(self._profit_topic, self._profit(now_ns))
        self._must_save = self._day.is_changed
        return [told, *self._watch(), c.WakeAt(self._profit_at_ns)]

    def _on_saved(self, event: DaySaved, now_ns: int) -> Commands:
        was_well = not self._day.problem
        self._day.problem = f"it cannot be saved: {event.error}" if event.error else ""
        if not event.error:
            return []
        self._day.is_changed = True  # try again
        alert = c.Alert("ERROR", "the day's profit cannot be saved", {"why": event.error})
        return [alert] if was_well else []

    # --- upkeep -------------------------------------------------------------------------------

    def _watch(self) -> Commands:
        """Follow the tickers of what is held."""
        held = self._held()
        new = sorted(held - self._watched)
        self._watched |= held
        return [c.Subscribe(f"ticker.{name}") for name in new]

    def _held(self) -> set[str]:
        """Instruments whose tickers we need."""
        held = {name for name, each in self.holdings.ledgers.items() if each.quantity}
        return held | self._day.held()

    def _keep_up(self, now_ns: int) -> Commands:
        """Now and then: leave tickers of what is flat, ask again for definitions that we miss."""
        self._upkeep_at_ns = now_ns + UPKEEP_NS
        commands: Commands = [c.WakeAt(self._upkeep_at_ns)]
        held = self._held()
        for name in sorted(self._watched):
            if name not in held:
                self._watched.discard(name)
                self.holdings.forget_ticker(name)
                commands.append(c.Unsubscribe(f"ticker.{name}"))
        if self.holdings.undefined():
            commands.append(c.Subscribe(self._definitions_topic))
        return commands
