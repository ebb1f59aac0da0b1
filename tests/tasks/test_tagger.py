"""The tagger as its users meet it: tags for words, entities, saving, and bad input."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tests.changed_models import save_changed
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import InputError, training
from throughtime.data.text.conll import read_conll
from throughtime.inference.tagging.inputs import MAX_CHARACTERS, WordEncoder
from throughtime.tasks.tagging import entities
from throughtime.tasks.tagging.estimator import score_tags

if TYPE_CHECKING:
    from pathlib import Path

NAMES, PLACES, WORDS = ("ann", "bob", "eve"), ("oslo", "rome", "bern"), ("saw", "left", "likes", "and", "then")


def quick_tagger(**settings: Any) -> tt.SequenceTagger:
    return tt.SequenceTagger(**{"preset": "fast", "hidden_size": 16, **settings})


def sentences(count: int = 150, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """Words, names and places; what follows 'new' is part of a place's name."""
    random = np.random.default_rng(seed)
    words, tags = [], []
    for _ in range(count):
        line: list[str] = []
        its: list[str] = []
        for _ in range(random.integers(1, 6)):
            match int(random.integers(4)):
                case 0:
                    line.append(str(random.choice(NAMES)))
                    its.append("B-person")
                case 1:
                    line.append(str(random.choice(PLACES)))
                    its.append("B-place")
                case 2:
                    line += ["new", str(random.choice(PLACES))]
                    its += ["B-place", "I-place"]
                case _:
                    line.append(str(random.choice(WORDS)))
                    its.append("O")
        words.append(line)
        tags.append(its)
    return words, tags


@pytest.fixture(scope="module")
def fitted() -> tt.SequenceTagger:
    return quick_tagger().fit(*sentences(200))


def test_tags_depend_on_the_words_around(fitted: tt.SequenceTagger) -> None:
    assert fitted.predict([["ann", "left", "new", "rome"], ["rome"]]) == [
        ["B-person", "O", "B-place", "I-place"],
        ["B-place"],
    ]
    assert fitted.score(*sentences(40, seed=1)) > 0.9


def test_a_word_never_seen_is_tagged_by_its_characters() -> None:
    random = np.random.default_rng(0)
    stems = ["".join(random.choice(list("abcdefg"), 4)) for _ in range(120)]
    words = [[stem + ending] for stem in stems for ending in ("ing", "ed")]
    tagger = quick_tagger().fit(words, [["ING"], ["ED"]] * 120)
    assert tagger.predict([["zzzzing", "zzzzed"]]) == [["ING", "ED"]]


def test_probabilities_are_those_of_the_words_of_each_sentence(fitted: tt.SequenceTagger) -> None:
    words, _ = sentences(20, seed=2)
    proba = fitted.predict_proba(words)
    assert [item.shape for item in proba] == [(len(line), len(fitted.tags_)) for line in words]
    assert_close(np.concatenate(proba).sum(1), np.ones(sum(map(len, words))), "metric")
    alone = [fitted.predict_proba([line])[0] for line in words]
    assert_close(np.float32(np.concatenate(alone)), np.float32(np.concatenate(proba)), "forward")


def test_a_tagger_that_reads_forward_does_not_see_what_follows() -> None:
    tagger = quick_tagger(bidirectional=False, budget=0.5).fit(*sentences(40))
    first, second = tagger.predict_proba([["ann", "left", "oslo"], ["ann", "left", "new"]])
    assert_close(np.float32(first[:2]), np.float32(second[:2]), "forward")


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_any_cell_will_do(cell: str) -> None:
    assert len(quick_tagger(cell=cell, num_layers=2, budget=0.3).fit(*sentences(20)).predict([["ann", "left"]])[0]) == 2


def test_words_whose_tag_is_not_known_are_read_but_not_learned_from() -> None:
    words, tags = sentences(60)
    partly: list[list[str | None]] = [[None if tag == "B-place" else tag for tag in item] for item in tags]
    tagger = quick_tagger(budget=1).fit(words, partly)
    assert "B-place" not in tagger.tags_
    assert tagger.evaluate(words, partly).words.count == sum(tag is not None for item in partly for tag in item)
    assert tagger.evaluate(words, partly).entities is None


