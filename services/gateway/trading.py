"""Calls that trade: place, modify, cancel, cancel all.

Parameters become commands for the trading engine of an account; its reply becomes the answer. What
the engine or the venue refuses is a result with `accepted: false` and a reason, not an error; an
order whose fate is not known comes back with `in_doubt: true`.
"""

from __future__ import annotations

import msgspec

from common import messages as m
from common.codec import NAME
from common.config import STRATEGY_NAME
from common.core import SetLatch
from common.domain.modes import scope_of
from services.gateway.accounts import Account
from services.gateway.calls import Answer, Ask, Caller, Do, Question, Result, Row
from services.gateway.cancels import all_canceled, filters, judgement
from services.gateway.keys import Key
from services.gateway.order_params import largest_quantity, modify_command, place_command
from services.gateway.params import Params
from services.gateway.permits import Permits
from services.gateway.reading import Reading, not_answering, target
from services.gateway.rows import order_answer, row
from services.gateway.rpc import CallError


class Trading:
    """The order calls. The key is there and has its scope: the core has checked."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._orders = reading.orders
        self.permits = self._permits = Permits()

    def place(self, caller: Caller) -> Result:
        params = caller.params
        instrument = self._reading.catalog.resolve(params.text("instrument"))
        account = self._reading.account_at(
            instrument, params.optional_text("account"), "instrument"
        )
        request_id = params.name("request_id") or self._reading.new_id()
        command = place_command(params, instrument, _owner(caller))
        params.finish()
        self._permits.check(caller, instrument, largest_quantity(command))
        return self._ask(account, request_id, command, caller)

    def modify(self, caller: Caller) -> Result:
        params = caller.params
        order_id = _order_id(params)
        request_id = params.name("request_id") or self._reading.new_id()
        command = modify_command(params, order_id)
        params.finish()
        account = self._route(order_id, caller)
        if account is None:
            return _unknown_order(order_id, request_id)
        order = self._orders.get(order_id)
        self._permits.check(caller, order.instrument if order else None, command.quantity)
        owner = self._acting_owner(order_id, caller)
        command = msgspec.structs.replace(command, owner=owner)
        return self._ask(account, request_id, command, caller)

    def cancel(self, caller: Caller) -> Result:
        order_id = _order_id(caller.params)
        request_id = caller.params.name("request_id") or self._reading.new_id()
        caller.params.finish()
        account = self._route(order_id, caller)
        if account is None:
            return _unknown_order(order_id, request_id)
        command = m.CancelOrder(order_id, self._acting_owner(order_id, caller))
        return self._ask(account, request_id, command, caller)

    def cancel_all(self, caller: Caller) -> Result:
        chosen = filters(caller, self._reading, "tag")
        caller.params.finish()
        command = m.CancelAll(
            chosen.instrument, chosen.kind, chosen.currency, chosen.owner, **chosen.names
        )
        return Ask(chosen.questions(command), all_canceled)

    def set_mode(self, caller: Caller) -> Result:
        """ACTIVE, REDUCING or HALTED, for the engines of the chosen accounts."""
        accounts = self._reading.chosen_accounts(caller.params)
        venue = caller.params.optional_text("venue") or ""
        mode = caller.params.required_word("mode", m.TradingMode)
        strategy = caller.params.name("strategy")
        reason = caller.params.text("reason")
        caller.params.finish()
        if not accounts:
            raise CallError("NOT_FOUND", f"the desk has no account at {venue}", "venue")
        command = m.SetMode(mode, f"{_owner(caller)}: {reason}", venue, strategy)
        questions = [
            Question(target("orders", account), self._reading.new_id(), command)
            for account in accounts
        ]

        def finish(answers: list[Answer]) -> Row:
            results = [judgement(answer) for answer in answers]
            return {"accepted": all(r["accepted"] for r in results), "results": results}

        return Ask(questions, finish)

    def kill(self, caller: Caller) -> Result:
        """Set the kill switch and cancel what it concerns, or release it. The latch is a file, so
        that it holds whatever becomes of the processes; engines look at it all the time."""
        params = caller.params
        accounts = self._reading.chosen_accounts(params, by_account=False)
        venue, strategy = params.name("venue"), params.name("strategy")
        release, reason = params.flag("release"), params.text("reason")
        params.finish()
        if venue and strategy:
            raise CallError("BAD_PARAMETER", "give venue or strategy, not both", "strategy")
        if strategy and not STRATEGY_NAME.match(strategy):
            raise CallError("BAD_PARAMETER", f"{strategy!r} is not a name", "strategy")
        scope = scope_of(venue, strategy)
        set_latch = SetLatch(scope, f"{_owner(caller)}: {reason}", not release)
        head: Row = {"scope": scope, "latched": not release}
        if release:
            nothing: Row = {"accepted": True, "in_doubt": False, "orders": [], "results": []}
            return Do(set_latch, nothing | head)
        command = m.CancelAll(owner=strategy or None)
        questions = [
            Question(target("orders", account), self._reading.new_id(), command)
            for account in accounts
        ]
        return Do(set_latch, Ask(questions, lambda a: all_canceled(a) | head))

    def _route(self, order_id: str, caller: Caller) -> Account | None:
        """The account of an order that the caller may touch."""
        order = self._orders.get(order_id)
        if order is not None and caller.owner not in (None, order.owner):
            return None
        return self._orders.account_of(order_id)

    def _acting_owner(self, order_id: str, caller: Caller) -> str:
        """In whose name: an admin acts for the order's own owner."""
        if caller.owner is not None:
            return caller.owner
        order = self._orders.get(order_id)
        return order.owner if order else ""

    def _ask(self, account: Account, request_id: str, command: m.Command, caller: Caller) -> Result:
        def finish(answers: list[Answer]) -> Row:
            fields = self._order_answer(answers[0], command, caller.now_ns)
            return fields | {"request_id": request_id}

        question = Question(target("orders", account), caller.desk_wide(request_id), command)
        return Ask([question], finish)

    def _order_answer(self, answer: Answer, command: m.Command, asked_ns: int) -> Row:
        if answer.reply is None:
            if answer.failure is not None and answer.failure.sent:
                return _in_doubt(answer, asked_ns)
            raise not_answering(answer)
        reply, orders = answer.reply, answer.reply.orders
        fields = order_answer(reply, orders[0] if orders else None)
        if isinstance(command, m.PlaceOrder) and not (orders or reply.accepted or reply.in_doubt):
            fields["status"] = m.OrderStatus.REJECTED
        if isinstance(command, m.PlaceOrder) and command.linked_orders:
            fields["linked_orders"] = [row(order) for order in orders[1:]]
        return fields


def _order_id(params: Params) -> str:
    order_id = params.text("client_order_id")
    if not NAME.match(order_id):
        text = "client_order_id has 1 to 64 characters of A-Z a-z 0-9 . _ : / -"
        raise CallError("BAD_PARAMETER", text, "client_order_id")
    return order_id


def _owner(caller: Caller) -> str:
    key: Key | None = caller.key
    return key.owner if key else ""


def _unknown_order(order_id: str, request_id: str) -> Row:
    reply = m.CommandReply(
        request_id,
        False,
        m.RejectReason.UNKNOWN_ORDER,
        f"there is no order {order_id!r}",
        "client_order_id",
    )
    return order_answer(reply, None) | {"client_order_id": order_id}


def _in_doubt(answer: Answer, asked_ns: int) -> Row:
    text = "the engine did not answer in time; the order may or may not exist"
    reply = m.CommandReply(answer.request_id, False, text=text, in_doubt=True)
    return order_answer(reply, None) | {"in_doubt_since_ns": asked_ns}
