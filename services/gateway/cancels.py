"""Cancelling many at once: what a cancel-all of orders and one of quotes have in common."""

from __future__ import annotations

from typing import NamedTuple

from common import messages as m
from services.gateway.accounts import Account
from services.gateway.calls import Answer, Caller, Question, Row
from services.gateway.reading import Reading, not_answering, target
from services.gateway.rows import row
from services.gateway.rpc import CallError


class Filters(NamedTuple):
    """Which ones, of which accounts. owner None: everybody's; names: the call's own filters."""

    accounts: list[Account]
    instrument: str | None
    kind: m.InstrumentKind | None
    currency: str | None
    owner: str | None
    names: dict[str, str | None]
    request_id: str

    def questions(self, command: m.Command) -> list[Question]:
        """To each account's engine."""
        return [
            Question(target("orders", pair), self.request_id, command) for pair in self.accounts
        ]


def filters(caller: Caller, reading: Reading, *own: str) -> Filters:
    """Read from the call's parameters; what it has beyond them, its `own` names included, is for
    the caller to finish.

    Raises:
        CallError: another owner's, without the scope admin; or a filter that says nothing.
    """
    params = caller.params
    accounts = reading.chosen_accounts(params)
    wanted = params.optional_text("instrument")
    kind = params.word("kind", m.InstrumentKind)
    names = {name: params.name(name) or None for name in ("currency", "owner", *own)}
    request_id = params.name("request_id") or reading.new_id()
    instrument = reading.catalog.resolve(wanted) if wanted else None
    if instrument is not None:
        accounts = [account for account in accounts if instrument.startswith(account[0] + ".")]
    currency, owner = names.pop("currency"), names.pop("owner")
    if caller.owner is not None and owner not in (None, caller.owner):
        raise CallError("FORBIDDEN", "those of other owners need the scope 'admin'", "owner")
    owner = caller.owner or owner
    wide = caller.desk_wide(request_id)
    return Filters(accounts, instrument, kind, currency, owner, names, wide)


def all_canceled(answers: list[Answer]) -> Row:
    """What the engines of the accounts answered, put together."""
    orders = [order for answer in answers if answer.reply for order in answer.reply.orders]
    results = [judgement(answer) for answer in answers]
    return {
        "accepted": all(result["accepted"] for result in results),
        "in_doubt": any(result["in_doubt"] for result in results),
        "orders": [row(order) for order in orders],
        "results": results,
    }


def judgement(answer: Answer) -> Row:
    """How one account's engine judged a command."""
    _, venue, account = answer.target.split(".", 2)
    reply = answer.reply
    if reply is None:
        sent = answer.failure is not None and answer.failure.sent
        text = not_answering(answer).text
        reply = m.CommandReply(answer.request_id, False, text=text, in_doubt=sent)
    return {"venue": venue, "account": account, **judged(reply)}


def judged(reply: m.CommandReply) -> Row:
    return {
        "accepted": reply.accepted,
        "reason": reply.reason,
        "text": reply.text,
        "in_doubt": reply.in_doubt,
    }
