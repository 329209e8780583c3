"""`ttn generate`: a realistic population of events in the line format, ordered by arrival, streamed.

The same seed gives the same bytes. A traveler is made anew from seed and number whenever a line of theirs is due, so
that a million travelers take little memory. People are fictional; phones are +1xxx55501xx, which nobody has, and from
79,200 travelers on some share one.
"""

import heapq
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import click

from services.generate.diary import Entry
from services.generate.disorder import disturbed
from services.generate.lives import life
from services.generate.people import person
from services.lines import FIRST_YEAR, LAST_YEAR

YEAR = timedelta(days=365)
_REMEMBERED = 4096

Agenda = list[tuple[datetime, int, int]]


def population(travelers: int, seed: int, start: datetime) -> Iterator[Entry]:
    """Everything that happens to so many travelers, who appear over one year from `start`, in order of arrival."""

    @lru_cache(maxsize=_REMEMBERED)
    def entries(number: int) -> list[Entry]:
        dice = random.Random(f"{seed}:{number}")
        who = person(dice, number, _appears(number))
        return disturbed(life(who, dice).entries, dice)

    def _appears(number: int) -> datetime:
        return (start + YEAR * (number / travelers)).replace(microsecond=0)

    agenda: Agenda = []
    for number in range(travelers):
        yield from _until(_appears(number), agenda, entries)
        heapq.heappush(agenda, (entries(number)[0].at, number, 0))
    yield from _until(None, agenda, entries)


def _until(moment: datetime | None, agenda: Agenda, entries: Callable[[int], list[Entry]]) -> Iterator[Entry]:
    """What happens before a moment; all that is left where it is None."""
    while agenda and (moment is None or agenda[0][0] < moment):
        _, number, step = heapq.heappop(agenda)
        mine = entries(number)
        yield mine[step]
        if step + 1 < len(mine):
            heapq.heappush(agenda, (mine[step + 1].at, number, step + 1))


def _start(_: click.Context, __: click.Parameter, first: datetime) -> datetime:
    if not FIRST_YEAR < first.year < LAST_YEAR - 100:
        raise click.BadParameter(f"expected a day after {FIRST_YEAR} and before {LAST_YEAR - 100}")
    return first.replace(tzinfo=UTC)


@click.command(name="generate")
@click.option("--travelers", type=click.IntRange(min=1), required=True, help="How many people.")
@click.option("--seed", type=int, required=True, help="The same seed gives the same bytes.")
@click.option("--start", type=click.DateTime(["%Y-%m-%d"]), default="2027-01-01", show_default=True,
              callback=_start, help="First day.")  # fmt: skip
def command(travelers: int, seed: int, start: datetime) -> None:
    """Write a realistic population of events to standard output, in order of arrival."""
    out = sys.stdout.buffer
    for entry in population(travelers, seed, start):
        out.write(entry.written())
    out.flush()
