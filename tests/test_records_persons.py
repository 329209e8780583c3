"""Whose record it is when sign-ins and birth dates disagree (contract 5.13, 5.19)."""

import pytest

from streams import topics
from tests.scene import Scene
from tests.story import Story

DAY = "2027-03-{:02}T15:00:00Z".format
END = "2027-04-01T00:00:00Z"
RIGHT, OTHER = {"dateOfBirth": "1990-01-01"}, {"dateOfBirth": "1985-05-05"}


def two_subjects(scene: Scene, *, late: bool = False) -> Scene:
    first = (DAY(3) if late else DAY(1), "application.submitted")
    second = (DAY(2), "application.pending_review")
    for at, name in sorted((first, second)):
        if name == "application.submitted":
            scene.cbp(at, name, time=DAY(1), portalSubject="dana", person=RIGHT)
        else:
            scene.cbp(at, name, id="second", portalSubject="kim", person=OTHER)
    return scene


def work(story: Story) -> list[str]:
    return [f"{event['type'].rpartition('.')[2]} {event['data']['reason']}" for event in story.events(topics.WORK)]


def owners(story: Story) -> list[str]:
    return [view["travelerId"] for view in story.views if view["cards"]]


def owner_of(subject: str) -> str:
    alone = Scene().cbp(DAY(1), "application.submitted", portalSubject=subject).play(END)
    return owners(alone)[0]


@pytest.mark.parametrize("late", [False, True])
def test_the_second_subject_of_a_record_does_not_count_where_birth_dates_differ(late: bool) -> None:
    story = two_subjects(Scene(), late=late).play(END)
    assert owners(story) == [owner_of("dana")]
    assert [reason for _, reason in story.dead()] == ["identity-conflict"]
    assert work(story) == ["opened identity conflict"]


def test_the_second_subject_counts_once_the_birth_date_is_corrected() -> None:
    scene = two_subjects(Scene()).cbp(DAY(5), "record.corrected", corrects="second", person=RIGHT)
    story = scene.play(END)
    assert owners(story) == [owner_of("kim")]
    assert work(story) == ["opened identity conflict", "closed identity conflict"]


def test_a_subject_named_with_the_wrong_birth_date_stays_out_when_it_comes_without_one() -> None:
    story = two_subjects(Scene()).cbp(DAY(5), "application.info_requested", portalSubject="kim").play(END)
    assert owners(story) == [owner_of("dana")]


def test_a_birth_date_that_was_voided_keeps_nobody_out() -> None:
    scene = Scene().cbp(DAY(1), "application.submitted", person=RIGHT)
    scene.cbp(DAY(2), "application.pending_review", id="wrong", person=OTHER)
    scene.cbp(DAY(3), "record.corrected", corrects="wrong", void=True)
    scene.profile(DAY(4), dateOfBirth="1990-01-01")
    scene.profile(DAY(5), "linked", recordId="GE-1", program="GLOBAL_ENTRY")
    story = scene.play(END)
    assert (owners(story), story.dead()) == ([owner_of("dana")], [])


def test_the_death_of_a_former_traveler_does_not_close_the_membership_of_the_next() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", validTo="2032-04-18", portalSubject="dana")
    scene.profile(DAY(2), "deceased")
    scene.profile(DAY(3), "unlinked", recordId="GE-1", program="GLOBAL_ENTRY")
    scene.profile(DAY(4), "linked", recordId="GE-1", program="GLOBAL_ENTRY", portalSubject="kim")
    states = [card["membership"]["state"] for view in scene.play(END).views for card in view["cards"]]
    assert states == ["ACTIVE"]


def test_a_death_told_of_the_record_itself_goes_along_with_it() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", validTo="2032-04-18")
    scene.profile(DAY(2), "deceased", portalSubject=None, recordId="GE-1", program="GLOBAL_ENTRY")
    scene.profile(DAY(3), "linked", recordId="GE-1", program="GLOBAL_ENTRY")
    states = [card["membership"]["state"] for view in scene.play(END).views for card in view["cards"]]
    assert states == ["CLOSED"]
