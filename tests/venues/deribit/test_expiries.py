"""The expiry calendar: the right days, at 08:00 UTC, and nothing leaves before it expires."""

from datetime import UTC, date, datetime

from hypothesis import given, strategies as st

from common.venues.deribit import expiries
from common.venues.deribit.expiries import ExpiryClass

DAY_NS = expiries.DAY_NS
START = datetime(2026, 9, 20, 12, tzinfo=UTC)
START_NS = int(START.timestamp()) * 1_000_000_000


def codes(now_ns, count):
    return [expiry.code for expiry in expiries.listed(now_ns, count)]


def test_the_calendar_of_a_real_day():
    # the venue listed 21SEP26 .. 24SEP26, 25SEP26, 2OCT26, 9OCT26, 30OCT26, 27NOV26, 25DEC26, ...
    found = codes(START_NS, 16)
    assert found[:5] == ["21SEP26", "22SEP26", "23SEP26", "24SEP26", "25SEP26"]
    for code in ("2OCT26", "9OCT26", "30OCT26", "27NOV26", "25DEC26", "26MAR27", "25JUN27"):
        assert code in found


def test_classes_of_days():
    kinds = {
        date(2026, 9, 25): ExpiryClass.QUARTERLY,
        date(2026, 10, 30): ExpiryClass.MONTHLY,
        date(2026, 10, 9): ExpiryClass.WEEKLY,
        date(2026, 10, 10): ExpiryClass.DAILY,
        date(2026, 12, 25): ExpiryClass.QUARTERLY,
    }
    assert {day: expiries.class_of(day) for day in kinds} == kinds


def test_eight_expiries_have_two_of_each_class():
    classes = [expiry.expiry_class for expiry in expiries.listed(START_NS, 8)]
    assert sorted(classes) == sorted(list(ExpiryClass) * 2)


def test_all_expire_at_eight_and_the_day_has_no_leading_zero():
    for expiry in expiries.listed(START_NS, 16):
        moment = datetime.fromtimestamp(expiry.expiration_ns / 1e9, UTC)
        assert (moment.hour, moment.minute, moment.second) == (8, 0, 0)
        assert expiry.code == f"{moment.day}{moment:%b%y}".upper()


def test_an_expiry_leaves_at_its_last_nanosecond():
    first = expiries.listed(START_NS, 8)[0]
    assert first.code in codes(first.expiration_ns - 1, 8)
    assert first.code not in codes(first.expiration_ns, 8)
    assert expiries.next_expiry_ns(first.expiration_ns - 1) == first.expiration_ns
    assert expiries.next_expiry_ns(first.expiration_ns) == first.expiration_ns + DAY_NS


@given(st.integers(0, 4000), st.integers(1, 16))
def test_nothing_is_delisted_before_it_expires(day, count):
    now_ns = START_NS + day * DAY_NS
    before = {expiry.code: expiry for expiry in expiries.listed(now_ns, count)}
    after = {expiry.code: expiry for expiry in expiries.listed(now_ns + DAY_NS, count)}
    assert len(before) == len(after) == count
    for code, expiry in before.items():
        assert expiry.listed_ns <= now_ns < expiry.expiration_ns
        assert (code in after) == (expiry.expiration_ns > now_ns + DAY_NS)
        assert code not in after or after[code] == expiry
    for code, expiry in after.items():
        assert code in before or now_ns < expiry.listed_ns <= now_ns + DAY_NS
