"""The words in which a case is explained to a person at the phone desk, each with the rule that stands behind it."""

from typing import Final

PROGRAMS: Final = {
    "PRECHECK": "TSA PreCheck",
    "GLOBAL_ENTRY": "Global Entry",
    "NEXUS": "NEXUS",
    "SENTRI": "SENTRI",
    "FAST": "FAST",
    "ABTC": "U.S. APEC Business Travel Card",
}

HEADLINES: Final = {
    "MEMBERSHIP_CHANGE": "a membership is suspended or revoked, which comes before everything else",
    "ACTION_NEEDED": "the traveler must do something, and it has the nearest date",
    "REPLY_NEEDED": "a letter waits for a reply",
    "CHECKING": "the facts contradict each other, so we say that we are checking",
    "INTERVIEW_SCHEDULED": "an interview lies ahead",
    "CONDITIONALLY_APPROVED": "the traveler may book an interview",
    "DENIED": "an application was denied and no membership is valid",
    "EXTENDED": "the membership goes on while its renewal is in review",
    "ACTIVE": "a membership is valid",
    "ACTIVE_RENEWAL_IN_REVIEW": "a membership is valid and its renewal is in review",
    "IN_REVIEW": "an application is in review",
    "EXPIRED": "the membership has ended",
    "CLOSED": "the application was withdrawn or closed",
    "NONE": "nothing is open and nothing is held",
}
"""Why a headline stands on top; domain 3.8, in this order."""

SUPPRESSED: Final = {
    "no-consent": "the traveler has not agreed to this channel",
    "unverified": "the address is not verified",
    "no-address": "we have no such address",
    "stopped": "the owner of the address said STOP",
    "wrong-person": "the owner of the number said that we write to the wrong person",
    "hard-bounce": "mail to this address comes back",
    "cap": "3 texts a day or 10 a month were reached, so email alone goes",
    "covered-by-other-program": "another membership covers it",
    "not-news": "it was too old when it arrived",
    "no-guardian": "there is no guardian who may be written to",
    "deceased": "the traveler has died",
    "staff": "the staff decided so",
}
"""Why a message was not sent (contract 1.5)."""

NOT_DUE: Final = {
    "STILL_IN_REVIEW": "the facts do not fit together, so it is not certain that this is still so",
    "EXPIRY_REMINDER": "a renewal was already on its way",
}
"""Why a reminder was no news when it fell due."""

ENDINGS: Final = {
    "delivered": "delivered",
    "failed": "failed: the provider could not deliver it",
    "unconfirmed": "sent perhaps: the provider never said what became of it, and we do not send twice",
    "expired": "not sent: its time was over before it could leave",
    "superseded": "not sent: newer news took its place, or the record moved",
    "parked": "set aside for the staff",
}

STEPS: Final = {
    "planned": "planned",
    "held": "held",
    "claimed": "handed to the provider",
    "accepted": "accepted by the provider",
    "rejected": "refused by the provider",
    "in-doubt": "no answer from the provider: in doubt",
    "delivered": "delivered",
    "failed": "failed",
    "unconfirmed": "given up: nothing tells what became of it",
    "suppressed": "not sent",
    "expired": "not sent",
    "superseded": "not sent",
    "parked": "set aside",
}

OPEN: Final = {
    "planned": "not sent yet",
    "held": "not sent yet: it waits",
    "claimed": "on its way: handed to the provider",
    "accepted": "on its way: the provider has it, and it is not delivered yet",
    "rejected": "not sent yet: it did not get through, and may be tried again",
    "in-doubt": "sent perhaps: the provider has not answered",
}
"""Where a message is whose life is not over."""

REJECTED: Final = {
    "not-found": "the provider's list does not have it: it never arrived there",
    "not-sent": "it never left for the provider",
}
"""What a refusal means that is no answer of the provider."""

REMINDERS: Final = ("STILL_IN_REVIEW", "INTERVIEW_REMINDER", "EXPIRY_REMINDER", "REPLY_DUE")
ALSO_REMINDERS: Final = ("COND_APPROVED", "ACTION_NEEDED", "EXTENDED")
"""Messages that a day brings, not an event; the latter only where they come long after their event."""

NOTES: Final = {
    "silent": "nothing is sent for this step",
    "skipped": "steps in between were skipped, which is normal",
    "a walk-in starts from nothing; starts clock M1": "the waiting time starts here (M1)",
    "ends M6": "the traveler's time to answer ends here (M6)",
}
"""Notes of the transition table that need other words at the desk."""

HOLDS: Final = {
    "debounce": "the facts may still change",
    "quiet-hours": "outside the hours in which we may write",
    "adverse-hours": "a letter is told on weekdays from 9 to 18 where the traveler lives",
    "contradiction": "the facts contradict each other, and a person must look first",
    "no-guardian": "the child has no guardian whom we may write to",
}
"""Why a message waits."""

OVERLAY: Final = "a notice about the whole program, or a personal event that is about the program"
CLOCK: Final = "the clock"
CORRECTED: Final = "a correction or a late event changed the history"
REPLACED: Final = "a later decision with a higher sequence replaces the earlier one"
SETTLED: Final = "the contradiction was solved in favor of this"
GROUND_GONE: Final = "the approval on which it stood no longer counts"

INTEGRITY: Final = {
    "CONFLICT_OPENED": "facts contradict each other and no sequence decides",
    "CONFLICT_CLOSED": "the contradiction is solved",
    "STATUS_UNKNOWN": "the source uses a label that we do not know",
}

DEAD: Final = {
    "undecodable": "the bytes are no JSON",
    "not-a-cloudevent": "an attribute of CloudEvents is missing or bad",
    "unknown-type": "the type does not belong on this topic",
    "unknown-program": "the program is not ours or not of this topic",
    "missing-field": "a field is missing",
    "invalid-field": "a field cannot be right",
    "too-large": "it is too large",
    "id-reused": "its id came before with another body",
    "future-dated": "it is dated more than 5 minutes ahead",
    "identity-conflict": "it would join people with different birth dates",
    "handler-bug": "it found a defect of ours",
}
