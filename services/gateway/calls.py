"""Calls of clients, and what answering one takes.

A handler returns the result itself, a Wait for market data that nobody reads yet, or an Ask of
other processes. The core does the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from common import messages as m
from common.core import Data, Request, RequestFailed, SetLatch
from services.gateway.keys import Key
from services.gateway.params import Params
from services.gateway.rpc import CallError, Id

Row = dict[str, Any]
WAIT_NS = 2_000_000_000
MAX_REQUEST_ID = 64
DIGEST = 48


class Call(msgspec.Struct, frozen=True):
    """One call and where its answer goes: to an HTTP request or to a WebSocket client."""

    number: int
    over_http: bool
    method: str
    id: Id = None
    has_id: bool = True
    binary: bool = False


class Caller(msgspec.Struct, frozen=True):
    """Who calls, with what."""

    params: Params
    key: Key | None
    now_ns: int

    @property
    def owner(self) -> str | None:
        """Whose orders the caller sees; None: everybody's."""
        return None if self.key is None or self.key.sees_all else self.key.owner

    def desk_wide(self, request_id: str) -> str:
        """The caller's request_id as the desk knows it: clients choose theirs without knowing of
        each other, and an answer finds its way by this text alone. The same always gives the same.
        """
        owner = self.key.owner if self.key else ""
        text = f"{owner}:{request_id}"
        if ":" not in owner and len(text) <= MAX_REQUEST_ID:
            return text
        digest = hashlib.sha256(f"{len(owner)}:{text}".encode()).hexdigest()
        return f":{digest[:DIGEST]}"


class Wait(msgspec.Struct, frozen=True):
    """The result is ready when these topics are known, or after two seconds."""

    topics: list[str]
    finish: Callable[[], Row]


class Question(Data):
    target: str
    request_id: str
    command: m.Command


class Answer(Data):
    """What came of one question: a reply or a failure."""

    target: str
    request_id: str
    command: m.Command
    reply: m.CommandReply | None
    failure: RequestFailed | None = None
    round_trip_ns: int = 0


class Ask(msgspec.Struct, frozen=True):
    """The result is made from the answers of other processes."""

    questions: list[Question]
    finish: Callable[[list[Answer]], Row]


class Do(msgspec.Struct, frozen=True):
    """Something is done first; what follows is the result."""

    command: SetLatch
    then: Row | Ask


Result = Row | Wait | Ask | Do
Handler = Callable[[Caller], Result]


class Waiting:
    """Calls that wait for topics."""

    def __init__(self) -> None:
        self._calls: list[tuple[Call, Wait, set[str], int]] = []
        self._topics: set[str] = set()

    def add(self, call: Call, wait: Wait, missing: set[str], now_ns: int) -> None:
        self._calls.append((call, wait, missing, now_ns + WAIT_NS))
        self._topics |= missing

    def next_due_ns(self) -> int | None:
        return min((due_ns for *_, due_ns in self._calls), default=None)

    def on_known(self, topic: str) -> list[tuple[Call, Wait]]:
        """The calls that this topic completes."""
        if topic not in self._topics:
            return []
        for _, _, missing, _ in self._calls:
            missing.discard(topic)
        return self._take(lambda missing, due_ns: not missing)

    def on_time(self, now_ns: int) -> list[tuple[Call, Wait]]:
        """The calls that waited long enough."""
        return self._take(lambda missing, due_ns: due_ns <= now_ns)

    def _take(self, done: Callable[[set[str], int], bool]) -> list[tuple[Call, Wait]]:
        taken = [item for item in self._calls if done(item[2], item[3])]
        if taken:
            self._calls = [item for item in self._calls if not done(item[2], item[3])]
            self._topics = {topic for item in self._calls for topic in item[2]}
        return [(call, wait) for call, wait, _, _ in taken]


class Batch(msgspec.Struct):
    """The questions of one call, and the answers that came."""

    call: Call
    ask: Ask
    answers: list[Answer]


class Flight(msgspec.Struct):
    """A question on its way, and the calls that want its answer."""

    command: m.Command
    asked_ns: int
    batches: list[Batch]


class Asking:
    """Questions on their way. The same request while it is on its way is asked once."""

    def __init__(self) -> None:
        self._flights: dict[tuple[str, str], Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def start(self, call: Call, ask: Ask, now_ns: int) -> list[Request]:
        """
        Raises:
            CallError: another command with this request_id is on its way.
        """
        known = [self._flights.get((each.target, each.request_id)) for each in ask.questions]
        for question, flight in zip(ask.questions, known, strict=True):
            if flight is not None and flight.command != question.command:
                text = "a different command with this request_id is on its way"
                raise CallError("DUPLICATE_REQUEST", text, "request_id")
        batch = Batch(call, ask, [])
        requests = []
        for question, flight in zip(ask.questions, known, strict=True):
            if flight is None:
                key = question.target, question.request_id
                flight = self._flights[key] = Flight(question.command, now_ns, [])
                requests.append(Request(question.target, question.request_id, question.command))
            flight.batches.append(batch)
        return requests

    def finish(
        self,
        target: str,
        request_id: str,
        reply: m.CommandReply | None,
        failure: RequestFailed | None,
        now_ns: int,
    ) -> tuple[Answer | None, list[Batch]]:
        """The answer, and the calls that it completes."""
        flight = self._flights.pop((target, request_id), None)
        if flight is None:
            return None, []
        answer = Answer(
            target, request_id, flight.command, reply, failure, now_ns - flight.asked_ns
        )
        for batch in flight.batches:
            batch.answers.append(answer)
        done = [b for b in flight.batches if len(b.answers) == len(b.ask.questions)]
        return answer, done
