"""The CX clocks of cases that are open when the books of a fiscal quarter close (domain 5.1)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from streams.calendar import quarter_end
from tests.scene import Scene
from tests.story import Line, Story

DAY = 86_400


def scene() -> Scene:
    return (
        Scene()
        .cbp("2027-02-01T15:00:00Z", "application.submitted", applicationId="A1")
        .cbp("2027-03-01T15:00:00Z", "application.conditionally_approved", applicationId="A1")
    )


def rows(story: Story, metric: str, waiting: str | None = None) -> list[Line]:
    return [row for row in story.timing(metric) if row["waiting_on"] == waiting]


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2027-02-01T15:00:00", "2027-04-01T04:00:00"),
        ("2027-04-01T04:00:00", "2027-04-01T04:00:00"),
        ("2027-04-01T04:00:01", "2027-07-01T04:00:00"),
        ("2026-11-30T12:00:00", "2027-01-01T05:00:00"),
    ],
)
def test_a_fiscal_quarter_ends_at_midnight_in_the_east(moment: str, end: str) -> None:
    assert quarter_end(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == datetime.fromisoformat(end + "+00:00")


def test_a_case_that_is_open_at_the_end_of_a_quarter_is_counted_as_censored_in_that_quarter() -> None:
    story = scene().play("2027-06-01T00:00:00Z")
    [row] = rows(story, "M1")
    assert (row["censored"], row["stop_type"], row["stop_at"]) == (True, "OPEN", "2027-04-01T04:00:00Z")
    assert (row["fiscal_year"], row["fiscal_quarter"], row["duration_value"]) == (2027, 2, 58.54)
    assert (row["state_from"], row["state_to"]) == ("SUBMITTED", "CONDITIONALLY_APPROVED")
    parts = [rows(story, "M1", whom)[0]["duration_value"] for whom in ("traveler", "agency")]
    assert sum(parts) == pytest.approx(row["duration_value"])
    assert [one["censored"] for one in story.timing("M3")] == [True]
    assert [one["censored"] for one in story.timing("M2")] == [False]


def test_nothing_is_written_of_an_open_case_before_the_books_of_a_quarter_close() -> None:
    assert rows(scene().play("2027-05-01T03:59:59Z"), "M1") == []
    assert len(rows(scene().play("2027-05-01T10:00:00Z"), "M1")) == 1


def test_the_books_of_a_quarter_close_for_one_record_after_another_and_say_the_same() -> None:
    story = Scene()
    for number in range(5):
        story.cbp("2027-02-01T15:00:00Z", "application.submitted", recordId=f"GE-{number}")
    found = rows(story.play("2027-09-01T00:00:00Z"), "M1")
    written = [row["produced_at"] for row in found]
    assert len(set(written)) == 10, "at another hour in each quarter"
    assert {moment[:10] for moment in written} == {"2027-05-01", "2027-07-31"}
    assert {row["stop_at"] for row in found} == {"2027-04-01T04:00:00Z", "2027-07-01T04:00:00Z"}


def test_a_case_that_ends_before_the_books_close_is_written_once() -> None:
    whole = scene().cbp("2027-04-20T15:00:00Z", "application.approved", applicationId="A1", validTo="2032-04-18")
    [row] = rows(whole.play("2027-08-01T00:00:00Z"), "M1")
    assert (row["censored"], row["supersedes_id"]) == (False, None)


def test_what_begins_after_a_quarter_is_not_in_its_books() -> None:
    late = Scene().cbp("2027-04-10T15:00:00Z", "application.submitted", applicationId="A1")
    assert rows(late.play("2027-06-01T00:00:00Z"), "M1") == []


def test_the_end_of_a_case_replaces_its_open_rows_and_is_no_correction() -> None:
    whole = scene().cbp("2027-08-10T15:00:00Z", "application.approved", applicationId="A1", validTo="2032-04-18")
    first, second, last = rows(whole.play("2027-09-01T00:00:00Z"), "M1")
    assert [row["censored"] for row in (first, second, last)] == [True, True, False]
    assert second["supersedes_id"] == first["metric_event_id"]
    assert last["supersedes_id"] == second["metric_event_id"]
    assert not any(row["corrected"] for row in (first, second, last))
    assert (last["stop_type"], last["duration_value"]) == ("APPROVED", 190.0)
    assert len({row["enrollment_pseudonym"] for row in (first, second, last)}) == 3, "another name in each quarter"


def test_a_decision_that_is_taken_back_sets_its_clock_running_again() -> None:
    whole = (
        scene()
        .cbp("2027-03-10T15:00:00Z", "application.approved", applicationId="A1", validTo="2032-04-18", id="yes")
        .cbp("2027-03-12T15:00:00Z", "record.corrected", applicationId="A1", corrects="yes", void=True)
    )
    final, again = rows(whole.play("2027-03-20T00:00:00Z"), "M1")
    assert (again["supersedes_id"], again["censored"], again["corrected"]) == (final["metric_event_id"], True, True)
    assert again["stop_at"] == "2027-03-12T15:00:00Z"


@pytest.mark.parametrize(
    ("events", "metric"),
    [
        ([("application.submitted", {}), ("application.info_requested", {"dueDate": "2027-06-01"})], "M6"),
        ([("application.info_requested", {}), ("info.received", {})], "M7"),
        ([("application.denied", {}), ("reconsideration.received", {})], "M8"),
        ([("application.conditionally_approved", {}), ("interview.completed", {})], "M4"),
    ],
)
def test_every_clock_that_runs_is_written_open(events: list[tuple[str, dict[str, Any]]], metric: str) -> None:
    story = Scene()
    for day, (name, data) in enumerate(events, 1):
        story.cbp(f"2027-02-{day:02}T15:00:00Z", name, applicationId="A1", **data)
    found = story.play("2027-05-02T00:00:00Z").timing(metric)
    assert [(row["stop_type"], row["censored"]) for row in found] == [("OPEN", True)]


def test_a_row_is_replaced_by_one_of_the_same_application_though_an_earlier_one_comes_in_late() -> None:
    story = (
        Scene()
        .cbp("2027-03-02T15:00:00Z", "application.submitted", applicationId="B")
        .cbp("2027-03-04T15:00:00Z", "application.denied", applicationId="B")
        .cbp("2027-03-05T15:00:00Z", "application.submitted", applicationId="A", time="2027-02-01T15:00:00Z")
        .cbp("2027-03-05T16:00:00Z", "application.denied", applicationId="A", time="2027-02-02T15:00:00Z")
        .play("2027-03-06T00:00:00Z")
    )
    assert [(row["duration_value"], row["supersedes_id"]) for row in story.timing("M1")] == [(2.0, None), (1.0, None)]


def test_an_application_keeps_its_rows_when_it_is_given_its_id_and_when_it_is_corrected() -> None:
    story = (
        Scene()
        .cbp("2027-03-02T15:00:00Z", "application.submitted", id="first")
        .cbp("2027-03-04T15:00:00Z", "application.denied")
        .cbp("2027-03-05T15:00:00Z", "record.corrected", corrects="first", id="second", applicationId="A")
        .cbp("2027-03-06T15:00:00Z", "application.submitted", corrects="second", time="2027-03-03T15:00:00Z")
        .play("2027-03-07T00:00:00Z")
    )
    assert story.value("M1") == 1.0, "one row stands"


@pytest.mark.parametrize("ended", ["membership.revoked", "membership.closed", "membership.suspended"])
def test_who_applies_anew_while_the_membership_would_still_run_renews_nothing(ended: str) -> None:
    story = (
        Scene()
        .cbp("2027-03-02T15:00:00Z", "application.approved", validTo="2032-03-01", applicationId="A")
        .cbp("2027-04-02T15:00:00Z", ended)
        .cbp("2027-05-02T15:00:00Z", "application.submitted", applicationId="B")
        .play("2027-05-03T00:00:00Z")
    )
    assert story.timing("M9") == []
