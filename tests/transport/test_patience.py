from __future__ import annotations

from common.transport.patience import PATIENCE_NS, Patience


def test_a_venue_that_is_not_there_yet_is_no_warning_until_it_lasts() -> None:
    patience = Patience()
    assert patience.level("a", False, 5) == "INFO"
    assert patience.level("a", False, 5 + PATIENCE_NS - 1) == "INFO"
    assert patience.level("a", False, 5 + PATIENCE_NS) == "WARNING"
    assert patience.level("b", False, 5 + PATIENCE_NS) == "INFO"


def test_a_link_that_was_up_is_warned_of_at_once_and_its_next_tries_are_not() -> None:
    patience = Patience()
    patience.level("a", False, 0)
    patience.on_up("a")
    assert patience.level("a", True, 2 * PATIENCE_NS) == "WARNING"
    assert patience.level("a", False, 2 * PATIENCE_NS + 1) == "INFO"
    assert patience.level("a", False, 3 * PATIENCE_NS) == "WARNING"
