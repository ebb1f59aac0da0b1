"""Vocabularies: every unit writes back what it has read, and refuses what it cannot read."""

from __future__ import annotations

import pytest

from throughtime import InputError
from throughtime.data.text.symbols import LINE_END, UNITS, UNKNOWN, SymbolVocabulary

TEXT = "the cat and the dog\nthe dog and the cat\n"


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("text", [TEXT, TEXT[:-1], "the cat\n\nthe dog and the cat and the dog"])
def test_a_text_comes_back_as_it_was(unit: str, text: str) -> None:
    vocabulary = SymbolVocabulary.of(text, unit)
    numbers = vocabulary.encode(text)
    assert vocabulary.decode(numbers) == text
    assert 0 <= numbers.min() <= numbers.max() < len(vocabulary)


def test_bytes_of_one_character_are_written_together() -> None:
    vocabulary = SymbolVocabulary.of("né à Orléans", "bytes")
    pieces = list(vocabulary.write(vocabulary.encode("né")))
    assert pieces == ["n", "", "é"]
    assert vocabulary.decode([0xC3]) == "\ufffd"


def test_words_that_occur_once_are_unknown() -> None:
    vocabulary = SymbolVocabulary.of("a b a b c", "words")
    assert vocabulary.symbols == (UNKNOWN, "a", "b")
    assert vocabulary.decode(vocabulary.encode("c a d")) == f"{UNKNOWN} a {UNKNOWN}"


def test_a_text_that_marks_its_unknown_words_keeps_all_others() -> None:
    assert set(SymbolVocabulary.of("a <unk> b\n", "words").symbols) == {"a", "b", UNKNOWN, LINE_END}


def test_words_go_on_behind_a_prompt_with_a_blank() -> None:
    vocabulary = SymbolVocabulary.of(TEXT, "words")
    assert "".join(vocabulary.write(vocabulary.encode("cat"), after="the")) == " cat"
    assert "".join(vocabulary.write(vocabulary.encode("cat"), after="the ")) == "cat"


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("", "characters", "text: it is empty"),
        (" \n ", "words", "got only blanks"),
        (["a"], "characters", "expected a string, got list"),
        ("aaaa", "characters", "at least two different characters, got 1"),
        ("aaaa", "bytes", "at least two different bytes, got 1"),
        ("all words differ", "words", "at least two different words that occur twice, got 1"),
        ("text", "syllables", "unit: expected one of characters, bytes, words, got 'syllables'"),
    ],
)
def test_a_text_without_a_choice_is_refused(text: object, unit: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SymbolVocabulary.of(text, unit)


def test_a_character_that_is_not_known_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match="'x', character 3, did not occur in training"):
        SymbolVocabulary.of("abc", "characters").encode("abx")
