"""Calls that read: market data, instruments, orders, fills, positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common import messages as m
from common.config import DeskConfig
from services.gateway.accounts import Account, Fills, Holdings, Orders
from services.gateway.calls import Answer, Ask, Caller, Question, Result, Row, Wait
from services.gateway.catalog import Catalog
from services.gateway.feeds import Market
from services.gateway.health import Processes
from services.gateway.params import Params
from services.gateway.rows import row
from services.gateway.rpc import CallError
from services.gateway.states import BookState, LatestState, TradesState

MAX_INSTRUMENTS = 500
MAX_LEVELS = 1000
MAX_ROWS = 5000


class Reading:
    """Answers from what the gateway knows; asks the data's owner where that is not complete."""

    def __init__(self, config: DeskConfig) -> None:
        self.catalog = Catalog()
        self.market = Market()
        self.accounts: list[Account] = [
            (venue, account.name)
            for venue, settings in config.venues.items()
            for account in settings.accounts
        ]
        engines = {
            account.engine_number: (venue, account.name)
            for venue, settings in config.venues.items()
            for account in settings.accounts
        }
        self.orders = Orders(engines)
        self.fills = Fills()
        self.holdings = Holdings()
        self._venues = list(config.venues)
        self._counter = 0
        self.start_ns = 0

    def new_id(self) -> str:
        """A request_id that no other process makes."""
        self._counter += 1
        return f"gateway-{self.start_ns}-{self._counter}"

    def chosen_accounts(self, params: Params, *, by_account: bool = True) -> list[Account]:
        """Those of the parameters venue and, if by_account, account; all without them."""
        venue = params.optional_text("venue")
        account = params.optional_text("account") if by_account else None
        if venue is not None and venue not in self._venues:
            known = ", ".join(self._venues)
            raise CallError("BAD_PARAMETER", f"venue is one of {known}", "venue")
        chosen = [
            pair
            for pair in self.accounts
            if venue in (None, pair[0]) and account in (None, pair[1])
        ]
        if account is not None and not chosen:
            known = ", ".join(sorted({name for _, name in self.accounts}))
            raise CallError("BAD_PARAMETER", f"account is one of {known}", "account")
        return chosen

    def account_at(self, instrument: str, name: str | None, field: str) -> Account:
        """The named account at the venue of an instrument, or the first one there.

        Raises:
            CallError: there is none; field: where the instrument was said.
        """
        venue = instrument.partition(".")[0]
        known = [account for account in self.accounts if account[0] == venue]
        if not known:
            raise CallError("NOT_FOUND", f"the desk has no account at {venue}", field)
        chosen = [account for account in known if name in (None, account[1])]
        if not chosen:
            names = ", ".join(account[1] for account in known)
            raise CallError("BAD_PARAMETER", f"account is one of {names}", "account")
        return chosen[0]

    # --- market data

    def instruments(self, caller: Caller) -> Result:
        params = caller.params
        venue = params.optional_text("venue")
        kind = params.word("kind", m.InstrumentKind)
        words = params.optional_text("q")
        limit = params.integer("limit", 10_000, 1, 100_000)
        params.finish()
        if venue is not None and venue not in self._venues:
            known = ", ".join(self._venues)
            raise CallError("BAD_PARAMETER", f"venue is one of {known}", "venue")
        return {"instruments": self.catalog.search(venue, kind, words, limit)}

    def book(self, caller: Caller) -> Result:
        instrument = self.catalog.resolve(caller.params.text("instrument"))
        count = caller.params.integer("levels", 20, 1, MAX_LEVELS)
        caller.params.finish()

        def finish() -> Row:
            state = self.market.state(f"book.{instrument}")
            if not isinstance(state, BookState) or (state.stale and not state.sequence):
                text = f"no book of {instrument} came within 2 s"
                raise CallError("NO_ANSWER", text, "instrument")
            return state.book(count)

        return Wait([f"book.{instrument}"], finish)

    def books(self, caller: Caller) -> Result:
        wanted = self._instruments(caller.params, required=True)
        count = caller.params.integer("levels", 20, 1, MAX_LEVELS)
        caller.params.finish()

        def finish() -> Row:
            states = [self.market.state(f"book.{name}") or BookState(name) for name in wanted]
            return {"books": [s.book(count) for s in states if isinstance(s, BookState)]}

        return Wait([f"book.{name}" for name in wanted], finish)

    def quotes(self, caller: Caller) -> Result:
        return self._latest(caller, "quote", "quotes")

    def tickers(self, caller: Caller) -> Result:
        return self._latest(caller, "ticker", "tickers")

    def _latest(self, caller: Caller, kind: str, name: str) -> Result:
        """The last message of a kind of topic: of the given instruments, or of all read ones."""
        wanted = self._instruments(caller.params, required=False)
        caller.params.finish()

        def finish() -> Row:
            known = self.market.states(kind)
            states = [known.get(name) for name in wanted] if wanted else list(known.values())
            rows = [s.last for s in states if isinstance(s, LatestState) and s.last]
            return {name: [_without_type(fields) for fields in rows]}

        return Wait([f"{kind}.{instrument}" for instrument in wanted], finish)

    def _instruments(self, params: Params, required: bool) -> list[str]:
        names = params.names("instruments", MAX_INSTRUMENTS)
        if required and not names:
            raise CallError("BAD_PARAMETER", "instruments is missing", "instruments")
        return [self.catalog.resolve(name, "instruments") for name in names]

    def trades(self, caller: Caller) -> Result:
        instrument = self.catalog.resolve(caller.params.text("instrument"))
        limit = caller.params.integer("limit", 50, 1, 200)
        caller.params.finish()

        def finish() -> Row:
            state = self.market.state(f"trade.{instrument}")
            recent = list(state.recent) if isinstance(state, TradesState) else []
            return {"trades": recent[::-1][:limit]}

        return Wait([f"trade.{instrument}"], finish)

    # --- the desk's own

    def order_get(self, caller: Caller) -> Result:
        order_id = caller.params.text("client_order_id")
        caller.params.finish()
        order = self.orders.get(order_id)
        if order is not None and caller.owner in (None, order.owner):
            return row(order)
        unknown = CallError("NOT_FOUND", f"there is no order {order_id[:64]!r}", "client_order_id")
        account = self.orders.account_of(order_id)
        if order is not None or account is None:
            raise unknown

        def finish(answers: list[Answer]) -> Row:
            for reply in replies(answers):
                for found in reply.orders:
                    if found.client_order_id == order_id and caller.owner in (None, found.owner):
                        return row(found)
            raise unknown

        query = m.QueryOrders(order_id, caller.owner, True)
        return Ask([Question(target("orders", account), self.new_id(), query)], finish)

    def order_list(self, caller: Caller) -> Result:
        params, owner = caller.params, caller.owner
        accounts = self.chosen_accounts(params)
        status = params.optional_text("status") or "open"
        wanted = params.optional_text("instrument")
        limit = params.integer("limit", MAX_ROWS, 1, MAX_ROWS)
        params.finish()
        if status not in ("open", "all"):
            raise CallError("BAD_PARAMETER", "status is open or all", "status")
        instrument = self.catalog.resolve(wanted) if wanted else None
        closed = status == "all"

        def finish(answers: list[Answer]) -> Row:
            for reply in replies(answers):
                for order in reply.orders:
                    self.orders.apply(order)
            found = self.orders.find(accounts, owner, closed)
            rows = [row(order) for order in found if instrument in (None, order.instrument)]
            return {"orders": rows[:limit]}

        query = m.QueryOrders(None, owner, closed)
        return self._fresh("orders", accounts, self.orders.synced, query, finish)

    def fill_list(self, caller: Caller) -> Result:
        params, owner = caller.params, caller.owner
        accounts = self.chosen_accounts(params)
        order_id = params.optional_text("client_order_id")
        wanted = params.optional_text("instrument")
        limit = params.integer("limit", 100, 1, MAX_ROWS)
        params.finish()
        instrument = self.catalog.resolve(wanted) if wanted else None

        def finish(answers: list[Answer]) -> Row:
            for reply in replies(answers):
                for fill in reply.fills:
                    self.fills.apply(fill)
            found = [
                row(fill)
                for fill in self.fills.find(accounts, owner)
                if order_id in (None, fill.client_order_id)
                and instrument in (None, fill.instrument)
            ]
            return {"fills": found[:limit]}

        query = m.QueryFills(owner)
        return self._fresh("orders", accounts, self.fills.synced, query, finish)

    def positions(self, caller: Caller) -> Result:
        accounts = self.chosen_accounts(caller.params)
        flat = caller.params.flag("flat")
        return self.of_holdings(
            caller,
            accounts,
            lambda: {"positions": [row(p) for p in self.holdings.positions(accounts, flat)]},
        )

    def balances(self, caller: Caller) -> Result:
        accounts = self.chosen_accounts(caller.params)
        return self.of_holdings(
            caller,
            accounts,
            lambda: {"balances": [row(b) for b in self.holdings.balances(accounts)]},
        )

    def exposure(self, caller: Caller) -> Result:
        accounts = self.chosen_accounts(caller.params)
        return self.of_holdings(
            caller,
            accounts,
            lambda: {
                "exposure": [row(e) for e in self.holdings.exposures(accounts)],
                "alerts": [row(a) for a in self.holdings.alerts(accounts)],
                "differences": [row(d) for d in self.holdings.differences(accounts)],
            },
        )

    def of_holdings(
        self, caller: Caller, accounts: list[Account], result: Callable[[], Row]
    ) -> Result:
        """What is made of the holdings of these accounts; ends the reading of parameters."""
        caller.params.finish()

        def finish(answers: list[Answer]) -> Row:
            for reply in replies(answers):
                if reply.account is not None:
                    self.holdings.apply_snapshot(reply.account)
            return result()

        kind, query = "position_queries", m.QueryPositions()
        return self._fresh(kind, accounts, self.holdings.synced, query, finish)

    def _fresh(
        self,
        kind: str,
        accounts: list[Account],
        synced: set[Account],
        query: m.Command,
        finish: Callable[[list[Answer]], Row],
    ) -> Result:
        """From our mirror; asks those accounts first whose topic is not followed without a gap."""
        behind = [account for account in accounts if account not in synced]
        if not behind:
            return finish([])
        questions = [Question(target(kind, account), self.new_id(), query) for account in behind]
        return Ask(questions, finish)


