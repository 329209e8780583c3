"""Messages leave at decent hours, in every zone where the traveler may live."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.hours import ADVERSE, EASTERN, TEXTS, Window, candidates, earliest, local_day, midnight, morning

ZONES = st.lists(
    st.sampled_from(["America/New_York", "America/Chicago", "America/Los_Angeles", "Pacific/Honolulu", "Pacific/Guam"]),
    min_size=1,
    max_size=2,
    unique=True,
).map(tuple)
MOMENTS = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def test_a_text_at_night_waits_for_eight() -> None:
    night = datetime(2027, 2, 6, 9, 10, tzinfo=UTC)
    assert earliest(night, ("America/Chicago",), TEXTS) == datetime(2027, 2, 6, 14, tzinfo=UTC)


def test_eight_is_open_and_nine_in_the_evening_is_closed() -> None:
    eight = datetime(2027, 2, 6, 14, tzinfo=UTC)
    assert earliest(eight, ("America/Chicago",), TEXTS) == eight
    assert earliest(eight - timedelta(microseconds=1), ("America/Chicago",), TEXTS) == eight
    assert earliest(eight + timedelta(hours=13), ("America/Chicago",), TEXTS) == eight + timedelta(days=1)


def test_adverse_news_of_a_friday_evening_waits_for_monday() -> None:
    friday = datetime(2027, 3, 6, 0, 10, tzinfo=UTC)
    assert earliest(friday, ("America/Chicago",), ADVERSE) == datetime(2027, 3, 8, 15, tzinfo=UTC)


def test_an_unknown_zone_means_the_narrow_hours_of_the_east() -> None:
    morning_east = datetime(2027, 3, 2, 15, tzinfo=UTC)
    assert earliest(morning_east, (), TEXTS) == datetime(2027, 3, 2, 16, tzinfo=UTC)
    assert earliest(datetime(2027, 3, 3, 1, tzinfo=UTC), (), TEXTS) == datetime(2027, 3, 3, 16, tzinfo=UTC)


def test_the_clock_change_keeps_the_local_hour() -> None:
    before = datetime(2027, 3, 14, 4, tzinfo=UTC)
    assert earliest(before, (EASTERN,), TEXTS) == datetime(2027, 3, 14, 12, tzinfo=UTC)


@given(MOMENTS, ZONES, st.sampled_from([TEXTS, ADVERSE]))
def test_the_hour_is_right_in_every_zone_and_the_first_such(
    moment: datetime, zones: tuple[str, ...], window: Window
) -> None:
    found = earliest(moment, zones, window)
    assert found >= moment
    if _open(found, zones, window):
        assert found == moment or not _open(found - timedelta(minutes=1), zones, window)
    else:
        # Guam and the East have no office hour in common: then the first zone decides.
        assert window is ADVERSE
        assert _open(found, zones[:1], window)


def _open(moment: datetime, zones: tuple[str, ...], window: Window) -> bool:
    for zone in zones:
        local = moment.astimezone(ZoneInfo(zone))
        if not window.opens <= local.time() < window.closes or (window.weekdays and local.weekday() >= 5):
            return False
    return True


@pytest.mark.parametrize(
    ("own", "held", "phone", "state", "zones"),
    [
        ("America/Denver", "America/Chicago", "+12125550100", "CA", ("America/Denver",)),
        (None, "America/Chicago", "+12125550100", "CA", ("America/Chicago",)),
        (None, None, "+17135550100", "TX", ("America/Chicago",)),
        (None, None, "+12125550100", "CA", ("America/New_York", "America/Los_Angeles")),
        (None, None, "+18505550100", None, ("America/New_York", "America/Chicago")),
        (None, None, None, "us-hi", ("Pacific/Honolulu",)),
        (None, None, "+442071838750", None, ()),
        (None, None, "+18005550100", None, ()),
        (None, None, None, None, ()),
    ],
)
def test_zones_come_from_the_best_that_is_known(
    own: str | None, held: str | None, phone: str | None, state: str | None, zones: tuple[str, ...]
) -> None:
    assert candidates(own, held, phone, state) == zones


def test_a_day_begins_where_the_traveler_lives() -> None:
    assert local_day(datetime(2027, 3, 2, 3, tzinfo=UTC), ("America/Los_Angeles",)) == date(2027, 3, 1)
    assert midnight(date(2027, 3, 1), ("America/New_York",)) == datetime(2027, 3, 1, 5, tzinfo=UTC)
    assert morning(date(2027, 3, 1), ("America/New_York", "America/Chicago")) == datetime(2027, 3, 1, 14, tzinfo=UTC)
    assert morning(date(2027, 3, 1), ()) == datetime(2027, 3, 1, 16, tzinfo=UTC)