def test_other_sentences_may_choose_the_weights() -> None:
    tagger = quick_tagger(budget=0.5).fit(*sentences(30), validation=sentences(20, seed=3))
    assert all(record.validation_loss is not None for record in tagger.history_.records)
    assert quick_tagger(budget=0.3).fit(*sentences(30)).history_.records[0].validation_loss is None
    held_out = quick_tagger(budget=0.3, validation_fraction=0.5).fit(*sentences(60))
    assert "30 sentences were held out" in held_out.notes_[1]


def test_settings_are_stored_and_cloned() -> None:
    copy = clone(quick_tagger(cell="gru"))
    assert copy.get_params() == quick_tagger(cell="gru").get_params()
    with pytest.raises(NotFittedError):
        copy.predict([["word"]])


def test_the_same_seed_gives_the_same_tagger_and_leaves_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    words, tags = sentences(20)
    first, second, other = (quick_tagger(random_state=s).fit(words, tags).predict_proba(words) for s in (1, 1, 2))
    assert_close(first, second, "exact")
    assert not np.array_equal(np.concatenate(first), np.concatenate(other))
    assert torch.equal(before, torch.random.get_rng_state())


def test_ctrl_c_leaves_a_usable_tagger() -> None:
    def interrupt(now: training.Progress) -> None:
        if now.updates:
            raise KeyboardInterrupt

    tagger = quick_tagger()
    with pytest.raises(training.Interrupted):
        tagger.fit(*sentences(30), callbacks=[interrupt])
    assert len(tagger.predict([["ann"]])) == 1


# -- words as numbers


def test_a_word_is_its_number_and_those_of_its_characters() -> None:
    encoder = WordEncoder.learn([["Abc", "abc", "a1"], ["a2"]], rare=2)
    assert encoder.words == ["", "abc", "a0"]
    row = encoder.encode([["ABC"]])[0][0].tolist()
    assert len(row) == 1 + MAX_CHARACTERS
    assert row[0] == 1
    assert row[1:4] == [1, 1, 1]
    assert encoder.encode([["xyz"]])[0][0, 0] == 0


def test_a_long_word_keeps_its_beginning_and_its_end() -> None:
    encoder = WordEncoder.learn([["abcdefghijklmnopqrstuvwxyz"]], rare=1)
    numbers = encoder.encode([["abcdefghijklmnopqrstuvwxyz"]])[0][0, 1:].tolist()
    assert "".join(encoder.characters[i - 2] for i in numbers) == "abcdefghstuvwxyz"


