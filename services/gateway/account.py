"""The calls of the account page: history and Greeks by expiry; and what a second's point holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from common import messages as m
from services.gateway.accounts import Account, Holdings
from services.gateway.calls import Caller, Result, Row
from services.gateway.events import GatewayCommand, Remember
from services.gateway.history import (
    SECOND_NS,
    Curve,
    History,
    Kind,
    Remembered,
    Resolution,
    Values,
    columns,
)
from services.gateway.reading import Reading
from services.gateway.states import LatestState
from services.gateway.strategies import Strategies

DOLLAR = "USD"
HOLD_NS = 10 * SECOND_NS
GREEKS = ("delta", "gamma", "vega", "theta")
MAX_NS = 2**63 - 1


class AccountPage:
    """What happened to the accounts, and what their options add up to."""

    def __init__(self, reading: Reading, strategies: Strategies) -> None:
        self._reading = reading
        self._strategies = strategies
        self._history = History()
        self._dollars = Dollars(reading)

    # --- the point of a second

    def sample(self, now_ns: int) -> tuple[Row, list[GatewayCommand]]:
        """Take a point. Returns it, for the channel, and the indices to follow for the next."""
        values: dict[Curve, Values] = {}
        holdings = self._reading.holdings
        accounts = [pair for pair in self._reading.accounts if pair in holdings.synced]
        for account in accounts:
            values |= self._balances(account)
        for exposure in holdings.exposures(accounts):
            curve = Curve.of(Kind.EXPOSURE, place(exposure), exposure.underlying)
            values[curve] = {name: getattr(exposure, name) for name in (*GREEKS, "inventory")}
        for state in self._strategies.states():
            for currency, pnl in state.pnl.items():
                curve = Curve.of(Kind.STRATEGY, place(state), currency, state.name)
                values[curve] = {"pnl": float(pnl)}
        self._history.add(now_ns, values)
        fills = self._reading.fills.take_news()
        commands = self._dollars.follow(now_ns)
        if values or fills:
            commands.append(Remember(now_ns, values, fills))
        return {"type": "point", **columns([(now_ns, values)])}, commands

    def recall(self, remembered: Remembered) -> None:
        """What an earlier run of the gateway kept."""
        for resolution, frames in remembered.frames.items():
            self._history.recall(resolution, frames)
        self._reading.fills.recall(remembered.fills)

    def _balances(self, account: Account) -> dict[Curve, Values]:
        holdings = self._reading.holdings
        pnl = profit(holdings, account)
        found: dict[Curve, Values] = {}
        total: Values = {"equity": 0.0, "pnl": 0.0}
        for balance in holdings.balances([account]):
            currency = balance.currency
            equity, gained = float(balance.equity), pnl.get(currency, 0.0)
            curve = Curve.of(Kind.BALANCE, account, currency)
            found[curve] = {"equity": equity, "pnl": gained}
            price = self._dollars.price(account[0], currency)
            for name, value in found[curve].items():
                if value:
                    total[name] = plus(total[name], value, price)
        if found:
            found[Curve.of(Kind.TOTAL, account, DOLLAR)] = total
        return found

    # --- calls

    def history(self, caller: Caller) -> Result:
        params = caller.params
        accounts = self._reading.chosen_accounts(params)
        resolution = params.word("resolution", Resolution) or Resolution.SECOND
        since_ns = params.integer("since_ns", 0, 0, MAX_NS)
        params.finish()
        return self._history.columns(resolution, since_ns, accounts)

    def greeks(self, caller: Caller) -> Result:
        accounts = self._reading.chosen_accounts(caller.params)
        return self._reading.of_holdings(
            caller, accounts, lambda: {"greeks": self.by_expiry(accounts)}
        )

    def by_expiry(self, accounts: list[Account]) -> list[Row]:
        """Sums over the open positions of one expiry; those that never expire come first."""
        groups: dict[tuple[str, str, str, int], list[m.PositionUpdated]] = defaultdict(list)
        for position in self._reading.holdings.positions(accounts, flat=False):
            definition = self._reading.catalog.get(position.instrument)
            if definition is not None:
                expiry = definition.expiration_ns or 0
                groups[(*place(position), definition.underlying, expiry)].append(position)
        return [self._group(key, held) for key, held in sorted(groups.items())]

    def _group(self, key: tuple[str, str, str, int], held: list[m.PositionUpdated]) -> Row:
        venue, account, underlying, expiry = key
        options = [position for position in held if self._is_option(position.instrument)]
        known = all(getattr(each, name) is not None for each in held for name in GREEKS)
        sums = {name: sum(getattr(each, name) or 0.0 for each in held) for name in GREEKS}
        return {
            "venue": venue,
            "account": account,
            "underlying": underlying,
            "expiration_ns": expiry or None,
            **sums,
            "positions": len(held),
            "options": len(options),
            "option_delta": sum(each.delta or 0.0 for each in options),
            "complete": known,
        }

    def _is_option(self, instrument: str) -> bool:
        definition = self._reading.catalog.get(instrument)
        return definition is not None and definition.kind is m.InstrumentKind.OPTION


class Dollars:
    """What a currency is worth in USD, by the index of its venue."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def follow(self, now_ns: int) -> list[GatewayCommand]:
        """Keep the indices of all currencies with a balance."""
        held = self._reading.holdings.balances(self._reading.accounts)
        commands: list[GatewayCommand] = []
        for venue, currency in {(balance.venue, balance.currency) for balance in held}:
            topic = self._topic(venue, currency)
            if topic and not is_dollar(currency):
                commands += self._reading.market.hold(topic, now_ns + HOLD_NS)
        return commands

    def price(self, venue: str, currency: str) -> float | None:
        if is_dollar(currency):
            return 1.0
        topic = self._topic(venue, currency)
        state = self._reading.market.state(topic) if topic else None
        if not isinstance(state, LatestState) or not state.is_known or state.last is None:
            return None
        return float(state.last["price"])

    def _topic(self, venue: str, currency: str) -> str:
        index = self._reading.catalog.dollar_index(venue, currency)
        return f"index.{venue}.{index}" if index else ""


def is_dollar(currency: str) -> bool:
    """Tokens that stand for a dollar, USDC and the like, count as one."""
    return currency.startswith(DOLLAR)


def plus(total: float | None, value: float, price: float | None) -> float | None:
    """A total is only known if all of its parts are."""
    return None if total is None or price is None else total + value * price


def place(message: m.PositionUpdated | m.Exposure | m.StrategyState) -> Account:
    return message.venue, message.account


def profit(holdings: Holdings, account: Account) -> dict[str, float]:
    """Realized and unrealized less fees, by currency, of all positions that the desk has seen."""
    sums: dict[str, float] = defaultdict(float)
    for position in holdings.positions([account], flat=True):
        parts: Iterable[m.Exact] = (position.realized_pnl, position.unrealized_pnl or m.Exact("0"))
        sums[position.currency] += float(sum(parts) - position.fees)
    return dict(sums)
