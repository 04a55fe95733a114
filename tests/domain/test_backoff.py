from __future__ import annotations

from common.domain.backoff import Backoff

S = 1_000_000_000


def test_delays_double_up_to_the_most_and_start_again_after_success():
    backoff = Backoff(lambda: 0.0, least_s=1, most_s=5)
    assert [backoff.next_ns() // S for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next_ns() == S


def test_chance_shortens_a_delay_by_up_to_half():
    assert Backoff(lambda: 1.0, least_s=1).next_ns() == S // 2


def test_a_refusal_waits_longest():
    assert Backoff(lambda: 0.0, most_s=60).longest_ns() == 60 * S
