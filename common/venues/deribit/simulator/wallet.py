"""The private methods of money and of subaccounts: transactions, transfers, addresses."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from common.config import SimulatorAccountConfig
from common.venues.deribit.simulator import account_objects, objects
from common.venues.deribit.simulator.calls import Call, Handler, begin_ns, count_of, end_ns
from common.venues.deribit.simulator.catalog import (
    Catalog,
    Identity,
    milliseconds,
    number,
    plain_id,
)
from common.venues.deribit.simulator.envelope import Refused, invalid_params
from common.venues.deribit.simulator.family import Family
from common.venues.deribit.simulator.orders import OrderMethods
from common.venues.deribit.simulator.refusals import fault
from common.venues.simulation import (
    ZERO,
    LedgerEntry,
    LedgerKind,
    OrderFilter,
    Refused as ExchangeRefusal,
    SimulatedExchange,
    SimulatedFill,
)

MAX_LOG = 250


class WalletMethods:
    """Handlers by the name of their method."""

    def __init__(
        self,
        exchange: SimulatedExchange,
        catalog: Catalog,
        family: Family,
        orders: OrderMethods,
        accounts: Sequence[SimulatorAccountConfig],
        started_ns: int,
    ) -> None:
        self._exchange, self._catalog, self._family = exchange, catalog, family
        self._orders, self._started_ns = orders, started_ns
        self._opening = {account.client_id: account.balances for account in accounts}
        self.handlers: dict[str, Handler] = {
            "private/get_transaction_log": self._transactions,
            "private/get_subaccounts": self._subaccounts,
            "private/get_subaccounts_details": self._subaccounts_details,
            "private/submit_transfer_to_subaccount": self._transfer_to_subaccount,
            "private/submit_transfer_between_subaccounts": self._transfer_between,
            "private/get_transfers": self._transfers,
            "private/get_deposits": self._deposits,
            "private/get_withdrawals": self._withdrawals,
            "private/withdraw": self._withdraw,
            "private/get_current_deposit_address": self._address,
            "private/create_deposit_address": self._address,
        }

    def _currency(self, call: Call) -> str:
        return self._catalog.currency(call.params["currency"], allow_any=False) or ""

    # --- transactions ------------------------------------------------------------------------

    def _transactions(self, call: Call) -> dict[str, Any]:
        """Newest first; continuation is the number of the entry to go on with."""
        params, owner = call.params, call.owner
        from_ns = begin_ns(params["start_timestamp"]) or 0
        to_ns = end_ns(params["end_timestamp"]) or 0
        upto, query = params.get("continuation"), params.get("query", "").lower()
        count = count_of(call, 100, MAX_LOG)
        found = [
            entry
            for entry in reversed(self._exchange.ledger(owner.client_id, self._currency(call)))
            if from_ns <= entry.at_ns <= to_ns
            and (upto is None or entry.number <= upto)
            and (not query or query in _words(entry))
        ]
        page, rest = found[:count], found[count:]
        return {
            "logs": [self._transaction(entry, owner) for entry in page],
            "continuation": rest[0].number if rest else None,
        }

    def _transaction(self, entry: LedgerEntry, owner: Identity) -> dict[str, Any]:
        result: dict[str, Any] = {
            "id": entry.number,
            "type": entry.kind.value,
            "timestamp": milliseconds(entry.at_ns),
            "currency": entry.currency,
            "change": number(entry.change),
            "cashflow": number(entry.change),
            "balance": number(entry.balance),
            "equity": number(entry.equity),
            "user_id": owner.user_id,
            "username": owner.client_id,
            "user_seq": entry.number,
            "commission": 0.0,
            "info": None,
        }
        if entry.fill is not None:
            result |= self._fill_members(entry.fill)
        if entry.settlement is not None:
            settlement = entry.settlement
            result |= {
                "instrument_name": settlement.symbol,
                "position": number(settlement.position),
                "price": settlement.mark_price,
                "mark_price": settlement.mark_price,
                "index_price": settlement.index_price,
                "session_rpl": number(settlement.session_pnl),
                "interest_pl": number(settlement.funding),
                "total_interest_pl": number(settlement.funding),
            }
        if entry.other:
            result["info"] = {"other_user": entry.other}
        return result

    def _fill_members(self, fill: SimulatedFill) -> dict[str, Any]:
        listing = self._catalog.listing(fill.symbol)
        settlement = listing.definition.settlement
        return {
            "instrument_name": fill.symbol,
            "trade_id": plain_id(fill.trade_number, settlement),
            "order_id": plain_id(fill.order_number, settlement),
            "side": f"open {objects.DIRECTIONS[fill.side]}",
            "price": number(fill.price),
            "price_currency": listing.definition.quote,
            "amount": number(fill.quantity),
            "contracts": objects.contracts(fill.quantity, listing),
            "commission": number(fill.fee),
            "user_role": "maker" if fill.liquidity.value == "MAKER" else "taker",
            "mark_price": fill.mark_price,
            "index_price": fill.index_price,
            "profit_as_cashflow": False,
        }

    # --- subaccounts -------------------------------------------------------------------------

    def _subaccounts(self, call: Call) -> list[dict[str, Any]]:
        """The caller first."""
        with_portfolio = call.params.get("with_portfolio", False)
        return [self._account(x, with_portfolio) for x in self._family.members(call.account)]

    def _account(self, identity: Identity, with_portfolio: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "id": identity.user_id,
            "username": identity.client_id,
            "system_name": identity.client_id,
            "email": f"{identity.client_id}@example.com",
            "type": "subaccount" if self._family.is_subaccount(identity.client_id) else "main",
            "is_password": True,
            "login_enabled": True,
            "margin_model": "segregated_sm",
            "receive_notifications": False,
            "security_keys_enabled": False,
            "security_keys_assignments": [],
        }
        if with_portfolio:
            entry["portfolio"] = account_objects.portfolio(self._exchange, identity.client_id)
        return entry

    def _subaccounts_details(self, call: Call) -> list[dict[str, Any]]:
        currency = self._currency(call)
        return [self._details(x, currency, call) for x in self._family.members(call.account)]

    def _details(self, identity: Identity, currency: str, call: Call) -> dict[str, Any]:
        name = identity.client_id
        result: dict[str, Any] = {
            "uid": identity.user_id,
            "positions": [
                objects.position(view, self._catalog.listing(view.symbol))
                for view in self._exchange.positions(name, currency)
            ],
        }
        if call.params.get("with_open_orders", False):
            found = self._exchange.open_orders(name, OrderFilter(currency=currency))
            result["open_orders"] = [self._orders.order_object(x, identity) for x in found]
        return result

    # --- cash --------------------------------------------------------------------------------

    def _transfer_to_subaccount(self, call: Call) -> dict[str, Any]:
        return self._move(call, call.owner, self._member(call, "destination"))

    def _transfer_between(self, call: Call) -> dict[str, Any]:
        source = self._member(call, "source") if "source" in call.params else call.owner
        return self._move(call, source, self._member(call, "destination"))

    def _member(self, call: Call, param: str) -> Identity:
        found = self._family.by_id(call.account, call.params[param])
        if found is None:
            raise invalid_params(param, "not a subaccount of this account")
        return found

    def _move(self, call: Call, source: Identity, target: Identity) -> dict[str, Any]:
        if source == target:
            raise Refused(12100, "transfer_not_allowed")
        return self._cash_object(self._pay(call, source.client_id, target.client_id))

    def _pay(self, call: Call, source: str, target: str) -> LedgerEntry:
        amount: Decimal = call.params["amount"]
        if amount <= 0:
            raise invalid_params("amount", "must be positive")
        paid = self._exchange.move_cash(source, self._currency(call), amount, target, call.now_ns)
        if isinstance(paid, ExchangeRefusal):
            raise fault(paid)
        return paid

    def _withdraw(self, call: Call) -> dict[str, Any]:
        address = call.params["address"]
        if not address or address in self._family.accounts:
            raise invalid_params("address", "must be an address")
        return self._cash_object(self._pay(call, call.account, address))

    def _cash_of(self, call: Call, kind: LedgerKind) -> dict[str, Any]:
        entries = self._exchange.ledger(call.account, self._currency(call))
        return self._page(call, [self._cash_object(x) for x in entries[::-1] if x.kind is kind])

    def _transfers(self, call: Call) -> dict[str, Any]:
        return self._cash_of(call, LedgerKind.TRANSFER)

    def _withdrawals(self, call: Call) -> dict[str, Any]:
        return self._cash_of(call, LedgerKind.WITHDRAWAL)

    def _page(self, call: Call, found: list[dict[str, Any]]) -> dict[str, Any]:
        offset = call.params.get("offset", 0)
        if offset < 0:
            raise invalid_params("offset", "must not be negative")
        page = found[offset : offset + count_of(call, 10)]
        return {"count": len(found), "data": page}

    def _cash_object(self, entry: LedgerEntry) -> dict[str, Any]:
        """A transfer or a withdrawal; both are done at once."""
        time_ms = milliseconds(entry.at_ns)
        common = {
            "id": entry.number,
            "currency": entry.currency,
            "amount": number(abs(entry.change)),
            "created_timestamp": time_ms,
            "updated_timestamp": time_ms,
        }
        if entry.kind is LedgerKind.TRANSFER:
            return common | {
                "type": "subaccount",
                "state": "confirmed",
                "direction": "payment" if entry.change < 0 else "income",
                "other_side": entry.other,
            }
        return common | {
            "state": "completed",
            "address": entry.other,
            "fee": 0.0,
            "priority": 0.0,
            "confirmed_timestamp": time_ms,
            "transaction_id": None,
        }

    def _deposits(self, call: Call) -> dict[str, Any]:
        """What the account was opened with."""
        currency, time_ms = self._currency(call), milliseconds(self._started_ns)
        amount = Decimal(self._opening.get(call.account, {}).get(currency, "0"))
        entry = {
            "currency": currency,
            "amount": number(amount),
            "address": self._address(call)["address"],
            "received_timestamp": time_ms,
            "updated_timestamp": time_ms,
            "state": "completed",
            "transaction_id": None,
        }
        return self._page(call, [entry] if amount > ZERO else [])

    def _address(self, call: Call) -> dict[str, Any]:
        """An address to which nobody can pay."""
        currency = self._currency(call)
        return {
            "address": f"simulated-{currency.lower()}-{call.owner.user_id}",
            "currency": currency,
            "type": "deposit",
            "creation_timestamp": milliseconds(self._started_ns),
        }


def _words(entry: LedgerEntry) -> str:
    symbol = entry.fill.symbol if entry.fill is not None else ""
    if entry.settlement is not None:
        symbol = entry.settlement.symbol
    return f"{entry.kind.value} {symbol}".lower()
