"""Hypothesis tries the same examples in every `make test`, and new ones in part H."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.examples import examples, is_long

settings.register_profile("usual", derandomize=True, deadline=None, database=None)
settings.register_profile(
    "long",
    max_examples=examples(100),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("long" if is_long() else "usual")
