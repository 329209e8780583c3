"""The published schemas are what the structs say, and never break what was released."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from schemas.__main__ import FOLDER, files, main, stale
from schemas.compatibility import breaks
from schemas.documents import schemas

RELEASED = {path.name: json.loads(path.read_text()) for path in sorted((FOLDER / "released").glob("*.json"))}


def test_the_committed_files_are_what_the_structs_say() -> None:
    assert stale() == [], "run `python -m schemas` and look at the difference"


def test_the_check_names_stale_files(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    monkeypatch.setattr("schemas.__main__.files", lambda: files() | {"work.v1.json": "{}"})
    assert main(["--check"]) == 1
    assert "schemas/work.v1.json is out of date" in capsys.readouterr().out


def test_no_file_is_left_over_from_a_schema_that_is_gone() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(schemas())


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_schema_is_valid_json_schema(name: str) -> None:
    document = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$id"].endswith(name)


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_a_released_schema_is_still_understood(name: str) -> None:
    assert name in schemas(), "a released schema is never taken away"
    assert breaks(RELEASED[name], schemas()[name]) == []


def test_every_schema_has_a_released_copy() -> None:
    assert set(RELEASED) == set(schemas())


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> list[str]:
    now = copy.deepcopy(RELEASED[name])
    change(now)
    return breaks(RELEASED[name], now)


def timing(change: Callable[[dict[str, Any]], Any]) -> list[str]:
    return changed("timing.v1.json", lambda now: change(now["$defs"]["Timing"]))


def source(change: Callable[[dict[str, Any]], Any]) -> list[str]:
    return changed("precheck-event.v1.json", lambda now: change(now["$defs"]["SourceData"]))


def test_taking_a_field_away_breaks() -> None:
    assert timing(lambda struct: struct["properties"].pop("provider")) == ["$.provider: is gone"]


def test_another_type_breaks() -> None:
    assert timing(lambda struct: struct["properties"].update(fiscal_year={"type": "string"})) == [
        "$.fiscal_year.type: was integer, is string"
    ]


def test_a_word_taken_from_or_added_to_a_list_of_words_breaks() -> None:
    for words in (["CBP"], ["CBP", "TSA", "DHS"]):
        [found] = timing(lambda struct, words=words: struct["properties"]["program_component"].update(enum=words))
        assert found.startswith("$.program_component.enum: was")


def test_a_narrower_text_breaks() -> None:
    def narrow(now: dict[str, Any]) -> None:
        now["$defs"]["SourceData"]["properties"]["recordId"]["anyOf"][0]["maxLength"] = 10

    assert changed("precheck-event.v1.json", narrow) == ["$.recordId.anyOf[0].maxLength: was 128, is 10"]


def test_a_change_inside_a_nested_struct_breaks() -> None:
    def drop(now: dict[str, Any]) -> None:
        del now["$defs"]["CardView"]["properties"]["stale"]

    assert changed("traveler-status.v1.json", drop) == ["$.cards.items.stale: is gone"]


def test_a_field_that_becomes_required_breaks() -> None:
    [found] = source(lambda struct: struct["required"].append("ktn"))
    assert found == "$.ktn: changed between required and optional"


def test_a_new_required_field_breaks_unless_its_absence_means_null() -> None:
    def add(field: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
        def change(struct: dict[str, Any]) -> None:
            struct["properties"]["fresh"] = field
            struct["required"].append("fresh")

        return change

    assert timing(add({"type": "string"})) == ["$.fresh: is new and required, and records that lack it exist"]
    assert timing(add({"anyOf": [{"type": "string"}, {"type": "null"}]})) == []
    assert timing(add({"type": "boolean", "default": False})) == []


def test_a_new_optional_field_breaks_nothing() -> None:
    assert source(lambda struct: struct["properties"].update(fresh={"type": "string"})) == []


def test_other_words_about_a_field_break_nothing() -> None:
    assert timing(lambda struct: struct.update(description="Other words.")) == []
