"""The changes that travelers could notice: one event for each, with the state before it, of the right application."""

from streams import topics
from tests.scene import Scene
from tests.story import Story

DAY = "2027-03-{:02}T15:00:00Z".format
END = "2027-04-01T00:00:00Z"


def moves(story: Story, axis: str = "application") -> list[tuple[str | None, str, str | None, str]]:
    """Application, name, state before and state after of each change on an axis, in order."""
    return [
        (data["applicationId"], event["type"].rpartition(".")[2], data["from"], data["to"])
        for event in story.events(topics.TRANSITIONS)
        if (data := event["data"])["axis"] == axis
    ]


def test_two_open_applications_move_each_from_its_own_state() -> None:
    scene = Scene()
    for day, name, application in (
        (1, "application.submitted", "A"),
        (2, "application.submitted", "B"),
        (3, "application.pending_review", "A"),
        (4, "application.pending_review", "B"),
    ):
        scene.cbp(DAY(day), name, applicationId=application, id=f"{application}-{day}")
    scene.cbp(DAY(5), "record.corrected", corrects="A-3", void=True)
    scene.cbp(DAY(6), "record.corrected", corrects="B-2", void=True)
    scene.cbp(DAY(7), "record.corrected", corrects="B-4", void=True)
    assert moves(scene.play(END)) == [
        ("A", "APP_SUBMITTED", None, "SUBMITTED"),
        ("B", "APP_SUBMITTED", None, "SUBMITTED"),
        ("A", "REVIEW_STARTED", "SUBMITTED", "IN_REVIEW"),
        ("B", "REVIEW_STARTED", "SUBMITTED", "IN_REVIEW"),
        ("A", "APP_SUBMITTED", "IN_REVIEW", "SUBMITTED"),
        ("B", "VOIDED", "IN_REVIEW", "VOIDED"),
    ]


def test_a_step_of_one_application_is_news_although_another_has_moved_since() -> None:
    scene = Scene()
    scene.cbp(DAY(1), "application.submitted", applicationId="A")
    scene.cbp(DAY(4), "application.submitted", applicationId="B")
    scene.cbp(DAY(5), "application.pending_review", time=DAY(3), applicationId="A")
    assert moves(scene.play(END))[-1] == ("A", "REVIEW_STARTED", "SUBMITTED", "IN_REVIEW")


def test_an_axis_of_which_nothing_is_left_moves_by_a_name_of_its_own() -> None:
    scene = Scene()
    scene.cbp(DAY(1), "application.approved", validTo="2032-04-18")
    scene.cbp(DAY(2), "membership.revoked", replyBy="2027-03-20", id="revoked")
    scene.cbp(DAY(3), "record.corrected", corrects="revoked", void=True)
    story = scene.play(END)
    assert moves(story, "review") == [
        (None, "REVIEW_OPENED", "NONE", "WINDOW_OPEN"),
        (None, "REVIEW_WINDOW_CLOSED", "WINDOW_OPEN", "NONE"),
    ]
    assert moves(story, "membership")[-1] == (None, "REINSTATED", "REVOKED", "ACTIVE")


def test_a_reply_window_closes_with_what_it_was_about() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", validTo="2032-04-18")
    scene.cbp(DAY(2), "membership.revoked", replyBy="2027-03-20")
    scene.cbp(DAY(5), "membership.reinstated")
    scene.cbp(DAY(8), "membership.revoked", replyBy="2027-03-25")
    assert moves(scene.play("2027-03-10T00:00:00Z"), "review") == [
        (None, "REVIEW_OPENED", "NONE", "WINDOW_OPEN"),
        (None, "REVIEW_WINDOW_CLOSED", "WINDOW_OPEN", "NONE"),
        (None, "REVIEW_OPENED", "NONE", "WINDOW_OPEN"),
    ]


def test_a_date_that_is_corrected_moves_nothing() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", validTo="2032-04-18", id="approved")
    scene.cbp(DAY(2), "record.corrected", corrects="approved", validTo="2033-04-18")
    scene.cbp(DAY(3), "membership.revoked", replyBy="2027-03-20", id="revoked")
    scene.cbp(DAY(4), "record.corrected", corrects="revoked", replyBy="2027-03-25")
    story = scene.play("2027-03-22T00:00:00Z")
    assert [name for _, name, _, _ in moves(story, "membership")] == ["ACTIVATED", "REVOKED"]
    assert [name for _, name, _, _ in moves(story, "review")] == ["REVIEW_OPENED"]
    [card] = story.views[0]["cards"]
    assert (card["membership"]["validTo"], card["review"]["replyBy"]) == ("2033-04-18", "2027-03-25")


def test_what_was_published_of_a_record_is_not_published_again_when_it_is_merged() -> None:
    scene = Scene().cbp(DAY(1), "application.submitted", applicationId="A")
    scene.cbp(DAY(2), "application.approved", applicationId="A", validTo="2032-04-18")
    scene.cbp(DAY(3), "record.merged", mergedInto="GE-2")
    scene.cbp(DAY(4), "membership.suspended")
    story = scene.play(END)
    names = [event["type"].rpartition(".")[2] for event in story.events(topics.TRANSITIONS)]
    assert names == ["APP_SUBMITTED", "APPROVED", "ACTIVATED", "SUSPENDED"]
    assert [row["metric_id"] for row in story.timing("M1")] == ["M1"]


