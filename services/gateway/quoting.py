"""Calls about quotes: many at once, their cancellation, and market maker protection.

Judged and answered as the other order calls are; see trading.py. Each side of a mass quote has a
result of its own.
"""

from __future__ import annotations

import msgspec

from common import messages as m
from common.domain.quotes import WantedSide, sides_of
from common.messages import RejectReason as R
from services.gateway.accounts import Account
from services.gateway.calls import Answer, Ask, Caller, Question, Result, Row
from services.gateway.cancels import all_canceled, filters, judged
from services.gateway.params import Params
from services.gateway.permits import Permits
from services.gateway.reading import Reading, not_answering, target
from services.gateway.rows import row
from services.gateway.rpc import CallError

MAX_QUOTES = 100
SETTINGS = ("quantity_limit", "delta_limit", "vega_limit")
MAX_S = 3600
NOT_ANSWERED = "the engine did not answer in time; the quotes may or may not exist"


class Quoting:
    """The key is there and has its scope: the core has checked."""

    def __init__(self, reading: Reading, permits: Permits) -> None:
        self._reading = reading
        self._permits = permits

    # --- quotes -------------------------------------------------------------------------------

    def mass_quote(self, caller: Caller) -> Result:
        params = caller.params
        account_name = params.optional_text("account")
        request_id = params.name("request_id") or self._reading.new_id()
        command = m.MassQuote(
            [],
            mmp_group=_required_name(params, "mmp_group"),
            quote_set=params.name("quote_set"),
            owner=caller.key.owner if caller.key else "",
            tag=params.name("tag"),
            post_only=params.flag("post_only"),
            expires_ns=params.integer("expires_ns", 0, 0, 2**63 - 1),
        )
        entries = self._entries(params)
        params.finish()
        account = self._account_of(entries, account_name)
        command = msgspec.structs.replace(command, quotes=entries)
        largest: dict[str, m.Exact] = {}
        for side in sides_of(command):
            quantity = side.quantity or m.Exact("0")
            largest[side.instrument] = max(quantity, largest.get(side.instrument, quantity))
        self._permits.check_all(caller, largest)

        def finish(answers: list[Answer]) -> Row:
            return _quote_answer(answers[0], command) | {"request_id": request_id}

        question = Question(target("orders", account), caller.desk_wide(request_id), command)
        return Ask([question], finish)

    def _entries(self, params: Params) -> list[m.QuoteEntry]:
        entries = []
        for number, part in enumerate(params.parts("quotes", MAX_QUOTES)):
            try:
                entries.append(self._entry(part))
            except CallError as error:
                field = f"quotes[{number}]" + (f".{error.field}" if error.field else "")
                text = f"quote {number + 1}: {error.text}"
                raise CallError(error.reason, text, field, error.candidates) from None
        if not entries:
            raise CallError("BAD_PARAMETER", "quotes is missing", "quotes")
        return entries

    def _entry(self, params: Params) -> m.QuoteEntry:
        instrument = self._reading.catalog.resolve(params.text("instrument"))
        bid = params.number("bid_price"), params.number("bid_quantity")
        ask = params.number("ask_price"), params.number("ask_quantity")
        params.finish()
        for word, (price, quantity) in (("bid", bid), ("ask", ask)):
            if quantity is not None and quantity < 0:
                text = f"{word}_quantity is 0, to take the side away, or greater"
                raise CallError("BAD_PARAMETER", text, f"{word}_quantity")
            if price is not None and quantity is None:
                text = f"{word}_price needs a {word}_quantity"
                raise CallError("BAD_PARAMETER", text, f"{word}_quantity")
        return m.QuoteEntry(instrument, *bid, *ask)

    def _account_of(self, entries: list[m.QuoteEntry], name: str | None) -> Account:
        venues = {entry.instrument.partition(".")[0] for entry in entries}
        if len(venues) > 1:
            text = f"one mass quote is for one venue, not {', '.join(sorted(venues))}"
            raise CallError("BAD_PARAMETER", text, "quotes")
        return self._reading.account_at(entries[0].instrument, name, "quotes")

    def cancel_quotes(self, caller: Caller) -> Result:
        chosen = filters(caller, self._reading, "quote_set", "mmp_group")
        low, high = (caller.params.number(name) for name in ("min_delta", "max_delta"))
        caller.params.finish()
        if (low is None) != (high is None):
            text = "give min_delta and max_delta, or neither"
            raise CallError("BAD_PARAMETER", text, "min_delta")
        command = m.CancelQuotes(
            chosen.instrument,
            chosen.kind,
            currency=chosen.currency,
            owner=chosen.owner,
            min_delta=None if low is None else float(low),
            max_delta=None if high is None else float(high),
            **chosen.names,
        )
        return Ask(chosen.questions(command), _canceled)

    # --- protection ---------------------------------------------------------------------------

    def protections(self, caller: Caller) -> Result:
        accounts = self._reading.chosen_accounts(caller.params)
        caller.params.finish()
        questions = [
            Question(target("orders", pair), self._reading.new_id(), m.QueryProtections())
            for pair in accounts
        ]
        return Ask(questions, _protections)

    def set_protection(self, caller: Caller) -> Result:
        params = caller.params
        account = self._one_account(params)
        limits = {name: params.number(name) for name in SETTINGS}
        count = params.integer("trade_count_limit", 0, 1, 1000)
        command = m.SetProtection(
            index=_required_name(params, "index"),
            mmp_group=params.name("mmp_group"),
            interval_s=_required_integer(params, "interval_s", 0, MAX_S),
            frozen_s=params.integer("frozen_s", 0, 0, MAX_S),
            max_quote_quantity=params.number("max_quote_quantity"),
            trade_count_limit=count or None,
            **limits,
        )
        return self._change(caller, account, command)

    def reset_protection(self, caller: Caller) -> Result:
        params = caller.params
        account = self._one_account(params)
        index, group = _required_name(params, "index"), params.name("mmp_group")
        return self._change(caller, account, m.ResetProtection(index, group))

    def _change(self, caller: Caller, account: Account, command: m.Command) -> Result:
        request_id = caller.params.name("request_id") or self._reading.new_id()
        caller.params.finish()

        def finish(answers: list[Answer]) -> Row:
            return _protection_answer(answers[0]) | {"request_id": request_id}

        question = Question(target("orders", account), caller.desk_wide(request_id), command)
        return Ask([question], finish)

    def _one_account(self, params: Params) -> Account:
        """Protection is of one account; the only one, or the first of the venue that is named."""
        chosen = self._reading.chosen_accounts(params)
        if len({venue for venue, _ in chosen}) != 1:
            text = "name the venue: protection is of one account"
            raise CallError("BAD_PARAMETER", text, "venue")
        return chosen[0]


