"""Faults between the protocol server and its outbox: what a network and a bad day do to frames.

Each rule acts on the answers to some methods or on the notifications of some channels, named by a
pattern with * and ?, for the next few or until it is cleared. Of several rules for one frame the
oldest acts. Pure: late frames come out of on_time().
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from common.venues.serving import HttpAnswer, SendFrame

REORDER_WAIT_NS = 1_000_000_000  # a frame waits so long for the one that is to overtake it


class Kind(StrEnum):
    ANSWERS = "answers"
    NOTIFICATIONS = "notifications"


class Act(StrEnum):
    DROP = "drop"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    REORDER = "reorder"  # the frame comes after the next one of the rule


class AnswerHttp(msgspec.Struct, frozen=True, gc=False):
    """number: of the HTTP request."""

    number: int
    answer: HttpAnswer


class Rule(msgspec.Struct):
    """left: how many frames more, None for all until it is cleared.

    client_id: only frames to this client's connections; "" for all, HTTP answers too.
    """

    number: int
    kind: Kind
    act: Act
    pattern: str
    left: int | None = 1
    delay_ns: int = 0
    client_id: str = ""
    hits: int = 0
    held: list[Any] = []  # of REORDER: what is to be overtaken


class Faults:
    """client_of: who is logged in on a connection."""

    def __init__(self, client_of: Callable[[int], str]) -> None:
        self._client_of = client_of
        self._numbers = itertools.count(1)
        self.rules: list[Rule] = []
        self._late: list[tuple[int, int, Any]] = []

    def add(self, kind: Kind, act: Act, pattern: str, **more: Any) -> Rule:
        rule = Rule(next(self._numbers), kind, act, pattern, **more)
        self.rules.append(rule)
        return rule

    def clear(self, number: int | None = None) -> int:
        """End one rule, or all; how many. What is late still comes."""
        kept = [rule for rule in self.rules if number not in (None, rule.number)]
        ended = len(self.rules) - len(kept)
        self.rules = kept
        return ended

    def pass_on(self, outputs: Iterable[Any], now_ns: int) -> list[Any]:
        """What of these goes out now."""
        if not self.rules:
            return list(outputs)
        return [out for output in outputs for out in self._judge(output, now_ns)]

    def on_time(self, now_ns: int) -> list[Any]:
        """What was late and is due."""
        due = []
        while self._late and self._late[0][0] <= now_ns:
            output = heapq.heappop(self._late)[2]
            due.extend(self._release(output) if isinstance(output, Rule) else [output])
        return due

    def _judge(self, output: Any, now_ns: int) -> list[Any]:
        if isinstance(output, SendFrame):
            return self._judge_frame(output, now_ns)
        if isinstance(output, AnswerHttp):
            for rule in self.rules:
                if not rule.client_id and _is_for(rule, Kind.ANSWERS, output.answer.method):
                    return self._apply(rule, output, now_ns)
        return [output]

    def _judge_frame(self, frame: SendFrame, now_ns: int) -> list[Any]:
        kind = Kind.ANSWERS if frame.method else Kind.NOTIFICATIONS
        for rule in self.rules:
            if not _is_for(rule, kind, frame.method or frame.channel):
                continue
            hit = tuple(n for n in frame.connections if self._concerns(rule, n))
            if hit:
                rest = tuple(n for n in frame.connections if n not in hit)
                struck = msgspec.structs.replace(frame, connections=hit)
                passed = msgspec.structs.replace(frame, connections=rest)
                return [*([passed] if rest else []), *self._apply(rule, struck, now_ns)]
        return [frame]

    def _concerns(self, rule: Rule, connection: int) -> bool:
        return rule.client_id in ("", self._client_of(connection))

    def _apply(self, rule: Rule, output: Any, now_ns: int) -> list[Any]:
        if rule.act is Act.REORDER and rule.held:
            return [output, *self._release(rule)]
        self._count(rule)
        match rule.act:
            case Act.DROP:
                return []
            case Act.DUPLICATE:
                return [output, output]
            case Act.DELAY:
                self._postpone(output, now_ns + rule.delay_ns)
            case Act.REORDER:
                rule.held.append(output)
                self._postpone(rule, now_ns + REORDER_WAIT_NS)
        return []

    def _count(self, rule: Rule) -> None:
        rule.hits += 1
        if rule.left is not None:
            rule.left -= 1
        if rule.left == 0 and rule.act is not Act.REORDER:
            self.rules.remove(rule)

    def _release(self, rule: Rule) -> list[Any]:
        held, rule.held = rule.held, []
        if rule.left == 0 and rule in self.rules:
            self.rules.remove(rule)
        return held

    def _postpone(self, output: Any, due_ns: int) -> None:
        heapq.heappush(self._late, (due_ns, next(self._numbers), output))


def _is_for(rule: Rule, kind: Kind, name: str) -> bool:
    return rule.kind is kind and bool(name) and fnmatchcase(name, rule.pattern)
