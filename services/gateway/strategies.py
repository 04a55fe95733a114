"""What the hosts of strategies say of them, and changing their parameters."""

from __future__ import annotations

from collections.abc import Callable

from common import messages as m
from services.gateway.calls import Answer, Ask, Caller, Question, Result, Row
from services.gateway.rows import row
from services.gateway.rpc import CallError

TOPIC = "strategy."


class Strategies:
    """The last state of every strategy that was heard of."""

    def __init__(self) -> None:
        self._states: dict[str, m.StrategyState] = {}
        self._silent: set[str] = set()

    def apply(self, state: m.StrategyState) -> Row:
        self._states[state.name] = state
        self._silent.discard(state.name)
        return self._row(state)

    def lose(self, topic: str) -> Row | None:
        """Its host fell silent or messages were lost; the row that says so."""
        name = topic.removeprefix(TOPIC)
        state = self._states.get(name)
        if state is None:
            return None
        self._silent.add(name)
        return self._row(state)

    def states(self) -> list[m.StrategyState]:
        """Those whose hosts are heard."""
        return [state for name, state in self._states.items() if name not in self._silent]

    def rows(self) -> list[Row]:
        return [self._row(state) for _, state in sorted(self._states.items())]

    def get(self, name: str) -> m.StrategyState:
        """
        Raises:
            CallError: no strategy of that name was heard of.
        """
        if name not in self._states:
            known = sorted(self._states)
            text = f"no strategy named {name[:64]!r} runs"
            raise CallError("NOT_FOUND", text, "name", known)
        return self._states[name]

    def _row(self, state: m.StrategyState) -> Row:
        positions = [row(position) for position in state.positions]
        return row(state) | {"positions": positions, "stale": state.name in self._silent}


class StrategyCalls:
    """The calls `strategies` and `strategy.set`."""

    def __init__(self, strategies: Strategies, new_id: Callable[[], str]) -> None:
        self._strategies = strategies
        self._new_id = new_id

    def rows(self, caller: Caller) -> Result:
        caller.params.finish()
        return {"strategies": self._strategies.rows()}

    def change(self, caller: Caller) -> Result:
        """Change parameters of a running strategy: all that are named, or none."""
        name = caller.params.text("name")
        values = caller.params.texts("values")
        caller.params.finish()
        self._strategies.get(name)
        question = Question(f"strategies.{name}", self._new_id(), m.SetParameters(values))
        return Ask([question], lambda answers: self._judged(name, answers[0]))

    def _judged(self, name: str, answer: Answer) -> Row:
        if answer.reply is None:
            if answer.failure is not None and answer.failure.sent:
                raise CallError("NO_ANSWER", f"the strategy {name} did not answer in time")
            raise CallError("UNAVAILABLE", f"the strategy {name} does not run")
        reply = answer.reply
        return {
            "accepted": reply.accepted,
            "reason": reply.reason,
            "text": reply.text,
            "field": reply.field,
        }
