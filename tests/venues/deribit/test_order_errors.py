"""What Deribit's refusals mean for an order."""

import pytest

from common.messages import RejectReason as R
from common.venues.deribit.order_errors import refusal
from common.venues.deribit.session import RpcError


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (10009, "not_enough_funds", R.NOT_ENOUGH_FUNDS),
        (11054, "post_only_reject", R.POST_ONLY_WOULD_CROSS),
        (11030, "other_reject reduce_only", R.REDUCE_ONLY),
        (11030, "other_reject something", R.VENUE_REFUSED),
        (13888, "timed_out", R.LATE),
    ],
)
def test_a_refusal_has_a_reason_and_keeps_the_venues_words(code: int, message: str, reason: R):
    refused = refusal(RpcError(code=code, message=message))
    assert (refused.reason, refused.unknown) == (reason, False)
    assert message in refused.text and str(code) in refused.text


def test_row_39_a_code_that_is_not_listed_leaves_the_outcome_open():
    assert refusal(RpcError(code=99999, message="new")).unknown
