"""Of whom the events of a record speak: sign-ins of people who cannot be the same (contract 5.13, 5.19)."""

from collections.abc import Iterable
from datetime import date

from streams.records.log import Entry


def disputed(events: Iterable[Entry]) -> dict[tuple[str, str], str]:
    """The events that name another portal subject, with another birth date: source and id, and the subject.

    The later of two subjects wins, unless birth dates differ. A subject once named with the wrong date stays out until
    it is named with the right one.
    """
    found: dict[tuple[str, str], str] = {}
    subject: str | None = None
    born: date | None = None
    strangers: set[str] = set()
    for one in sorted(events, key=lambda one: (one.at, one.id)):
        named = one.data.portalSubject
        if one.name == "unlinked":
            subject = None if named == subject else subject
        elif named is not None and subject is not None and named != subject:
            differs = named in strangers if one.birthDate is None else born not in (None, one.birthDate)
            if differs:
                strangers.add(named)
                found[one.source, one.id] = named
                continue
        if named is not None and one.name != "unlinked":
            subject = named
            strangers.discard(named)
        born = one.birthDate or born
    return found
