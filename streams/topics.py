"""Every topic, by name, once: what may be on it and who reads it. `deploy/topics.yaml` says how it is kept."""

from typing import Final

PRECHECK: Final = "ttp.precheck.events.v1"
GLOBAL_ENTRY: Final = "ttp.global-entry.events.v1"
PROFILE: Final = "ttp.profile.events.v1"
INPUTS: Final = (PRECHECK, GLOBAL_ENTRY, PROFILE)

STATUS: Final = "ttp.traveler.status.v1"
TRANSITIONS: Final = "ttp.traveler.transitions.v1"
NOTIFICATIONS: Final = "ttp.notifications.v1"
TIMING: Final = "ttp.cx.timing.v1"
DEAD_LETTER: Final = "ttp.dead-letter.v1"
SUPPRESSIONS: Final = "ttp.suppressions.v1"
AUDIT: Final = "ttp.audit.v1"
WORK: Final = "ttp.staff.work.v1"
OUTPUTS: Final = (STATUS, TRANSITIONS, NOTIFICATIONS, TIMING, DEAD_LETTER, SUPPRESSIONS, AUDIT, WORK)

KEYED_STAGES: Final = ("records", "travelers", "addresses")


def inbox(stage: str) -> str:
    """The one input topic of a keyed stage."""
    return f"ttp.internal.{stage}.v1"


def changelog(stage: str) -> str:
    """The topic from which a keyed stage restores its state."""
    return f"ttp.internal.{stage}-changelog.v1"


def data_keys(stage: str) -> str:
    """The topic that holds the data keys of the states of a keyed stage, each sealed by a key of the deployment."""
    return f"ttp.internal.{stage}-keys.v1"


TRANSIT_KEYS: Final = "ttp.internal.transit-keys.v1"
"""The keys that messages between stages are sealed with, each sealed by a key of the deployment."""

INTERNAL: Final = (
    *(made(stage) for made in (inbox, changelog, data_keys) for stage in KEYED_STAGES),
    TRANSIT_KEYS,
)
EVERY: Final = INPUTS + OUTPUTS + INTERNAL
