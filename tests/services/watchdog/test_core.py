"""The watchdog's judgement: who is stuck, who is given up, what is told."""

from __future__ import annotations

import pytest

from common import core as c, messages as m
from services.watchdog.core import LOOK_NS, MAX_CAUSES, Watchdog
from services.watchdog.events import GiveUp, Kill, ProcessChanged, ProcessesListed, Tell

ENGINE, GATEWAY = "trading_engine.deribit.main", "gateway"
SECOND = 1_000_000_000


class Bench:
    def __init__(self) -> None:
        self.now = 1000 * SECOND
        self.dog = Watchdog([ENGINE, GATEWAY])
        self.done: list[object] = []
        self.feed(c.Started())

    def feed(self, event: object) -> None:
        self.done += self.dog.handle(event, self.now)  # type: ignore[arg-type]

    def state(self, state: str, pid: int = 0, name: str = ENGINE, age_s: int = 0) -> None:
        self.feed(ProcessChanged(name, state, pid, age_s))

    def beat(self, state: str = "ready", pid: int = 7, name: str = ENGINE) -> None:
        beat = m.Health(name, state, pid, 1)
        self.feed(c.BusMessage(f"health.{name}", beat, 1, 1, 0, 0, self.now, self.now))

    def pass_time(self, seconds: float, *, beats: bool = False) -> None:
        end = self.now + int(seconds * SECOND)
        while self.now < end:
            self.now += LOOK_NS
            if beats and self.now % (SECOND // 2) == 0:
                self.beat()
            self.done += self.dog.on_time(self.now)

    def of(self, kind: type) -> list[object]:
        return [x for x in self.done if isinstance(x, kind)]

    def states(self) -> list[str]:
        return [x.state for x in self.done if isinstance(x, c.SetState)]


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.state("STARTING", 7)
    bench.state("RUNNING", 7)
    bench.beat()
    return bench


def test_row_16_a_process_that_beats_is_left_alone_and_one_that_stops_is_killed(bench: Bench):
    bench.pass_time(10, beats=True)
    assert bench.of(Kill) == []
    bench.pass_time(1.7)
    assert bench.of(Kill) == []
    bench.pass_time(0.3)
    assert bench.of(Kill) == [Kill(ENGINE, 7)]


def test_a_desk_on_a_busy_machine_may_be_more_patient():
    bench = Bench()
    bench.dog = Watchdog([ENGINE], silent_s=10.0)
    bench.state("RUNNING", 7)
    bench.beat()
    bench.pass_time(9.9)
    assert bench.of(Kill) == []
    bench.pass_time(0.3)
    assert bench.of(Kill) == [Kill(ENGINE, 7)]


def test_a_process_that_is_asked_to_end_is_not_stuck(bench: Bench):
    bench.state("STOPPING", 7)
    bench.pass_time(10)
    assert bench.of(Kill) == []


def test_a_start_has_30_s_until_its_first_beat(bench: Bench):
    bench.state("EXITED", 7)
    bench.state("STARTING", 8)
    bench.state("RUNNING", 8)
    bench.pass_time(29)
    assert bench.of(Kill) == []
    bench.pass_time(2)
    assert bench.of(Kill) == [Kill(ENGINE, 8)]


def test_a_process_that_was_stuck_before_we_came_has_5_s():
    bench = Bench()
    bench.state("RUNNING", 7, age_s=3600)
    bench.pass_time(4.9)
    assert bench.of(Kill) == []
    bench.pass_time(0.3)
    assert bench.of(Kill) == [Kill(ENGINE, 7)]


def test_silence_proves_nothing_when_we_were_late_ourselves(bench: Bench):
    bench.now += 5 * SECOND
    bench.done += bench.dog.on_time(bench.now)
    assert bench.of(Kill) == []
    bench.pass_time(2)
    assert bench.of(Kill) == [Kill(ENGINE, 7)]


def test_beats_of_the_process_before_do_not_count_for_the_new_one(bench: Bench):
    bench.state("EXITED")
    bench.state("STARTING", 8)
    bench.beat(pid=7)
    bench.pass_time(5)
    assert bench.of(Kill) == []  # it still has its 30 s


def test_row_15_one_that_stops_before_supervisord_calls_it_running_is_killed_as_soon(bench: Bench):
    bench.state("EXITED", 7)
    bench.state("STARTING")  # supervisord does not tell the pid yet
    bench.beat(pid=8)
    bench.pass_time(1)
    bench.state("RUNNING", 8)
    bench.pass_time(0.7)
    assert bench.of(Kill) == []
    bench.pass_time(0.2)
    assert bench.of(Kill) == [Kill(ENGINE, 8)]


def test_a_beat_that_the_dead_process_left_behind_is_nobodys(bench: Bench):
    bench.state("EXITED", 7)
    bench.beat(pid=7)
    bench.state("STARTING")
    bench.beat(pid=7)
    bench.state("RUNNING", 8)
    bench.pass_time(29)
    assert bench.of(Kill) == []
    bench.feed(ProcessesListed([ProcessChanged(ENGINE, "RUNNING", 7, 100)]))  # made before its end
    bench.beat(pid=8)
    bench.pass_time(2)
    assert bench.of(Kill) == [Kill(ENGINE, 8)]


def test_on_a_machine_that_is_always_late_a_stuck_process_is_killed_all_the_same(bench: Bench):
    for _ in range(10):
        bench.now += SECOND
        bench.done += bench.dog.on_time(bench.now)
    assert bench.of(Kill) == [Kill(ENGINE, 7)]


def test_ready_is_who_has_heard_every_process_that_runs(bench: Bench):
    assert bench.states() == ["starting"]
    bench.feed(ProcessesListed([ProcessChanged(ENGINE, "RUNNING", 7, 100)]))
    bench.state("RUNNING", 9, GATEWAY)
    bench.beat(pid=9, name=GATEWAY)
    assert bench.states() == ["starting", "ready", "starting", "ready"]
    bench.state("EXITED", 9, GATEWAY)
    bench.state("STARTING", 0, GATEWAY)
    assert bench.of(c.SetState)[-1] == c.SetState(
        "starting", f"waits for the first beat of {GATEWAY}"
    )
    ends(bench, 3, GATEWAY)
    assert bench.of(c.SetState)[-1] == c.SetState("degraded", f"given up: {GATEWAY}")
    bench.state("STARTING", 30, GATEWAY)  # before supervisord has heard of it
    bench.state("STOPPING", 30, GATEWAY)
    bench.state("STOPPED", 0, GATEWAY)
    assert bench.of(c.SetState)[-1] == c.SetState("degraded", f"given up: {GATEWAY}")
    bench.state("STARTING", 0, GATEWAY)
    bench.beat(pid=31, name=GATEWAY)
    assert bench.states()[-1] == "ready"


def ends(bench: Bench, times: int, name: str = ENGINE) -> None:
    for pid in range(times):
        bench.state("STARTING", 10 + pid, name)
        bench.state("BACKOFF", 0, name)


def test_row_17_three_starts_that_never_became_ready_are_enough_and_an_engine_latches(
    bench: Bench,
):
    bench.state("EXITED", 7)
    ends(bench, 2)
    assert bench.of(GiveUp) == []
    ends(bench, 1)
    assert bench.of(GiveUp) == [GiveUp(ENGINE)]
    (latch,) = bench.of(c.SetLatch)
    assert latch == c.SetLatch("desk", f"FATAL: {ENGINE} ended 3 times without becoming ready")


def test_row_17_another_process_is_given_up_without_a_latch(bench: Bench):
    ends(bench, 3, GATEWAY)
    assert bench.of(GiveUp) == [GiveUp(GATEWAY)] and bench.of(c.SetLatch) == []


def test_one_that_was_ready_between_its_ends_is_not_given_up(bench: Bench):
    for pid in range(20, 30):
        bench.state("EXITED")
        bench.state("STARTING", pid)
        bench.beat("starting", pid)
        bench.beat("ready", pid)
    assert bench.of(GiveUp) == []


def test_row_17_the_alert_of_a_fatal_end_says_what_to_do(bench: Bench):
    ends(bench, 3, GATEWAY)
    assert bench.of(Tell)[-1].text.endswith("; next: mend the cause, crossdesk restart gateway")
    ends(bench, 3)
    words = f"; next: mend the cause, crossdesk restart {ENGINE}, then crossdesk kill off"
    assert words in bench.of(Tell)[-1].text


def alert(bench: Bench, text: str = "disk full", count: int = 1) -> None:
    told = m.Alert("gateway", "ERROR", text, {"path": "x"}, count, 1)
    bench.feed(c.BusMessage("alert.gateway", told, 1, 1, 0, 0, bench.now, bench.now))


def test_people_are_told_once_per_cause_with_a_count(bench: Bench):
    for _ in range(5):
        alert(bench)
    assert bench.of(Tell) == [Tell("ERROR gateway: disk full; path: x")]
    bench.now += 301 * SECOND
    alert(bench)
    assert bench.of(Tell)[-1] == Tell("ERROR gateway: disk full (5 times); path: x")


def test_what_came_up_meanwhile_is_told_after_five_minutes_and_then_forgotten(bench: Bench):
    alert(bench)
    alert(bench, count=7)
    bench.pass_time(299, beats=True)
    assert len(bench.of(Tell)) == 1
    bench.pass_time(2, beats=True)
    assert bench.of(Tell)[1:] == [Tell("ERROR gateway: disk full (7 times); path: x")]
    bench.pass_time(400, beats=True)
    assert len(bench.of(Tell)) == 2
    alert(bench)
    assert bench.of(Tell)[-1] == Tell("ERROR gateway: disk full; path: x")


def test_causes_without_end_take_no_memory_without_end(bench: Bench):
    for number in range(3 * MAX_CAUSES):
        alert(bench, f"disk {number}")
    assert len(bench.of(Tell)) == 3 * MAX_CAUSES
    assert len(bench.dog._told) == MAX_CAUSES
