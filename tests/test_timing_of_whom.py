"""Of whom a timing row speaks: who took the application, which renewals came late, who is a minor."""

from typing import Any

from streams import topics
from tests.scene import Scene

DAY = "2027-03-{:02}T15:00:00Z".format
END = "2028-06-01T00:00:00Z"


def rows(scene: Scene, metric: str) -> list[dict[str, Any]]:
    found = [event["data"] for event in scene.play(END).events(topics.TIMING)]
    return [row for row in found if row["metric_id"] == metric and not row["censored"]]


def test_the_provider_is_the_one_that_took_the_application_whatever_came_first() -> None:
    scene = Scene().profile(DAY(1), "linked", recordId="TSA-1", program="PRECHECK")
    scene.tsa(DAY(4), "eligibility.approved", source="tsa/precheck/idemia", applicationId="A", validTo="2032-04-18")
    scene.tsa(DAY(5), "enrollment.completed", time=DAY(2), source="tsa/precheck/clear", applicationId="A")
    assert [row["provider"] for row in rows(scene, "M1")] == ["clear"]


def test_what_the_source_calls_a_renewal_has_its_lead_however_late_it_is() -> None:
    scene = Scene().tsa(DAY(1), "eligibility.approved", applicationId="A", validTo="2027-03-10")
    scene.tsa("2028-05-01T15:00:00Z", "renewal.submitted", applicationId="B")
    [row] = rows(scene, "M9")
    assert (row["application_kind"], row["duration_value"] < -365) == ("REAPPLICATION", True)


def test_who_is_a_minor_is_said_by_the_newest_birth_date_not_by_the_last_to_arrive() -> None:
    scene = Scene().tsa(DAY(4), "eligibility.approved", validTo="2032-04-18", person={"dateOfBirth": "1990-01-01"})
    scene.tsa(DAY(5), "enrollment.completed", time=DAY(2), person={"dateOfBirth": "2019-01-01"})
    assert [row["is_minor_band"] for row in rows(scene, "M1")] == [False]
