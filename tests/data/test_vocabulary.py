"""Tokens and vocabularies: texts become the numbers that they should, in every kind."""

from __future__ import annotations

import pickle

import pytest

from throughtime import InputError
from throughtime.data.text.vocabulary import TOKENS, TokenVocabulary

TEXTS = ["The film didn't move me.", "the FILM moved me!", "Nothing moves in this film's plot"]


def names(vocabulary: TokenVocabulary, text: str) -> list[str]:
    return [vocabulary.tokens[i] for i in vocabulary.encode([text])[0].tolist()]


def test_words_are_cut_at_apostrophes_and_punctuation_and_lose_their_case() -> None:
    vocabulary = TokenVocabulary.learn(TEXTS, "word", rare=1)
    assert names(vocabulary, "The film didn't MOVE me.") == ["the", "film", "didn", "'t", "move", "me", "."]


def test_what_is_unknown_has_number_zero() -> None:
    vocabulary = TokenVocabulary.learn(TEXTS, "word", rare=2)
    assert vocabulary.encode(["the zebra film"])[0].tolist() == [
        vocabulary.tokens.index("the"), 0, vocabulary.tokens.index("film"),
    ]  # fmt: skip
    assert "plot" not in vocabulary.tokens


def test_subwords_cover_words_never_seen() -> None:
    vocabulary = TokenVocabulary.learn(TEXTS * 3, "subword")
    assert 0 not in vocabulary.encode(["filmed"])[0].tolist()
    assert "".join(names(vocabulary, "moved films")) == "▁moved▁films"


def test_characters_keep_case_and_white_space() -> None:
    vocabulary = TokenVocabulary.learn(["ab A\n"], "char", rare=1)
    assert names(vocabulary, "Aa\n b") == ["A", "a", "\n", " ", "b"]


def test_bytes_need_no_learning_and_know_everything() -> None:
    vocabulary = TokenVocabulary.learn([], "byte")
    assert len(vocabulary) == 257
    assert names(vocabulary, "é") == ["c3", "a9"]


@pytest.mark.parametrize("kind", TOKENS)
def test_a_vocabulary_comes_back_from_plain_data_and_from_a_pickle(kind: str) -> None:
    vocabulary = TokenVocabulary.learn(TEXTS * 2, kind)
    for again in (TokenVocabulary.from_json(vocabulary.to_json()), pickle.loads(pickle.dumps(vocabulary))):
        assert again.encode(TEXTS).values.tolist() == vocabulary.encode(TEXTS).values.tolist()
        assert again.encode(TEXTS).lengths.tolist() == vocabulary.encode(TEXTS).lengths.tolist()


def test_a_vocabulary_of_one_is_refused() -> None:
    with pytest.raises(InputError, match="expected at least two different tokens"):
        TokenVocabulary.learn(["word word", "word"], "word")
    with pytest.raises(InputError, match="expected one of word, subword, char, byte, got 'letter'"):
        TokenVocabulary.learn(TEXTS, "letter")


@pytest.mark.parametrize(
    "fault", [{"kind": "letter"}, {"tokens": ["a", "a"]}, {"tokens": [1, 2]}, {"merges": [["a"]]}], ids=str
)
def test_plain_data_that_are_no_vocabulary_are_refused(fault: dict[str, object]) -> None:
    good = TokenVocabulary.learn(TEXTS, "word").to_json()
    with pytest.raises(ValueError, match="the vocabulary is invalid"):
        TokenVocabulary.from_json(good | fault)
