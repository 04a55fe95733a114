"""Execution: what the trades of the matching engine do to orders, accounts and the tape."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from common.domain.instrument import exact
from common.messages import Liquidity, Side
from common.venues.simulation import (
    ZERO,
    BalanceChanged,
    CancelReason,
    LedgerKind,
    OrderState,
    PositionChanged,
    PublicTrade,
    SimulatedFill,
)
from services.venue_simulator.accounts import Account, fee_of
from services.venue_simulator.combos import LegPart, charged, leg_parts
from services.venue_simulator.listing import SYNTHETIC, Listing
from services.venue_simulator.matching import Order, Outcome, Trade
from services.venue_simulator.orders import ClientOrder
from services.venue_simulator.state import State


class Execution:
    """Books outcomes. After the outcomes of one request, finish() reports what they add up to."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._touched: dict[tuple[str, str], None] = {}  # (account, symbol), a set in order

    def book(
        self, listing: Listing, outcome: Outcome, taker: ClientOrder | None
    ) -> list[SimulatedFill]:
        """Everything one outcome did; the fills of the taker. taker None: a synthetic one."""
        fills = []
        for maker, lots in outcome.canceled:
            self._maker_canceled(listing, maker, lots)
        for trade in outcome.trades:
            fill = self._trade(listing, trade, outcome.order, taker)
            if fill is not None:
                fills.append(fill)
        self.report_book(listing)
        return fills

    def report_book(self, listing: Listing) -> None:
        change = listing.take_change(self._state.now_ns)
        if change is not None:
            self._state.events.append(change)

    def finish(self) -> None:
        """Report changed positions and balances, and cut reduce-only orders to what is left."""
        touched, self._touched = self._touched, {}
        for name, symbol in touched:
            account = self._state.accounts[name]
            listing = self._state.listings[symbol]
            definition = listing.definition
            if not listing.is_spot:
                self._trim_reduce_only(account, listing)
                quantity = account.quantity(symbol)
                self._state.events.append(PositionChanged(name, symbol, quantity))
            else:
                self._state.events.append(BalanceChanged(name, definition.base))
            self._state.events.append(BalanceChanged(name, definition.settlement))

    def withdraw(self, order: ClientOrder, reason: CancelReason) -> None:
        """Cancel an open or waiting order."""
        listing = self._state.listings[order.symbol]
        if order.is_waiting:
            listing.triggers.remove(order.number)
        elif listing.engine.cancel(order.number) is not None:
            self._state.accounts[order.account].work(order, -order.leaves_quantity)
            self.report_book(listing)
        self.cancel(order, reason)

    def cancel(self, order: ClientOrder, reason: CancelReason) -> None:
        """Close an order that is in no book."""
        order.state = OrderState.CANCELED
        order.cancel_reason = reason
        order.updated_ns = self._state.now_ns
        self._state.close_order(order)

    def _maker_canceled(self, listing: Listing, maker: Order, lots: int) -> None:
        order = self._state.orders.get(maker.number) if maker.owner != SYNTHETIC else None
        if order is not None:
            account = self._state.accounts[order.account]
            account.work(order, -listing.scale.quantity(lots))
            self.cancel(order, CancelReason.SELF_TRADE)

    def _trade(
        self, listing: Listing, trade: Trade, taking: Order, taker: ClientOrder | None
    ) -> SimulatedFill | None:
        price = listing.scale.price(trade.tick)
        quantity = listing.scale.quantity(trade.lots)
        public = self._publish(listing, price, quantity, taking.is_buy)
        owner = trade.maker.owner
        maker = self._state.orders[trade.maker.number] if owner != SYNTHETIC else None
        if maker is None and taker is None:
            return None
        self._book_side(listing, public, price, quantity, maker, not taking.is_buy, Liquidity.MAKER)
        if maker is not None:
            self._state.accounts[maker.account].work(maker, -quantity)
            if maker.state is OrderState.FILLED:
                self._state.close_order(maker)
            else:
                self._state.report_order(maker)
        return self._book_side(
            listing, public, price, quantity, taker, taking.is_buy, Liquidity.TAKER
        )

    def _publish(
        self,
        listing: Listing,
        price: Decimal,
        quantity: Decimal,
        is_buy: bool,
        combo: PublicTrade | None = None,
    ) -> PublicTrade:
        """combo: the trade of the combo that this one is a leg of."""
        state = self._state
        listing.note_trade(price)
        price_float, quantity_float = float(price), float(quantity)
        volatility = None
        if listing.is_option:
            volatility = state.market.implied_volatility(listing.symbol, price_float, state.now_ns)
        public = PublicTrade(
            trade_number=next(state.trade_numbers),
            trade_sequence=listing.sequence,
            symbol=listing.symbol,
            side=Side.BUY if is_buy else Side.SELL,
            price=price_float,
            quantity=quantity_float,
            traded_ns=state.now_ns,
            tick_direction=listing.tick_direction,
            mark_price=state.mark(listing),
            index_price=state.index(listing.definition.price_index),
            implied_volatility=volatility,
            combo=combo.symbol if combo is not None else "",
            combo_trade=combo.trade_number if combo is not None else None,
        )
        if listing.legs:
            public = self._with_legs(listing, public, price, quantity, is_buy)
        listing.trades.append(public)
        base = quantity_float / price_float if listing.inverse else quantity_float
        listing.statistics.add(price_float, base, base * price_float, state.now_ns)
        if not listing.legs:  # those of a combo trade as well
            state.volumes.add(listing.definition, base, state.now_ns)
        state.events.append(public)
        return public

    def _book_side(
        self,
        listing: Listing,
        public: PublicTrade,
        price: Decimal,
        quantity: Decimal,
        order: ClientOrder | None,
        is_buy: bool,
        liquidity: Liquidity,
    ) -> SimulatedFill | None:
        if listing.legs:
            return self._book_combo(listing, public, price, quantity, order, is_buy, liquidity)
        signed = quantity if is_buy else -quantity
        if order is None:
            self._state.synthetic.trade(listing, signed, price, ZERO)
            return None
        account = self._state.accounts[order.account]
        index = exact(public.index_price)
        fee = fee_of(listing, self._state.rules, price, quantity, liquidity, index)
        realized = account.trade(listing, signed, price, fee)
        order.fill(price, quantity, self._state.now_ns)
        if order.link is not None:
            self._state.linked[order.number] = order
        fill = self._fill(listing, public, price, quantity, order, liquidity, fee, realized)
        account.fills.append(fill)
        account.ledger.write(LedgerKind.TRADE, fill.fee_currency, fill.filled_ns, fill=fill)
        if order.request.protection is not None:
            self._state.guarded.append(fill)
        self._state.events.append(fill)
        self._touched[order.account, listing.symbol] = None
        return fill

    def _with_legs(
        self, listing: Listing, public: PublicTrade, price: Decimal, quantity: Decimal, is_buy: bool
    ) -> PublicTrade:
        """The trade of a combo with those of its legs, which are published before it."""
        legs = tuple(
            self._publish(
                part.listing, part.price, abs(part.quantity), (part.quantity > 0) is is_buy, public
            )
            for part in leg_parts(self._state, listing, price, quantity)
        )
        return msgspec.structs.replace(public, legs=legs)

    def _book_combo(
        self,
        listing: Listing,
        public: PublicTrade,
        price: Decimal,
        quantity: Decimal,
        order: ClientOrder | None,
        is_buy: bool,
        liquidity: Liquidity,
    ) -> SimulatedFill | None:
        """One side of a trade of a combo: positions, fees and profits are those of its legs."""
        sign = 1 if is_buy else -1
        parts = leg_parts(self._state, listing, price, sign * quantity)
        if order is None:
            for part in parts:
                self._state.synthetic.trade(part.listing, part.quantity, part.price, ZERO)
            return None
        account = self._state.accounts[order.account]
        order.fill(price, quantity, self._state.now_ns)
        legs = []
        fees = charged([self._leg_fee(part, liquidity) for part in parts], parts)
        for part, trade, fee in zip(parts, public.legs, fees, strict=True):
            realized = account.trade(part.listing, part.quantity, part.price, fee)
            leg = self._fill(
                part.listing, trade, part.price, abs(part.quantity), order, liquidity, fee, realized
            )
            leg = msgspec.structs.replace(
                leg,
                side=Side.BUY if part.quantity > 0 else Side.SELL,
                combo=public.symbol,
                combo_trade=public.trade_number,
            )
            legs.append(leg)
            self._touched[order.account, part.listing.symbol] = None
        total = sum(fees, ZERO)
        realized = sum((leg.realized_pnl for leg in legs), ZERO)
        fill = self._fill(listing, public, price, quantity, order, liquidity, total, realized)
        fill = msgspec.structs.replace(fill, legs=tuple(legs))
        for one in (fill, *legs):
            account.fills.append(one)
            self._state.events.append(one)
        account.ledger.write(LedgerKind.TRADE, fill.fee_currency, fill.filled_ns, fill=fill)
        return fill

    def _leg_fee(self, part: LegPart, liquidity: Liquidity) -> Decimal:
        index = exact(self._state.index(part.listing.definition.price_index))
        quantity = abs(part.quantity)
        return fee_of(part.listing, self._state.rules, part.price, quantity, liquidity, index)

    def _fill(
        self,
        listing: Listing,
        public: PublicTrade,
        price: Decimal,
        quantity: Decimal,
        order: ClientOrder,
        liquidity: Liquidity,
        fee: Decimal,
        realized: Decimal,
    ) -> SimulatedFill:
        underlying = None
        if listing.is_option:
            figures = self._state.market.option_figures(listing.symbol, self._state.now_ns)
            underlying = figures.underlying_price if figures is not None else None
        return SimulatedFill(
            trade_number=public.trade_number,
            trade_sequence=public.trade_sequence,
            account=order.account,
            order_number=order.number,
            symbol=listing.symbol,
            side=order.side,
            price=price,
            quantity=quantity,
            liquidity=liquidity,
            fee=fee,
            fee_currency=listing.definition.settlement,
            realized_pnl=realized,
            filled_ns=public.traded_ns,
            order_type=order.order_type,
            order_state=order.state,
            tick_direction=public.tick_direction,
            mark_price=public.mark_price,
            index_price=public.index_price,
            label=order.request.label,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            implied_volatility=public.implied_volatility,
            underlying_price=underlying,
            protection=order.request.protection,
            price_type=order.request.price_type,
        )

    def _trim_reduce_only(self, account: Account, listing: Listing) -> None:
        """Resting reduce-only orders together never exceed the position; the newest give way."""
        resting = [
            order
            for order in account.open_orders(listing.symbol)
            if order.reduce_only and order.state is OrderState.OPEN
        ]
        left = account.quantity(listing.symbol)
        for order in resting:
            room = max(ZERO, -left if order.is_buy else left)
            kept = min(room, order.leaves_quantity)
            if kept < order.leaves_quantity:
                self.cut(listing, order, kept, CancelReason.REDUCE_ONLY)
            left += kept if order.is_buy else -kept

    def cut(
        self, listing: Listing, order: ClientOrder, kept: Decimal, reason: CancelReason
    ) -> None:
        """Leave so much of an open order; with nothing left it is canceled for this reason."""
        if not kept:
            self.withdraw(order, reason)
            return
        if not order.is_waiting:
            self._state.accounts[order.account].work(order, kept - order.leaves_quantity)
            resting = listing.engine.orders[order.number]
            listing.engine.amend(order.number, resting.tick, listing.scale.lots(kept))
        order.quantity = order.cum_quantity + kept
        order.updated_ns = self._state.now_ns
        self.report_book(listing)
        self._state.report_order(order)