# -- entities


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("B-a I-a O B-a", [("a", 0, 2), ("a", 3, 4)]),
        ("B-a B-a", [("a", 0, 1), ("a", 1, 2)]),
        ("I-a I-a", [("a", 0, 2)]),
        ("B-a I-b", [("a", 0, 1), ("b", 1, 2)]),
        ("O I-b O", [("b", 1, 2)]),
        ("B-per-son I-per-son", [("per-son", 0, 2)]),
    ],
)
def test_entities_are_those_of_conlleval(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert entities.entities(tags.split()) == expected


def test_an_entity_counts_only_whole_and_with_its_type() -> None:
    actual = [["B-a", "I-a", "O", "B-b", "O"], ["B-a"]]
    predicted = [["B-a", "O", "O", "B-b", "O"], ["B-b"]]
    scores = entities.score(actual, predicted)
    assert (scores.n_correct, scores.n_predicted, scores.actual) == (1, 3, 3)
    assert_close([scores.precision, scores.recall, scores.f1], [1 / 3, 1 / 3, 1 / 3], "metric")
    assert scores.by_type == {"a": (0, 1, 2), "b": (1, 2, 1)}


def test_tags_that_mark_no_entities_are_told_from_those_that_do() -> None:
    assert entities.is_bio({"O", "B-a", "I-a"})
    assert not entities.is_bio({"NOUN", "VERB"})
    assert not entities.is_bio({"O"})


def test_a_tag_never_seen_in_training_counts_as_missed() -> None:
    result = score_tags([["A", "Z"]], [["A", "B"]], ["A", "B"])
    assert result.words.classes == ["A", "B", "Z"]
    assert result.words.accuracy == 0.5


# -- model directories


def test_a_loaded_tagger_gives_the_same_bit_for_bit(fitted: tt.SequenceTagger, tmp_path: Path) -> None:
    words, _ = sentences(20, seed=4)
    fitted.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    for again in (loaded, pickle.loads(pickle.dumps(fitted))):
        assert_close(again.predict_proba(words), fitted.predict_proba(words), "exact")
        assert again.predict(words) == fitted.predict(words)
        assert again.get_params() == fitted.get_params()
    loaded.save(tmp_path / "again")
    assert all(
        path.read_bytes() == (tmp_path / "again" / path.name).read_bytes() for path in (tmp_path / "model").iterdir()
    )


FAULTS = {
    "another size": ("sizes", "words", 9),
    "a huge size": ("sizes", "hidden_size", 10**12),
    "another cell": ("settings", "cell", "gru"),
    "tags missing": ("tags", None, ["O"]),
    "a tag twice": ("tags", None, ["O", "O"]),
    "words missing": ("encoder", "words", [""]),
    "a word twice": ("encoder", "words", ["", "a", "a"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_directory_that_describes_no_tagger_is_refused(fault: str, fitted: tt.SequenceTagger, tmp_path: Path) -> None:
    changed = save_changed(fitted, *FAULTS[fault], tmp_path)
    with pytest.raises(InputError, match="does not describe a usable model"):
        tt.load(changed)


# -- bad input


BAD_TRAINING: dict[str, tuple[Any, Any, str]] = {
    "a text": ("a text", [["O"]], "sentences: expected a list of lists of words, got str"),
    "a text among sentences": ([["a"], "b c"], [["A"], ["B"]], "a list of words as sentence 2, got str; split a text"),
    "an empty sentence": ([["a"], []], [["A"], []], "expected a word or more, got none in sentence 2"),
    "an empty word": ([["a", ""]], [["A", "B"]], "got '' as word 2 of sentence 1"),
    "no sentence": ([], [], "expected a sentence or more, got none"),
    "too few tags": ([["a", "b"]], [["A"]], "a tag for each of the 2 words of sentence 1, got 1"),
    "too few sentences of tags": ([["a"], ["b"]], [["A"]], "a list for each of the 2 sentences, got 1"),
    "a single tag": ([["a", "b"]], [["A", "A"]], "expected two different tags or more, got A"),
    "no tag": ([["a", "b"]], [[None, None]], "expected two different tags or more, got none"),
    "a number as tag": ([["a", "b"]], [[1, "A"]], "expected text, or None where a tag is not known, got 1"),
}


@pytest.mark.parametrize("fault", BAD_TRAINING)
def test_training_is_refused_with(fault: str) -> None:
    words, tags, sentence = BAD_TRAINING[fault]
    with pytest.raises(InputError, match=sentence):
        quick_tagger().fit(words, tags)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"cell": "grub"}, "cell: expected one of rnn, gru, lstm"),
        ({"hidden_size": 0}, "hidden_size: expected a whole number of 1 or more"),
        ({"preset": "quick"}, "preset: expected one of fast, balanced, best"),
        ({"dropout": 2}, "dropout: expected a number of 0 or more"),
    ],
    ids=str,
)
def test_a_setting_is_refused(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        quick_tagger(**setting).fit(*sentences(5))


# -- real data


@pytest.mark.slow
def test_parts_of_speech_of_real_english_are_told(data_dir: Path) -> None:
    directory = data_dir / "tagging/ud_english_ewt"
    words, tags, _ = read_conll(directory / "en_ewt-ud-train.conllu.gz")
    tagger = tt.SequenceTagger(preset="fast").fit(words[:4000], tags[:4000])
    evaluation = tagger.evaluate(*read_conll(directory / "en_ewt-ud-test.conllu.gz")[:2]).words
    assert evaluation.accuracy > 0.85 > evaluation.majority
