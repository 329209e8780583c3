"""The generator: realistic, repeatable, in order of arrival, and never holding all travelers."""

import re
import tracemalloc
from collections import Counter
from datetime import UTC, datetime
from itertools import islice

import pytest
from click.testing import CliRunner

from services.generate import command, population
from services.generate.diary import Entry
from services.lines import InboundSms, Record, read_lines
from streams.grammar import DeadLetter
from streams.identity import Identity
from streams.intake import Intake

START = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return list(population(3000, 7, START))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    def run(seed: str) -> bytes:
        result = CliRunner().invoke(command, ["--travelers", "40", "--seed", seed])
        assert result.exit_code == 0
        return result.stdout_bytes

    assert run("1") == run("1")
    assert run("1") != run("2")


def test_lines_come_in_order_of_arrival(entries: list[Entry]) -> None:
    moments = [entry.at for entry in entries]
    assert moments == sorted(moments)
    assert moments[0] >= START


def test_every_line_can_be_read_and_nearly_every_event_is_good(entries: list[Entry]) -> None:
    intake = Intake(Identity(b"k" * 32))
    reasons: Counter[str] = Counter()
    for line in read_lines(entry.written() for entry in entries):
        if isinstance(line.what, Record):
            for output in intake(line.what.origin(0, line.at), line.at):
                reasons[output.reason if isinstance(output, DeadLetter) else "good"] += 1
        else:
            assert isinstance(line.what, InboundSms)
    assert reasons["good"] > 0.995 * reasons.total()
    assert set(reasons) == {"good", "undecodable", "not-a-cloudevent", "unknown-program"}


def test_repeats_and_delays_are_among_the_lines(entries: list[Entry]) -> None:
    events = [entry.fields["event"] for entry in entries if "event" in entry.fields]
    repeats = Counter((event["source"], event["subject"], event["id"]) for event in events)
    assert 0.004 < sum(count > 1 for count in repeats.values()) / len(repeats) < 0.02


def test_languages_and_programs_have_their_shares(entries: list[Entry]) -> None:
    profiles = [entry.fields["event"] for entry in entries if "event" in entry.fields]
    spoken = Counter(event["data"]["language"] for event in profiles if event["type"].endswith("profile.updated"))
    assert 0.70 < spoken["en"] / spoken.total() < 0.86
    assert 0.09 < spoken["es"] / spoken.total() < 0.18
    assert len(spoken) > 10
    programs = Counter(event["data"].get("program") for event in profiles)
    assert {"PRECHECK", "GLOBAL_ENTRY", "NEXUS", "SENTRI"} <= set(programs)


def test_nobody_real_can_be_reached(entries: list[Entry]) -> None:
    text = b"".join(entry.written() for entry in entries).decode()
    phones = set(re.findall(r'"(\+\d+)"', text))
    assert phones
    assert {phone for phone in phones if not re.fullmatch(r"\+1\d{3}55501\d\d", phone)} == set()
    assert {address.rpartition("@")[2] for address in re.findall(r"[^\"\s]+@[^\"\s]+", text)} == {"example.com"}


def test_it_streams_whatever_the_number_of_travelers() -> None:
    tracemalloc.start()
    list(islice(population(1_000_000_000, 1, START), 2_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000
