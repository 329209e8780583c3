"""The stepped clock: it stands still until it is moved, for every process that reads it."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.clock import WallClock, clock, present, stepped
from services.settings import Settings, SettingsError

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def test_it_tells_the_moment_to_which_it_was_moved(tmp_path: Path) -> None:
    stepped(tmp_path).move(MOMENT)
    settings = Settings.load({"TTN_DATA_DIR": str(tmp_path), "TTN_CLOCK": "stepped"})
    assert clock(settings).now() == MOMENT


def test_it_is_an_error_in_one_sentence_when_nobody_keeps_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^TTN_CLOCK: "):
        stepped(tmp_path).now()


async def test_who_waits_goes_on_when_it_is_moved(tmp_path: Path) -> None:
    watch = stepped(tmp_path)
    watch.move(MOMENT)
    waiting = asyncio.create_task(watch.wait_until(MOMENT + timedelta(days=30)))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    watch.move(MOMENT + timedelta(days=30))
    await asyncio.wait_for(waiting, 5)


async def test_without_a_setting_it_is_the_clock_on_the_wall() -> None:
    watch = clock(Settings.load({}))
    assert isinstance(watch, WallClock)
    before = watch.now()
    await watch.wait_until(before + timedelta(milliseconds=20))
    assert watch.now() - before >= timedelta(milliseconds=20)


def test_a_command_speaks_to_a_demonstration_at_the_moment_that_it_is_there(tmp_path: Path) -> None:
    where = {"TTN_DATA_DIR": str(tmp_path)}
    assert present(Settings.load(where)) > MOMENT + timedelta(days=30)
    stepped(tmp_path).move(MOMENT)
    assert present(Settings.load(where)) == MOMENT
    assert present(Settings.load({**where, "TTN_KAFKA": "kafka.example:9092"})) > MOMENT + timedelta(days=30)
