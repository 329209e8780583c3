"""The topics: declared once, created once, and never with another number of partitions."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from services import topics
from services.broker import Cluster
from services.settings import Settings, SettingsError
from streams import topics as names


def _settings(servers: str, partitions: int, tmp_path: Path) -> Settings:
    return Settings.load({"TTN_KAFKA": servers, "TTN_PARTITIONS": str(partitions), "TTN_DATA_DIR": str(tmp_path)})


def test_every_topic_of_the_code_is_declared_and_no_other() -> None:
    assert [topic.name for topic in topics.declared()] == [*names.EVERY]


def test_only_what_comes_in_is_partitioned_by_others() -> None:
    assert {t.name for t in topics.declared() if t.partitions == "upstream"} == set(names.INPUTS)


def test_limits_and_cleanup_are_those_of_the_contract() -> None:
    by_name = {topic.name: topic for topic in topics.declared()}
    assert {by_name[name].limit for name in names.INPUTS} == {1 << 20}
    assert by_name[names.DEAD_LETTER].limit == 2 << 20
    assert by_name[names.DEAD_LETTER].retention == "30 days"
    compact = {t.name for t in topics.declared() if t.cleanup == "compact"}
    states = {topic(stage) for stage in names.KEYED_STAGES for topic in (names.changelog, names.data_keys)}
    assert compact == {names.STATUS, names.SUPPRESSIONS, names.WORK, names.TRANSIT_KEYS} | states


@pytest.mark.parametrize("topic", topics.declared(), ids=lambda topic: topic.name)
def test_each_topic_says_what_it_is_for_and_how_long_it_is_kept(topic: topics.Topic) -> None:
    assert re.fullmatch(r"[A-Z].{20,}\.", topic.about)
    assert re.fullmatch(r"forever|[1-9][0-9]* days", topic.retention)
    assert (topic.retention == "forever") == (topic.cleanup == "compact")


@pytest.mark.kafka
async def test_what_is_missing_is_planned_created_and_then_no_difference(
    kafka_cluster: Callable[[int], Cluster], tmp_path: Path
) -> None:
    settings = _settings(kafka_cluster(1).bootstrap, 3, tmp_path)
    with pytest.raises(SettingsError, match=rf"^The topic {re.escape(names.PRECHECK)} is missing"):
        await topics.check(settings)
    assert {each.topic for each in await topics.plan(settings) if each.missing} == set(names.EVERY)
    assert await topics.apply(settings) == []
    assert await topics.plan(settings) == []
    await topics.check(settings)

    other = _settings(settings.kafka or "", 4, tmp_path)
    for refused in (topics.check, topics.apply):
        with pytest.raises(SettingsError) as caught:
            await refused(other)
        assert str(caught.value).startswith("TTN_PARTITIONS: expected ")
        assert f"{names.STATUS}: has 3 partitions, and TTN_PARTITIONS is 4" in str(caught.value)


@pytest.mark.kafka
def test_the_command_says_what_it_found_and_refuses_in_one_sentence(
    kafka_cluster: Callable[[int], Cluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTN_KAFKA", kafka_cluster(1).bootstrap)
    monkeypatch.setenv("TTN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TTN_PARTITIONS", "2")
    run = CliRunner().invoke
    assert f"{names.STATUS}: is missing" in run(topics.command, ["plan"]).output
    assert run(topics.command, ["apply"]).output == "All 21 topics are there.\n"
    assert run(topics.command, ["plan"]).output == "21 topics declared, 0 differences.\n"
    monkeypatch.setenv("TTN_PARTITIONS", "5")
    refused = run(topics.command, ["apply"])
    assert isinstance(refused.exception, SettingsError)


async def test_brokers_that_cannot_be_reached_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^TTN_KAFKA: expected brokers that can be reached"):
        await topics.plan(_settings("127.0.0.1:1", 3, tmp_path))


def test_settings_of_a_topic_that_were_changed_by_hand_are_shown() -> None:
    as_declared = {t.name: topics.Present(4, t.options(1)) for t in topics.declared()}
    changed = topics.Present(4, as_declared[names.STATUS].options | {"cleanup.policy": "delete"})
    (found,) = topics.differences(as_declared | {names.STATUS: changed}, 4, 1)
    assert str(found) == f"{names.STATUS}: cleanup.policy is delete, and compact is declared"
    assert not found.wrong