class HealthReading:
    """The call `health`."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def health(self, caller: Caller) -> Result:
        caller.params.finish()
        rows = self._processes.rows(caller.now_ns)
        return {"healthy": all(item["healthy"] for item in rows), "processes": rows}


def target(kind: str, account: Account) -> str:
    return f"{kind}.{account[0]}.{account[1]}"


def replies(answers: list[Answer]) -> list[m.CommandReply]:
    """The replies.

    Raises:
        CallError: a process did not answer, or refused.
    """
    found = []
    for answer in answers:
        if answer.reply is None:
            raise not_answering(answer)
        if not answer.reply.accepted:
            text = f"{answer.target}: {answer.reply.text or answer.reply.reason}"
            raise CallError("UNAVAILABLE", text)
        found.append(answer.reply)
    return found


def not_answering(answer: Answer) -> CallError:
    """What to say of a process that is not there."""
    kind, _, account = answer.target.partition(".")
    process = "trading_engine" if kind == "orders" else "position_server"
    if answer.failure is not None and answer.failure.sent:
        return CallError("NO_ANSWER", f"{process}.{account} did not answer in time")
    return CallError("UNAVAILABLE", f"{process}.{account} is not running; nothing was sent to it")


def _without_type(fields: dict[str, Any]) -> Row:
    return {name: value for name, value in fields.items() if name != "type"}
