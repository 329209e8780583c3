"""What becomes of a message whose fact is taken back, given back or moved to another record."""

from tests.scene import Scene


def _linked() -> Scene:
    return (
        Scene()
        .traveler("2027-02-01T14:00:00Z")
        .profile("2027-03-01T14:00:00Z", "linked", recordId="GE-1", program="GLOBAL_ENTRY")
    )


def _told_and_taken_back(decision: str, **data: str) -> Scene:
    """A decision that was told, and was taken back a day later."""
    return (
        _linked()
        .cbp("2027-03-01T16:00:00Z", decision, id="first", applicationId="A1", **data)
        .cbp("2027-03-02T16:00:00Z", "record.corrected", id="void", corrects="first", void=True)
    )


def test_a_letter_that_was_taken_back_by_mistake_is_told_again() -> None:
    scene = _told_and_taken_back("application.denied")
    scene.cbp("2027-03-03T16:00:00Z", "record.corrected", corrects="void", void=True)
    story = scene.play("2027-03-05T00:00:00Z")
    assert [kind for _, kind, _ in story.texts()] == ["LETTER_READY", "CORRECTION", "LETTER_READY"]
    assert [kind for _, kind, _ in story.emails()] == ["LETTER_READY", "CORRECTION", "LETTER_READY"]
    assert (len(story.timing("M5")), len(story.timing("M12"))) == (1, 2), "one decision, told for the first time once"


def test_an_approval_that_was_taken_back_by_mistake_is_corrected_once_more() -> None:
    scene = _told_and_taken_back("application.approved", validTo="2032-03-01")
    scene.cbp("2027-03-03T16:00:00Z", "record.corrected", corrects="void", void=True)
    assert [kind for _, kind, _ in scene.play("2027-03-09T00:00:00Z").texts()] == [
        "APPROVED",
        "CORRECTION",
        "CORRECTION",
    ]


def test_an_approval_that_comes_anew_after_the_first_was_taken_back_is_told() -> None:
    scene = _told_and_taken_back("application.approved", validTo="2032-03-01")
    scene.cbp("2027-03-03T16:00:00Z", "application.approved", applicationId="A1", validTo="2032-03-01")
    assert [kind for _, kind, _ in scene.play("2027-03-05T00:00:00Z").texts()] == ["APPROVED", "CORRECTION", "APPROVED"]


def test_a_letter_that_waits_for_monday_goes_along_with_a_record_that_is_merged() -> None:
    story = (
        _linked()
        .cbp("2027-03-06T16:00:00Z", "application.denied", applicationId="A1")
        .cbp("2027-03-07T16:00:00Z", "record.merged", mergedInto="GE-2")
        .play("2027-03-09T00:00:00Z")
    )
    assert [(at, kind) for at, kind, _ in story.texts()] == [("2027-03-08T15:00:00Z", "LETTER_READY")]
    assert sorted(story.fates("LETTER_READY", "sms")) == [("delivered", None), ("superseded", "moved")]


def test_a_record_may_be_merged_while_its_message_is_on_the_way() -> None:
    story = (
        _linked()
        .cbp("2027-03-01T16:00:00Z", "application.approved", validTo="2032-03-01")
        .cbp("2027-03-01T16:02:01Z", "record.merged", mergedInto="GE-2")
        .play("2027-03-02T00:00:00Z")
    )
    assert [kind for _, kind, _ in story.texts()] == ["APPROVED"]
    assert [row["channel"] for row in story.timing("M5d")] == ["sms", "email"]


def test_a_membership_that_its_program_ends_early_did_not_end_on_a_day_to_come() -> None:
    story = (
        _linked()
        .cbp("2027-03-01T16:00:00Z", "application.approved", validTo="2032-03-01")
        .cbp("2027-04-01T16:00:00Z", "membership.expired")
        .play("2027-04-03T00:00:00Z")
    )
    [text] = [sent["body"] for sent in story.sent if (sent["channel"], sent["kind"]) == ("sms", "EXPIRED")]
    assert "Apr 1, 2027" in text
