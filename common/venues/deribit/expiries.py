"""The venue's expiry calendar: daily, weekly, monthly and quarterly, always at 08:00 UTC.

Four classes that do not overlap: quarterlies are the last Fridays of March, June, September and
December, monthlies the last Fridays of the other months, weeklies the other Fridays, dailies all
other days. Of each class the nearest few are listed; one expires, the next one is listed at that
moment. So nothing is ever delisted before it expires, and the list is a function of time alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import msgspec

EXPIRY_HOUR = 8
DAY_NS = 86_400_000_000_000
FRIDAY = 4
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


class ExpiryClass(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


class Expiry(msgspec.Struct, frozen=True):
    """One expiry and when its instruments were listed."""

    expiry_class: ExpiryClass
    code: str  # "9OCT26", the day without a leading zero
    expiration_ns: int
    listed_ns: int


def expiry_ns(day: date) -> int:
    """08:00 UTC of this day."""
    return day_number(day) * DAY_NS + EXPIRY_HOUR * 3_600_000_000_000


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def expiry_code(day: date) -> str:
    return f"{day.day}{MONTHS[day.month - 1]}{day.year % 100:02d}"


def next_expiry_ns(now_ns: int) -> int:
    """The next 08:00 UTC after now, when the list of instruments may change."""
    since = now_ns - EXPIRY_HOUR * 3_600_000_000_000
    return now_ns - since % DAY_NS + DAY_NS


def class_of(day: date) -> ExpiryClass:
    if day.weekday() != FRIDAY:
        return ExpiryClass.DAILY
    if (day + timedelta(7)).month == day.month:
        return ExpiryClass.WEEKLY
    return ExpiryClass.QUARTERLY if day.month % 3 == 0 else ExpiryClass.MONTHLY


def listed(now_ns: int, count: int) -> list[Expiry]:
    """The expiries that trade now, soonest first: `count`, shared out among the four classes."""
    found: list[Expiry] = []
    for place, expiry_class in enumerate(ExpiryClass):
        quota = (count + len(ExpiryClass) - 1 - place) // len(ExpiryClass)
        found.extend(_nearest(now_ns, expiry_class, quota))
    return sorted(found, key=lambda expiry: expiry.expiration_ns)


def _nearest(now_ns: int, expiry_class: ExpiryClass, quota: int) -> list[Expiry]:
    """The next `quota` of a class. Each was listed when the one `quota` places before expired."""
    today = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).date()
    if expiry_ns(today) > now_ns:
        today -= timedelta(1)
    days = _walk(today, expiry_class, 1, quota)
    past = _walk(today + timedelta(1), expiry_class, -1, quota)[::-1]
    line = past + days
    return [
        Expiry(expiry_class, expiry_code(day), expiry_ns(day), expiry_ns(line[place]))
        for place, day in enumerate(days)
    ]


def _walk(day: date, expiry_class: ExpiryClass, direction: int, count: int) -> list[date]:
    """The `count` days of a class after (direction 1) or before (-1) this day, nearest first."""
    step = _stride(expiry_class)
    found: list[date] = []
    while len(found) < count:
        day = step(day, direction)
        if class_of(day) is expiry_class:
            found.append(day)
    return found


def _stride(expiry_class: ExpiryClass) -> Callable[[date, int], date]:
    """Dailies are looked for day by day, the others Friday by Friday."""
    if expiry_class is ExpiryClass.DAILY:
        return lambda day, direction: day + timedelta(direction)
    return _friday


def _friday(day: date, direction: int) -> date:
    """The next or the last Friday that is not this day itself."""
    distance = (FRIDAY - day.weekday()) * direction % 7 or 7
    return day + timedelta(distance * direction)


def expiration_of(code: str) -> int | None:
    """When an expiry of this code ends; None if the code is none."""
    day, month, year = code[:-5], code[-5:-2], code[-2:]
    if month not in MONTHS or not (day.isascii() and day.isdigit() and day[0] != "0"):
        return None
    if not (year.isascii() and year.isdigit()):
        return None
    try:
        return expiry_ns(date(2000 + int(year), MONTHS.index(month) + 1, int(day)))
    except ValueError:
        return None