def _required_name(params: Params, name: str) -> str:
    value = params.name(name)
    if not value:
        raise CallError("BAD_PARAMETER", f"{name} is missing", name)
    return value


def _required_integer(params: Params, name: str, low: int, high: int) -> int:
    value = params.integer(name, -1, low, high)
    if value < low:
        raise CallError("BAD_PARAMETER", f"{name} is missing", name)
    return value


def _quote_answer(answer: Answer, command: m.MassQuote) -> Row:
    """One result per side; a command that was refused as a whole has none."""
    reply = answer.reply
    if reply is None:
        if answer.failure is None or not answer.failure.sent:
            raise not_answering(answer)
        reply = m.CommandReply(answer.request_id, False, text=NOT_ANSWERED, in_doubt=True)
    sides = sides_of(command) if reply.results else []
    results = [_side_row(side, result) for side, result in zip(sides, reply.results, strict=False)]
    return judged(reply) | {
        "field": reply.field,
        "orders": [row(order) for order in reply.orders],
        "results": results,
    }


def _side_row(side: WantedSide, result: m.CommandReply) -> Row:
    order = result.orders[0] if result.orders else None
    return {
        "instrument": side.instrument,
        "side": side.side,
        "client_order_id": order.client_order_id if order else "",
        "status": order.status if order else None,
        **judged(result),
        "field": result.field,
    }


def _canceled(answers: list[Answer]) -> Row:
    """A venue without quotes has none to cancel, unless it is the only one that was asked."""
    return all_canceled(_with_quotes(answers))


def _with_quotes(answers: list[Answer]) -> list[Answer]:
    able = [a for a in answers if a.reply is None or a.reply.reason is not R.UNSUPPORTED]
    return able or answers[:1]


def _protections(answers: list[Answer]) -> Row:
    found = []
    for answer in _with_quotes(answers):
        if answer.reply is None:
            raise not_answering(answer)
        if not answer.reply.accepted and answer.reply.reason is not R.UNSUPPORTED:
            raise CallError("UNAVAILABLE", f"{answer.target}: {answer.reply.text}")
        found += answer.reply.protections
    return {"protections": [row(protection) for protection in found]}


def _protection_answer(answer: Answer) -> Row:
    reply = answer.reply
    if reply is None:
        if answer.failure is None or not answer.failure.sent:
            raise not_answering(answer)
        text = "the engine did not answer in time; ask for the protections to see what holds"
        reply = m.CommandReply(answer.request_id, False, text=text, in_doubt=True)
    protections = [row(protection) for protection in reply.protections]
    return judged(reply) | {"field": reply.field, "protections": protections}
