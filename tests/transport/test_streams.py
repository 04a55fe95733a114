"""Busy publishers, late joiners and stopped readers as processes: what is lost, told and made good.

The long tests take figures of promises 9, 10 and 11 at 20,000 messages a second.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import figures
from tests.transport.stream import Loss, Report
from tests.transport.streams import Running, Streams, eventually, streams

NOW = time.monotonic
NEVER_KNOWN_NS = 3600_000_000_000
RATE, STOPPED_S, AROUND_S = 20_000.0, 60.0, 20.0
LOSSES, JOINS, CROWDS, CROWD = 1000, 1000, 4, 25
SLOW = 2000.0  # a rate that any machine reaches
OVERFLOW = 40_000  # messages: more than all queues and buffers between two processes hold


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Streams]:
    with streams(tmp_path) as made:
        yield made


def fed(running: Streams, **settings: float) -> Running:
    """A feeder that feeds."""
    feeder = running.start("feeder", "feeder", **settings)
    eventually(lambda: feeder.report.messages, "the feeder feeds")
    return feeder


def reading(running: Streams, name: str, topics: int = 200) -> Running:
    """A reader that holds every topic."""
    reader = running.start("reader", name, topics=topics)
    eventually(lambda: len(reader.report.last) == topics, f"{name} holds all topics")
    return reader


def unknown(lost: Report, told: Report) -> list[int]:
    """After how many nanoseconds the reader knew of each loss; those in its queue are left out."""
    known: dict[str, list[int]] = {}
    for loss in told.losses:
        known.setdefault(loss.topic, []).append(loss.at_ns)
    return [
        min((at for at in known.get(loss.topic, []) if at >= loss.at_ns), default=NEVER_KNOWN_NS)
        - loss.at_ns
        for loss in lost.losses
    ]


def tails(losses: list[Loss]) -> int:
    return sum(loss.is_tail for loss in losses)


# --- counts and order, in every run ---------------------------------------------------------------


def test_row_61_every_lost_message_is_told_also_the_last_of_its_topic(running: Streams) -> None:
    feeder = fed(running, rate=SLOW, losses_per_s=40.0, losses=40, quiet_s=600.0, topics=100)
    reader = reading(running, "reader", topics=100)
    eventually(lambda: len(feeder.report.losses) == 40, "messages get lost")
    lost = feeder.report.losses
    assert tails(lost) == 20
    eventually(lambda: {loss.topic for loss in lost} <= reader.lost_topics, "the losses are told")
    eventually(lambda: len(reader.report.last) == 100, "all is made good")
    assert reader.stop().holes == 0


def test_row_58_joiners_of_a_busy_publisher_get_all_or_are_told(running: Streams) -> None:
    feeder = fed(running, rate=SLOW, topics=40)
    joiner = running.start("joiner", "joiner", joins=60, topics=40)
    crowd = running.start("crowd", "crowd", joins=20, topics=40)
    eventually(lambda: crowd.is_there, "the crowd is there")
    crowd.signal(signal.SIGUSR1)
    eventually(lambda: len(joiner.report.joins_ns) == 60, "all joined")
    eventually(lambda: len(crowd.report.joins_ns) == 20, "the crowd joined")
    assert joiner.stop().holes == 0 and crowd.stop().holes == 0
    assert feeder.stop().messages


def test_row_59_a_stopped_reader_delays_nobody_sees_its_gap_and_is_whole_again(
    running: Streams,
) -> None:
    feeder = fed(running, rate=2 * SLOW)
    other, stopped = reading(running, "other"), reading(running, "stopped")
    stopped.signal(signal.SIGSTOP)
    before = feeder.report.messages
    eventually(lambda: feeder.report.messages > before + OVERFLOW, "the feeder goes on")
    eventually(lambda: sum(other.report.last.values()) > before + OVERFLOW, "the other reads on")
    stopped.signal(signal.SIGCONT)
    eventually(lambda: len(stopped.lost_topics) == 200, "it knows that all its topics have gaps")
    level = feeder.report.messages
    eventually(lambda: len(stopped.report.last) == 200, "it holds all topics again")
    eventually(lambda: sum(stopped.report.last.values()) > level, "and is at the present")
    assert stopped.stop().holes == 0 and other.stop().holes == 0


def test_row_59_what_waited_while_a_reader_stood_still_is_not_handed_on(running: Streams) -> None:
    """Nothing was lost here: the queues held all of it."""
    feeder = fed(running, rate=200.0, topics=10)
    stopped = reading(running, "stopped", topics=10)
    stopped.signal(signal.SIGSTOP)
    before = feeder.report.messages
    eventually(lambda: feeder.report.messages > before + 1200, "6 s pass")
    stopped.signal(signal.SIGCONT)
    eventually(lambda: len(stopped.lost_topics) == 10, "it asks for all topics anew")
    eventually(lambda: len(stopped.report.last) == 10, "it holds all topics again")
    assert stopped.stop().holes == 0
    ages_s = sorted((there - sent) / 1e9 for sent, there in stopped.times())
    old = [age for age in ages_s if age > 3.0]
    assert len(old) <= 256  # of 1,200: at most what one pass had taken out of the queue


def test_row_60_a_killed_publisher_and_the_one_after_it_leave_no_hole(running: Streams) -> None:
    feeder = fed(running, rate=SLOW, topics=50)
    reader = reading(running, "reader", topics=50)
    feeder.signal(signal.SIGKILL)
    feeder.stop()
    eventually(lambda: len(reader.lost_topics) == 50, "the silence is told")
    later = running.start("feeder", "later", rate=SLOW, topics=50)
    eventually(lambda: len(reader.report.last) == 50, "it holds all topics again")
    level = reader.report.messages
    eventually(lambda: reader.report.messages > level + 1000, "and reads on")
    assert reader.stop().holes == 0 and later.stop().messages


# --- figures at 20,000 messages a second ----------------------------------------------------------


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def rate_of(feeder: Running, seconds: float) -> float:
    """Messages a second that were really sent meanwhile."""
    before, begun = feeder.report.messages, NOW()
    time.sleep(seconds)
    return (feeder.report.messages - before) / (NOW() - begun)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_promise_9_every_loss_is_known_within_a_second(running: Streams) -> None:
    feeder = fed(running, rate=RATE, losses_per_s=40.0)
    readers = [reading(running, name) for name in ("one", "two")]
    rate = rate_of(feeder, 10.0)
    eventually(lambda: len(feeder.report.losses) >= LOSSES, "losses", 120.0)
    time.sleep(3.0)
    lost, told = feeder.stop(), [reader.stop() for reader in readers]
    since = max(reader.times()[0][1] for reader in readers) + 2_000_000_000
    until = min(reader.times()[-1][1] for reader in readers) - 2_000_000_000
    lost.losses = [loss for loss in lost.losses if since < loss.at_ns < until]
    took_s = [ns / 1e9 for each in told for ns in unknown(lost, each)]
    assert sum(each.holes for each in told) == 0
    what = f"{len(lost.losses)} losses, {tails(lost.losses)} at the tail, {rate:.0f} msg/s"
    slow = f"{percentile(took_s, 50) * 1e3:.0f} ms p50, {max(took_s):.2f} s at most"
    figures.note("P9", "a loss is known", "1 s", f"{slow}: {what}", max(took_s) <= 1.0, row=61)
    assert max(took_s) < NEVER_KNOWN_NS / 1e9


@pytest.mark.long
@pytest.mark.timeout(900)
def test_promise_10_joins_have_no_holes(running: Streams) -> None:
    feeder = fed(running, rate=RATE)
    readers = [reading(running, name) for name in ("one", "two")]
    joiner = running.start("joiner", "joiner", joins=JOINS)
    rate = rate_of(feeder, 10.0)
    eventually(lambda: len(joiner.report.joins_ns) >= JOINS, "joins", 300.0)
    report = joiner.stop()
    took_ms = [ns / 1e6 for ns in report.joins_ns]
    figure = f"{report.holes} in {len(took_ms)} joins, {rate:.0f} msg/s"
    figures.note("P10", "holes after joining", "0 of 1,000", figure, report.holes == 0, row=58)
    figure = f"{percentile(took_ms, 50):.1f} ms p50, {max(took_ms):.0f} ms at most"
    figures.note("P10", "usable after subscribing", "200 ms", figure, max(took_ms) <= 200, row=58)
    lost = sum(len(reader.stop().losses) for reader in readers)
    figures.note("P10", "lost for others meanwhile", "0", f"{lost}", lost == 0, row=58)
    assert report.holes == 0


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("same", [True, False])
def test_promise_10_a_hundred_join_at_once(running: Streams, same: bool) -> None:
    feeder = fed(running, rate=RATE)
    reader = reading(running, "reader")
    crowds = [
        running.start("crowd", f"crowd{number}", joins=CROWD, same=same) for number in range(CROWDS)
    ]
    eventually(lambda: all(crowd.is_there for crowd in crowds), "the crowds are there")
    for crowd in crowds:
        crowd.signal(signal.SIGUSR1)
    rate = rate_of(feeder, 5.0)
    joined = lambda: sum(len(crowd.report.joins_ns) for crowd in crowds)  # noqa: E731
    eventually(lambda: joined() == CROWDS * CROWD, "all joined")
    reports = [crowd.stop() for crowd in crowds]
    took_ms = [ns / 1e6 for report in reports for ns in report.joins_ns]
    holes = sum(report.holes for report in reports)
    holes += reader.stop().holes
    what = f"100 at once, {'one topic' if same else 'a topic each of 25'}"
    figure = f"{max(took_ms):.0f} ms, {holes} holes, {rate:.0f} msg/s"
    figures.note("P10", what, "200 ms, 0 holes", figure, max(took_ms) <= 200 and not holes, row=58)
    assert len(took_ms) == CROWDS * CROWD and holes == 0


@pytest.mark.long
@pytest.mark.timeout(900)
def test_promise_11_a_stopped_reader_costs_the_others_nothing(running: Streams) -> None:
    feeder = fed(running, rate=RATE)
    others = [reading(running, name) for name in ("one", "two")]
    stopped = reading(running, "stopped")
    time.sleep(AROUND_S)
    rss, stopped_ns = feeder.rss, time.time_ns()
    stopped.signal(signal.SIGSTOP)
    grown, until = 0, NOW() + STOPPED_S
    before = feeder.report.messages
    while NOW() < until:
        time.sleep(1.0)
        grown = max(grown, feeder.rss - rss)
    rate, woken_ns = (feeder.report.messages - before) / STOPPED_S, time.time_ns()
    stopped.signal(signal.SIGCONT)
    eventually(lambda: len(stopped.lost_topics) == 200, "it sees its gaps")
    eventually(lambda: len(stopped.report.last) == 200, "it holds all topics again")
    whole_s = (time.time_ns() - woken_ns) / 1e9
    reports = [other.stop() for other in others]
    before_ms = max(usual_p99_ms(each, stopped_ns - AROUND_S * 1e9, stopped_ns) for each in others)
    meanwhile_ms = max(usual_p99_ms(each, stopped_ns, woken_ns) for each in others)
    worse_ms = meanwhile_ms - before_ms
    holes = sum(report.holes for report in [*reports, stopped.stop()])
    lost = sum(len(report.losses) for report in reports)
    assert holes == 0
    old = sum(there - sent > 5e9 for sent, there in stopped.times())
    what = "others' p99 while one is stopped for 60 s"
    figure = f"{worse_ms:+.2f} ms ({before_ms:.2f} ms before), {rate:.0f} msg/s"
    figures.note("P11", what, "+1 ms", figure, worse_ms <= 1.0, row=59)
    figures.note("P11", "lost for others meanwhile", "0", f"{lost}", lost == 0, row=59)
    figure = f"+{grown / 1e6:.1f} MB"
    figures.note("P11", "memory of the publisher meanwhile", "20 MB", figure, grown <= 20e6, row=59)
    figure = f"{whole_s:.1f} s; {old} old messages handed on"
    figures.note("P11", "woken: all topics whole again", "gap told", figure, holes == 0, row=59)


def usual_p99_ms(other: Running, since_ns: float, until_ns: float) -> float:
    """The median of its p99 of each second: one slow second of the machine does not decide."""
    seconds: dict[int, list[float]] = {}
    for sent, there in other.times():
        if since_ns < sent < until_ns:
            seconds.setdefault(sent // 1_000_000_000, []).append((there - sent) / 1e6)
    return percentile([percentile(each, 99) for each in seconds.values()], 50)
