"""Files to translators and back: nothing lost, nothing stale taken in."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from services import templates
from services.preview import command, po, translation
from streams.catalogue import Catalogue

SOURCES = templates.load()
TAGS = [tag for tag in Catalogue(SOURCES).languages if tag != "en"]
WORDS = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]) | st.sampled_from('\n\t"\\'))


@pytest.mark.parametrize("tag", TAGS)
def test_a_po_file_comes_back_as_it_left(tag: str) -> None:
    assert translation.take(translation.export(tag, SOURCES), SOURCES) == {}


@given(st.lists(st.tuples(WORDS, WORDS, st.booleans()), max_size=5))
def test_any_words_survive_a_po_file(words: list[tuple[str, str, bool]]) -> None:
    entries = [po.Entry(f"K {n}", a, b, ("note",), fuzzy) for n, (a, b, fuzzy) in enumerate(words)]
    language, found = po.read(po.write("es", entries))
    assert language == "es"
    assert found == [po.Entry(one.context, one.english, one.translated, (), one.fuzzy) for one in entries]


def test_a_wrapped_po_file_of_another_tool_is_read() -> None:
    head = 'msgid ""\nmsgstr ""\n"Language: es\\n"\n\n#~ msgid "old"\n'
    text = head + '#, fuzzy\nmsgctxt "A"\nmsgid ""\n"one "\n"two"\nmsgstr "x"\n'
    assert po.read(text) == ("es", [po.Entry("A", "one two", "x", (), True)])


@pytest.mark.parametrize(
    "text", ["", 'msgid ""\nmsgstr ""\n', 'msgid ""\nmsgstr "Language: es\\n"\nrubbish\n', 'msgid "a\nmsgstr "b"\n']
)
def test_what_is_no_po_file_is_refused(text: str) -> None:
    with pytest.raises(po.PoError):
        po.read(text)


def test_a_changed_wording_comes_in_as_a_draft_and_its_neighbours_stay() -> None:
    approved = {**SOURCES, "es/HELP.txt": SOURCES["es/HELP.txt"].replace('"draft"', '"approved"')}
    text = translation.export("es", approved).replace('"Ayuda con los avisos"', '"Ayuda con sus avisos"')
    made = translation.take(text, approved)
    assert list(made) == ["es/HELP.txt"]
    assert 'state = "draft"' in made["es/HELP.txt"]
    assert made["es/HELP.txt"].endswith(
        approved["es/HELP.txt"].split("+++\n", 2)[2].replace("los avisos", "sus avisos")
    )
    assert 'state = "approved"' in translation.take(text, approved, state="approved")["es/HELP.txt"]


def test_a_changed_heading_lands_in_the_language_file_alone() -> None:
    text = translation.export("es", SOURCES).replace('msgstr "Fechas"', 'msgstr "Las \\"fechas\\""')
    made = translation.take(text, SOURCES)
    assert list(made) == ["es/language.toml"]
    assert Catalogue({**SOURCES, **made}).library.languages["es"].email.dates == 'Las "fechas"'


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('msgctxt "HELP [sms] 1"', 'msgctxt "HELP [sms] 9"', r"HELP \[sms\] 1: has no translation"),
        ('msgstr "Ayuda con los avisos"', 'msgstr ""', r"HELP \[subject\] 1: has no translation"),
        ('msgctxt "HELP [subject] 1"', '#, fuzzy\nmsgctxt "HELP [subject] 1"', r"is marked fuzzy"),
        ('msgid "Help with status messages"', 'msgid "Help"', r"the English has changed"),
    ],
)
def test_an_unfinished_or_stale_po_file_is_refused(old: str, new: str, reason: str) -> None:
    text = translation.export("es", SOURCES)
    assert old in text
    with pytest.raises(po.PoError, match=reason):
        translation.take(text.replace(old, new), SOURCES)


def test_what_was_made_from_an_older_english_leaves_as_fuzzy() -> None:
    stale = {**SOURCES, "en/HELP.txt": SOURCES["en/HELP.txt"].replace("when something changes", "when there is news")}
    _, entries = po.read(translation.export("es", stale))
    assert {one.context.split(" ", 1)[0] for one in entries if one.fuzzy} == {"HELP"}
    assert translation.check(stale, ["es"]) == [
        "es/HELP.txt: was made from an older English; look at it again, then set source"
    ]


@pytest.mark.parametrize("tag", TAGS)
def test_gettext_accepts_the_po_file(tag: str, tmp_path: Path) -> None:
    if shutil.which("msgfmt") is None:
        pytest.skip("gettext is not here; on Debian, apt-get install gettext.")
    path = tmp_path / f"{tag}.po"
    path.write_text(translation.export(tag, SOURCES), encoding="utf-8")
    subprocess.run(["msgfmt", "-c", "-o", str(tmp_path / "out.mo"), str(path)], check=True, capture_output=True)


def test_a_new_language_starts_as_english_drafts_and_never_overwrites(tmp_path: Path) -> None:
    run = CliRunner().invoke
    first = run(command, ["start", "xx", "--in", str(tmp_path)])
    assert first.exit_code == 0, first.output
    assert re.match(r"28 files", first.output)
    (tmp_path / "xx" / "HELP.txt").write_text("mine", encoding="utf-8")
    assert "0 files" in run(command, ["start", "xx", "--in", str(tmp_path)]).output
    assert (tmp_path / "xx" / "HELP.txt").read_text(encoding="utf-8") == "mine"
    found = run(command, ["check", "xx", "--in", str(tmp_path)])
    assert found.exit_code == 1
    assert "xx/HELP.txt: must begin with TOML front matter" in found.output


def test_export_and_import_go_through_the_command(tmp_path: Path) -> None:
    run = CliRunner().invoke
    path = tmp_path / "es.po"
    assert run(command, ["export", "es", str(path)]).exit_code == 0
    path.write_text(path.read_text("utf-8").replace('"Ayuda con los avisos"', '"Ayuda con sus avisos"'), "utf-8")
    took = run(command, ["import", str(path), "--in", str(tmp_path)])
    assert took.exit_code == 0, took.output
    assert [one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*.txt")] == ["es/HELP.txt"]
    path.write_text("rubbish", "utf-8")
    refused = run(command, ["import", str(path), "--in", str(tmp_path)])
    assert refused.exit_code == 1
    assert "line 1 is not part of a PO file" in refused.output
