"""The overlay of a program on the cards, and what PreCheck is worth while a CBP membership is extended."""

from typing import Any

import pytest

from streams import topics
from tests.scene import Scene
from tests.story import Story

DAY = "2027-03-{:02}T15:00:00Z".format
END = "2027-04-01T00:00:00Z"


def pause(scene: Scene, at: str, **notice: Any) -> Scene:
    said = {"state": "PAUSED", "scope": "all"} | notice
    return scene.cbp(at, "program.notice", recordId="GLOBAL_ENTRY", program="GLOBAL_ENTRY", notice=said)


def overlays(story: Story) -> list[tuple[str, str, str]]:
    return [
        (event["time"], event["type"].rpartition(".")[2], event["data"]["to"])
        for event in story.events(topics.TRANSITIONS)
        if event["data"]["axis"] == "overlay"
    ]


@pytest.mark.parametrize(("until", "end"), [(DAY(9), DAY(9)), ("2027-03-09", "2027-03-10T05:00:00Z")])
def test_a_pause_is_over_when_it_said_that_it_would_be(until: str, end: str) -> None:
    scene = Scene().cbp(DAY(1), "application.approved", validTo="2032-04-18")
    story = pause(scene, DAY(2), until=until).play(END)
    assert overlays(story) == [(DAY(2), "PROGRAM_PAUSED", "PAUSED"), (end, "PROGRAM_NORMAL", "NORMAL")]
    [card] = story.views[0]["cards"]
    assert card["overlay"]["state"] == "NORMAL"


@pytest.mark.parametrize("until", [None, "further notice", "2027-05-01"])
def test_a_pause_without_an_end_that_has_come_holds(until: str | None) -> None:
    scene = Scene().cbp(DAY(1), "application.approved", validTo="2032-04-18")
    story = pause(scene, DAY(2), until=until).play(END)
    assert story.views[0]["cards"][0]["overlay"] == {"state": "PAUSED", "scope": "all", "from": None, "until": until}


def test_who_comes_after_the_end_of_a_pause_hears_nothing_of_it() -> None:
    scene = pause(Scene(), DAY(2), until=DAY(9)).cbp(DAY(20), "application.approved", validTo="2032-04-18")
    assert overlays(scene.play(END)) == []


def test_a_label_that_nobody_knows_is_all_there_is_and_the_page_says_in_review() -> None:
    story = Scene().tsa(DAY(1), "status.reported", label="Eligibility Determined").play(END)
    assert [(view["headline"]["code"], view["integrity"]) for view in story.views] == [("IN_REVIEW", "UNKNOWN")]


@pytest.mark.parametrize(("extended", "program"), [(True, "GLOBAL_ENTRY"), (None, "GLOBAL_ENTRY"), (False, "PRECHECK")])
def test_an_extension_that_leaves_precheck_out_is_no_number_for_trips(extended: bool | None, program: str) -> None:
    scene = Scene().tsa(DAY(1), "eligibility.approved", portalSubject="dana", validTo="2030-01-01", ktn="TT1234567")
    approval = {"portalSubject": "dana", "validTo": "2027-03-10", "includesPrecheck": True, "passId": "981234567"}
    scene.cbp(DAY(1), "application.approved", applicationId="A", precheckExtended=extended, **approval)
    scene.cbp(DAY(2), "application.submitted", applicationId="B", applicationType="RENEWAL")
    [view] = scene.play(END).views
    assert view["headline"]["code"] == "EXTENDED"
    assert view["tripNumber"]["program"] == program