def test_what_waited_for_a_person_goes_with_a_record_that_is_merged() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", applicationId="A", validTo="2032-04-18")
    scene.cbp(DAY(1), "application.denied", applicationId="A", id="no")
    scene.cbp(DAY(3), "record.merged", mergedInto="GE-2")
    scene.cbp(DAY(4), "record.corrected", corrects="no", void=True)
    work = [
        (event["type"].rpartition(".")[2], event["data"]["recordId"]) for event in scene.play(END).events(topics.WORK)
    ]
    assert work == [("opened", "GE-1"), ("closed", "GE-1"), ("opened", "GE-2"), ("closed", "GE-2")]


def test_nothing_of_who_was_forgotten_waits_for_a_person() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", applicationId="A", validTo="2032-04-18", portalSubject="dana")
    scene.cbp(DAY(1), "application.denied", applicationId="A").profile(DAY(3), "erased")
    work = [event["type"].rpartition(".")[2] for event in scene.play(END).events(topics.WORK)]
    assert work == ["opened", "closed"]


def test_an_application_begins_from_nothing_where_the_one_before_it_was_voided() -> None:
    scene = Scene().cbp(DAY(1), "application.submitted", id="wrong")
    scene.cbp(DAY(2), "record.corrected", corrects="wrong", void=True)
    scene.cbp(DAY(3), "application.submitted")
    assert moves(scene.play(END))[-1] == (None, "APP_SUBMITTED", None, "SUBMITTED")


def test_a_membership_closes_on_the_day_of_death_whichever_event_comes_first() -> None:
    approved = {"time": DAY(1), "validTo": "2032-04-18", "portalSubject": "dana"}
    death = {"time": DAY(3), "id": "death"}
    known = Scene().cbp(DAY(1), "application.approved", **approved).profile(DAY(5), "deceased", **death)
    late = Scene().profile(DAY(5), "deceased", **death).cbp(DAY(6), "application.approved", **approved)
    for scene in (known, late):
        closed = scene.play(END).events(topics.TRANSITIONS)[-1]
        assert (closed["type"].rpartition(".")[2], closed["time"], closed["data"]["causeId"]) == (
            "CLOSED",
            DAY(3),
            "death",
        )


def test_a_membership_that_is_extended_after_its_end_ends_a_second_time() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", validTo="2027-03-05")
    scene.cbp(DAY(10), "membership.extended", until="2027-03-20")
    assert [name for _, name, _, _ in moves(scene.play(END), "membership")] == [
        "ACTIVATED",
        "EXPIRED",
        "EXTENDED",
        "EXPIRED",
    ]


def test_a_step_of_an_application_comes_before_what_follows_from_it() -> None:
    scene = Scene().cbp(DAY(1), "application.approved", applicationId="A", validTo="2027-03-05")
    scene.cbp(DAY(2), "application.submitted", applicationId="B")
    scene.cbp(DAY(9), "application.withdrawn", applicationId="B")
    names = [event["type"].rpartition(".")[2] for event in scene.play(END).events(topics.TRANSITIONS)]
    assert names == ["APPROVED", "ACTIVATED", "APP_SUBMITTED", "EXTENDED", "WITHDRAWN", "EXPIRED"]


def test_what_was_published_of_a_record_is_not_published_again_by_one_with_a_story_of_its_own() -> None:
    scene = Scene().cbp(DAY(1), "application.submitted", applicationId="A")
    scene.cbp(DAY(2), "application.approved", applicationId="A", validTo="2032-04-18")
    scene.cbp(DAY(3), "application.submitted", recordId="GE-2", applicationId="B")
    scene.cbp(DAY(4), "application.denied", recordId="GE-2", applicationId="B")
    scene.cbp(DAY(5), "record.merged", mergedInto="GE-2")
    scene.cbp(DAY(6), "membership.suspended")
    story = scene.play(END)
    names = [event["type"].rpartition(".")[2] for event in story.events(topics.TRANSITIONS)]
    assert names == ["APP_SUBMITTED", "APPROVED", "ACTIVATED", "APP_SUBMITTED", "DENIED", "REVIEW_OPENED", "SUSPENDED"]
    assert moves(story, "membership")[-1] == (None, "SUSPENDED", "ACTIVE", "SUSPENDED")
    assert [row["duration_value"] for row in story.timing("M1")] == [1.0, 1.0]


def test_an_application_that_loses_its_id_with_the_event_that_named_it_goes_back_and_is_not_voided() -> None:
    scene = Scene().cbp(DAY(1), "application.submitted")
    scene.cbp(DAY(2), "application.pending_review", applicationId="A", id="names")
    scene.cbp(DAY(3), "record.corrected", corrects="names", void=True)
    assert moves(scene.play(END)) == [
        (None, "APP_SUBMITTED", None, "SUBMITTED"),
        ("A", "REVIEW_STARTED", "SUBMITTED", "IN_REVIEW"),
        (None, "APP_SUBMITTED", "IN_REVIEW", "SUBMITTED"),
    ]


def test_a_review_may_be_asked_for_once_more_after_it_was_not_granted() -> None:
    scene = Scene().cbp(DAY(1), "application.denied", applicationId="A").cbp(DAY(2), "reconsideration.received")
    scene.cbp(DAY(3), "reconsideration.decided", outcome="NOT_GRANTED").cbp(DAY(4), "reconsideration.received")
    scene.cbp(DAY(5), "reconsideration.decided", outcome="GRANTED")
    story = scene.play(END)
    assert [(name, after) for _, name, _, after in moves(story, "review")] == [
        ("REVIEW_OPENED", "WINDOW_OPEN"),
        ("REPLY_RECEIVED", "RECEIVED"),
        ("REVIEW_DECIDED", "NOT_GRANTED"),
        ("REPLY_RECEIVED", "RECEIVED"),
        ("REVIEW_DECIDED", "GRANTED"),
    ]
    assert [row["duration_value"] for row in story.timing("M8")] == [1.0, 1.0]
