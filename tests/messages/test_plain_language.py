"""Plain-language measures: sentence length in every language, reading level as a trend for English and Spanish.

Reading formulas say nothing about one short sentence, so they are held to the whole corpus; the real judge of a
message is a linguist and a reader.
"""

import re

import pytest

from streams.catalogue.wording import Wording
from tests.messages.cases import CATALOGUE

WORDS = {"fr": 24, "ht": 24, "pt-BR": 24, "vi": 30}
"""20 words in a sentence by the federal rule; these write more small words, Vietnamese each syllable apart."""

CHARACTERS = {"zh-Hans": 40, "zh-Hant": 40}
"""For languages without spaces; a word in Latin letters counts as two."""

END = re.compile(r"(?<=[.:;?])\s+|(?<=[。？；：])|\n")
VOWELS = {"en": "aeiouy", "es": "aeiouáéíóúü"}


def sentences(wording: Wording) -> list[str]:
    text = re.sub(r"\{\{ \w+ \}\}", "X", wording.text)
    return [part.removeprefix("- ").strip() for part in END.split(text) if part.strip("- ")]


def too_long(sentence: str, language: str) -> bool:
    if language in CHARACTERS:
        return len(re.sub(r"[A-Za-z]+", "XX", sentence).replace(" ", "")) > CHARACTERS[language]
    return len(sentence.split()) > WORDS.get(language, 20)


def languages() -> list[str]:
    return [tag for tag in CATALOGUE.languages if not tag.startswith("qps")]


@pytest.mark.parametrize("language", languages())
def test_sentences_are_short(language: str) -> None:
    long = [
        f"{file.path} {wording.header}: {sentence}"
        for (tag, _), file in CATALOGUE.library.files.items()
        if tag == language
        for wording in file.wordings
        for sentence in sentences(wording)
        if too_long(sentence, language)
    ]
    assert long == []


@pytest.mark.parametrize("language", languages())
def test_a_text_names_one_place_to_act(language: str) -> None:
    for (tag, _), file in CATALOGUE.library.files.items():
        if tag == language:
            assert all(wording.text.count("{{ host }}") <= 1 for wording in file.of("sms")), file.path


def corpus(language: str, slots: tuple[str, ...]) -> list[str]:
    files = [file for (tag, _), file in CATALOGUE.library.files.items() if tag == language]
    return [
        sentence for file in files for slot in slots for wording in file.of(slot) for sentence in sentences(wording)
    ]


def syllables(word: str, language: str) -> int:
    """Groups of vowels; English drops a silent e."""
    bare = re.sub(r"e$", "", word) if language == "en" and len(word) > 3 and not word.endswith("le") else word
    return max(1, len(re.findall(f"[{VOWELS[language]}]+", bare)))


def measures(language: str, slots: tuple[str, ...]) -> tuple[float, float]:
    """Words in a sentence and syllables in a word, on average. Names of programs and addresses do not count."""
    lines = corpus(language, slots)
    words = [word for line in lines for word in re.findall(r"[^\W\d_]+", line.lower()) if word not in ("x", "stop")]
    return len(words) / len(lines), sum(syllables(word, language) for word in words) / len(words)


def test_english_reads_at_sixth_grade_or_below() -> None:
    for slots, grade in ((("sms",), 5.0), (("means", "next", "dates", "disagree"), 6.0)):
        per_sentence, per_word = measures("en", slots)
        assert 0.39 * per_sentence + 11.8 * per_word - 15.59 < grade


def test_spanish_is_easy_by_the_scale_of_szigriszt() -> None:
    for slots in (("sms",), ("means", "next", "dates", "disagree")):
        per_sentence, per_word = measures("es", slots)
        assert 206.835 - 62.3 * per_word - per_sentence >= 65
