"""Views of accounts: positions with profit, margin and Greeks, and summaries per currency."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from common.domain.instrument import exact
from common.messages import InstrumentKind
from common.venues.simulation import (
    ZERO,
    AccountSummary,
    MarginsView,
    OptionFigures,
    PositionView,
)
from services.venue_simulator.accounts import Account, Holding, Working, money
from services.venue_simulator.funds import Funds
from services.venue_simulator.listing import Listing
from services.venue_simulator.margin import NO_ORDERS, coin_size, initial_rate, margin_of
from services.venue_simulator.state import State


class Sums:
    """What a summary adds up over the positions of one kind."""

    __slots__ = ("deltas", "gammas", "realized", "thetas", "total", "unrealized", "value", "vegas")

    def __init__(self) -> None:
        self.total = self.unrealized = self.realized = self.value = ZERO
        self.deltas: dict[str, float] = {}  # by index
        self.gammas: dict[str, float] = {}
        self.vegas: dict[str, float] = {}
        self.thetas: dict[str, float] = {}


class AccountViews:
    """Reads the state of an exchange; changes nothing."""

    def __init__(self, state: State, funds: Funds) -> None:
        self._state = state
        self._funds = funds

    def positions(
        self, account: Account, currency: str | None, kind: InstrumentKind | None
    ) -> list[PositionView]:
        return [
            self._position(account, holding)
            for holding in self._holdings(account, currency)
            if kind is None or holding.listing.kind is kind
        ]

    def position(self, account: Account, listing: Listing) -> PositionView | None:
        if listing.is_spot:
            return None
        return self._position(account, account.holdings.get(listing.symbol) or Holding(listing))

    def summary(self, account: Account, currency: str) -> AccountSummary:
        balance = account.balances.get(currency, ZERO)
        totals = self._funds.totals(account, currency)
        futures, options = Sums(), Sums()
        for holding in self._holdings(account, currency):
            self._add(options if holding.listing.is_option else futures, holding)
        deltas = dict(futures.deltas)
        for index, delta in options.deltas.items():
            deltas[index] = deltas.get(index, 0.0) + delta
        margin_balance = balance + money(futures.unrealized) + money(futures.realized)
        initial = money(totals.initial + totals.orders)
        maintenance = money(totals.maintenance)
        reserve = money(totals.reserve)
        return AccountSummary(
            account=account.name,
            currency=currency,
            balance=balance,
            equity=margin_balance + money(options.value),
            margin_balance=margin_balance,
            available_funds=margin_balance - initial - reserve,
            available_withdrawal_funds=max(ZERO, min(balance, margin_balance) - initial - reserve),
            initial_margin=initial,
            maintenance_margin=maintenance,
            projected_initial_margin=money(totals.initial),
            projected_maintenance_margin=maintenance,
            spot_reserve=reserve,
            session_upl=money(futures.unrealized) + money(options.unrealized),
            session_rpl=money(futures.realized) + money(options.realized),
            total_pnl=money(futures.total) + money(options.total),
            futures_pnl=money(futures.total),
            futures_session_upl=money(futures.unrealized),
            futures_session_rpl=money(futures.realized),
            options_pnl=money(options.total),
            options_session_upl=money(options.unrealized),
            options_session_rpl=money(options.realized),
            options_value=money(options.value),
            delta_total=sum(deltas.values(), 0.0),
            delta_total_map=deltas,
            options_delta=sum(options.deltas.values(), 0.0),
            options_gamma=sum(options.gammas.values(), 0.0),
            options_vega=sum(options.vegas.values(), 0.0),
            options_theta=sum(options.thetas.values(), 0.0),
            options_gamma_map=options.gammas,
            options_vega_map=options.vegas,
            options_theta_map=options.thetas,
        )

    def margins(
        self, account: Account, listing: Listing, quantity: Decimal, price: Decimal
    ) -> MarginsView:
        """What an order would tie up beside what works already."""
        working = account.working.get(listing.symbol, NO_ORDERS)
        now = self._funds.margin(account, listing)
        sides = []
        for is_buy in (True, False):
            if listing.is_spot:
                sides.append(quantity * price if is_buy else quantity)
                continue
            more: Working = working.with_order(is_buy, quantity, quantity * price)
            after = margin_of(
                listing,
                account.quantity(listing.symbol),
                more,
                self._state.prices(listing),
                self._state.rules,
            )
            sides.append(max(ZERO, after.initial + after.orders - now.initial - now.orders))
        low, high = self._state.band(listing)
        return MarginsView(money(sides[0]), money(sides[1]), low, high)

    def _holdings(self, account: Account, currency: str | None) -> Iterable[Holding]:
        return [
            holding
            for holding in account.holdings.values()
            if currency is None or holding.listing.definition.settlement == currency
        ]

    def _position(self, account: Account, holding: Holding) -> PositionView:
        listing, quantity = holding.listing, holding.quantity
        prices = self._state.prices(listing)
        margin = self._funds.margin(account, listing)
        figures = self._figures(listing)
        coins = coin_size(listing, quantity, prices.mark)
        size = float(quantity)
        average = holding.entry.average_price or ZERO
        inverse_option = listing.is_option and _pays_in_coin(listing)
        average_usd = money(average * prices.underlying) if inverse_option else average
        return PositionView(
            account=account.name,
            symbol=listing.symbol,
            kind=listing.kind,
            quantity=quantity,
            size_currency=money(coins),
            average_price=round(average, 8),
            average_price_usd=average_usd if listing.is_option else None,
            mark_price=float(prices.mark),
            index_price=float(prices.underlying),
            settlement_price=listing.settlement_price or 0.0,
            delta=figures.delta * size if figures is not None else float(coins),
            gamma=figures.gamma * size if figures is not None else None,
            vega=figures.vega * size if figures is not None else None,
            theta=figures.theta * size if figures is not None else None,
            floating_pnl=money(holding.session.unrealized_pnl(prices.mark)),
            realized_pnl=money(holding.realized()),
            total_pnl=money(holding.entry.unrealized_pnl(prices.mark)),
            realized_funding=money(holding.funding),
            initial_margin=money(margin.initial),
            maintenance_margin=money(margin.maintenance),
            open_orders_margin=money(margin.orders),
            leverage=None if listing.is_option else self._leverage(listing, coins),
        )

    def _leverage(self, listing: Listing, coins: Decimal) -> float:
        return round(float(1 / initial_rate(listing, abs(coins), self._state.rules)), 2)

    def _figures(self, listing: Listing) -> OptionFigures | None:
        if not listing.is_option:
            return None
        return self._state.market.option_figures(listing.symbol, self._state.now_ns)

    def _add(self, sums: Sums, holding: Holding) -> None:
        listing, size = holding.listing, float(holding.quantity)
        mark = exact(self._state.mark(listing))
        sums.total += holding.entry.unrealized_pnl(mark)
        sums.unrealized += holding.session.unrealized_pnl(mark)
        sums.realized += holding.realized()
        index = listing.definition.price_index
        figures = self._figures(listing) if holding.quantity else None
        if figures is None:
            delta = float(coin_size(listing, holding.quantity, mark))
            sums.deltas[index] = sums.deltas.get(index, 0.0) + delta
            return
        sums.value += holding.quantity * mark
        # an option paid for in coin loses its own value from the delta of the account
        delta = figures.delta - (float(mark) if _pays_in_coin(listing) else 0.0)
        for amounts, one in (
            (sums.deltas, delta),
            (sums.gammas, figures.gamma),
            (sums.vegas, figures.vega),
            (sums.thetas, figures.theta),
        ):
            amounts[index] = amounts.get(index, 0.0) + one * size


def _pays_in_coin(listing: Listing) -> bool:
    return listing.definition.quote == listing.definition.base
