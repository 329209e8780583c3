"""The data of the events that come in (contract 1.2): one open struct for source events, one for each profile event.

Readers are open: an unknown field is ignored, so that a source may add one. Values are bounded, because a text that
came from outside ends up in stores and pages.
"""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

# Sources send empty texts for what they do not know; an empty name is no reason to refuse an approval.
Text = Annotated[str, Meta(max_length=256)]
Ref = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x20\x7f]+( [^\x00-\x20\x7f]+)*$(?!\n)")]
Language = Annotated[str, Meta(min_length=2, max_length=35, pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$(?!\n)")]
Address = Annotated[str, Meta(max_length=254)]


class _Open(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A struct that ignores what it does not know."""


class Person(_Open, frozen=True, kw_only=True):
    """The person as the program holds them: unverified, never written to before verification."""

    givenName: Text | None = None
    familyName: Text | None = None
    dateOfBirth: date | None = None
    email: Address | None = None
    phone: Address | None = None
    language: Language | None = None
    timeZone: Text | None = None
    state: Text | None = None


class Interview(_Open, frozen=True, kw_only=True):
    """One interview or appointment, or one part of it."""

    at: datetime | None = None
    timeZone: Text | None = None
    site: Text | None = None
    part: Literal["US", "CA"] | None = None
    mode: Literal["CENTER", "EOA", "EOD", "REMOTE"] | None = None


class Guardian(_Open, frozen=True, kw_only=True):
    """Who is written to for a child."""

    relation: Text | None = None
    name: Text | None = None
    phone: Address | None = None
    email: Address | None = None
    language: Language | None = None


class ProgramNotice(_Open, frozen=True, kw_only=True):
    """A pause or a limit of a whole program."""

    state: Literal["PAUSED", "DEGRADED", "NORMAL"]
    scope: Text | None = None
    from_: str | None = msgspec.field(default=None, name="from")
    until: str | None = None


class SourceData(_Open, frozen=True, kw_only=True):
    """The data of a program's event; which fields count depends on the event's type."""

    recordId: Ref | None = None
    program: Text | None = None
    applicationId: Ref | None = None
    applicationType: Literal["NEW", "RENEWAL"] | None = None
    sequence: int | None = None
    corrects: Ref | None = None
    void: bool = False
    portalSubject: Ref | None = None
    person: Person | None = None
    ktn: Ref | None = None
    passId: Ref | None = None
    validFrom: date | None = None
    validTo: date | None = None
    includesPrecheck: bool | None = None
    precheckExtended: bool | None = None
    ktnRetained: bool | None = None
    dueDate: date | None = None
    letterDate: date | None = None
    replyBy: date | None = None
    caseNo: Ref | None = None
    completeBy: date | None = None
    interview: Interview | None = None
    until: date | None = None
    reason: Text | None = None
    outcome: Literal["GRANTED", "NOT_GRANTED"] | None = None
    mergedInto: Ref | None = None
    label: Text | None = None
    notice: ProgramNotice | None = None
    minor: bool | None = None
    guardian: Guardian | UnsetType | None = UNSET


class Contact(_Open, frozen=True, kw_only=True):
    """An address and whether its owner has proved it."""

    address: Address
    verified: bool = False


class Consent(_Open, frozen=True, kw_only=True):
    """What the traveler agreed to, by channel; an absent channel stays as it was."""

    sms: bool | UnsetType | None = UNSET
    email: bool | UnsetType | None = UNSET


class ProfileUpdated(_Open, frozen=True, kw_only=True):
    """A merge into the profile: an absent field stays, null clears."""

    portalSubject: Ref | None = None
    recordId: Ref | None = None
    program: Text | None = None
    language: Language | UnsetType | None = UNSET
    timeZone: Text | UnsetType | None = UNSET
    email: Contact | UnsetType | None = UNSET
    phone: Contact | UnsetType | None = UNSET
    consent: Consent | UnsetType | None = UNSET
    guardian: Guardian | UnsetType | None = UNSET
    minor: bool | UnsetType | None = UNSET
    dateOfBirth: date | UnsetType | None = UNSET
    state: Text | UnsetType | None = UNSET


class Link(_Open, frozen=True, kw_only=True):
    """A record that belongs, or no longer belongs, to a portal subject."""

    portalSubject: Ref | None = None
    recordId: Ref | None = None
    program: Text | None = None
    method: Text | None = None
    actor: Text | None = None
    reason: Text | None = None


class StaffDecision(_Open, frozen=True, kw_only=True):
    """What a member of the staff decided about one event of a record."""

    eventId: Ref | None = None
    by: Text | None = None
    reason: Text | None = None
    recordId: Ref | None = None
    program: Text | None = None
    portalSubject: Ref | None = None
