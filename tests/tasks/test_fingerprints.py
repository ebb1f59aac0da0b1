"""A model knows what it has learned from, so that an evaluation neither scores it nor calls it unseen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.app.process import run_in_process, write

import throughtime as tt
from throughtime.tasks import fingerprints
from throughtime.tasks.fingerprints import Fingerprints, Overlap, duplicate_notes

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [f"{'good' if i % 2 else 'bad'} film number {i}" for i in range(24)]
LABELS = ["+" if i % 2 else "-" for i in range(24)]


def classifier() -> Any:
    return tt.SequenceClassifier(preset="fast", hidden_size=4, budget=0.2)


@pytest.mark.parametrize(
    ("in_training", "again", "new"),
    [
        ("a good film", " a  good film\n", "a good  film !"),
        (["a", "good", "film"], ("a", "good", "film"), ["a", "good film"]),
        (np.array([[1.0], [np.nan], [0.0]]), np.array([[1.0], [-np.nan], [-0.0]], dtype=np.float32), np.ones((3, 1))),
    ],
)
def test_a_sequence_is_recognized_by_its_content(in_training: Any, again: Any, new: Any) -> None:
    result = Fingerprints.from_sequences([in_training]).overlap([again, new])
    assert result.in_training.tolist() == [True, False]
    assert result.scored.tolist() == [1]


def test_an_excerpt_of_a_learned_text_is_recognized_wherever_it_begins() -> None:
    random = np.random.default_rng(0)
    in_training, fresh = ("".join(random.choice(list("abcdefgh "), 2000)) for _ in range(2))
    is_known = Fingerprints.from_texts([in_training])
    for start in range(0, 40, 7):
        assert is_known.overlap_of_text(in_training[start : start + 63]).all_in_training
    mixed = is_known.overlap_of_text(fresh[:1000] + in_training[500:1500] + fresh[1000:])
    assert not mixed.in_training[:1000].any()
    assert not mixed.in_training[2000:].any()
    assert mixed.in_training[1015:1985].all()
    assert not is_known.overlap_of_text(fresh[:40]).is_known  # shorter than what can be recognized


def test_many_sequences_are_kept_as_some_of_their_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "_MAX_HASHES", 8)
    assert len(Fingerprints.from_sequences(TEXTS).hashes) == 8
    assert Fingerprints.from_sequences(TEXTS).overlap(TEXTS).in_training.sum() == 8
    assert Fingerprints.from_texts(["x" * 1600]).stride == 200


def test_fingerprints_are_saved_and_damaged_ones_are_refused() -> None:
    fingerprints = Fingerprints.from_sequences(TEXTS)
    tensors = fingerprints.to_tensors()
    np.testing.assert_array_equal(Fingerprints.from_tensors(tensors).hashes, fingerprints.hashes)
    former = Fingerprints.from_tensors({})
    assert former.overlap(TEXTS).qualify("texts") == "texts"  # neither seen nor unseen
    assert "is not known" in former.overlap(TEXTS).notes[0]
    for damaged in (tensors["fingerprints.hashes"].flip(0), torch.zeros(2), torch.zeros(2, 2, dtype=torch.int64)):
        with pytest.raises(ValueError, match="damaged"):
            Fingerprints.from_tensors(tensors | {"fingerprints.hashes": damaged})


@pytest.mark.parametrize(
    ("in_training", "words", "note"),
    [
        ([False, False], "unseen texts", []),
        ([True, False], "other texts", ["1 of 2 sequences were part of the training data and are not scored."]),
        (
            [True, True],
            "texts of the training data",
            ["All 2 sequences were part of the training data: these are scores on training data."],
        ),
    ],
)
def test_only_what_was_not_learned_from_is_called_unseen(in_training: list[bool], words: str, note: list[str]) -> None:
    overlap = Overlap(np.array(in_training))
    assert overlap.qualify("texts") == words
    assert overlap.notes == note


def test_a_classifier_scores_what_it_has_not_learned_from() -> None:
    fitted = classifier().fit(TEXTS, LABELS)
    fresh, labels = ["bad good", "some other bad one"], ["+", "-"]
    mixed = fitted.evaluate([*TEXTS[:5], *fresh], [*LABELS[:5], *labels])
    assert mixed.count == 2
    assert mixed.overlap.in_training.sum() == 5
    np.testing.assert_array_equal(mixed.confusion, fitted.evaluate(fresh, labels).confusion)
    every = fitted.evaluate(TEXTS, LABELS)
    assert (every.count, every.overlap.all_in_training) == (24, True)
    matrix = np.random.default_rng(0).normal(size=(20, 5))
    numbers = classifier().fit(matrix, LABELS[:20])
    assert numbers.overlap(np.concatenate([matrix[:2], matrix[:2] + 1])).in_training.tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_held_out_sequences_that_are_learned_from_too_are_counted() -> None:
    fitted = classifier().fit(TEXTS, LABELS, validation=([*TEXTS[:3], "good one"], [*LABELS[:3], "+"]))
    assert "3 of 4 held-out sequences also occur in the part that is learned from." in fitted.notes_
    assert fitted.overlap(["good one"]).all_in_training  # it chose the weights
    assert duplicate_notes(TEXTS, ["another"], "texts") == []


def test_other_tasks_know_what_they_have_learned_from(tmp_path: Path) -> None:
    words, tags = [["a", "dog", str(i)] for i in range(6)], [["D", "N", "X"]] * 6
    tagger = tt.SequenceTagger(preset="fast", hidden_size=4, budget=0.2).fit(words, tags)
    tagger.save(tmp_path / "tagger")
    evaluation = tt.load(tmp_path / "tagger").evaluate([*words[:2], ["dog"]], [*tags[:2], ["N"]])
    assert (evaluation.words.count, evaluation.qualify("words")) == (1, "other words")
    text = "".join(np.random.default_rng(1).choice(list("abcd "), 400))
    writer = tt.SequenceGenerator(hidden_size=4, epochs=1).fit(text)
    writer.save(tmp_path / "writer")
    fresh = text[::-1][:100]
    scores = tt.load(tmp_path / "writer").evaluate(text[:300] + fresh)
    assert scores.overlap.in_training.sum() == pytest.approx(300, abs=16)
    assert scores.steps == pytest.approx(99, abs=16)
    assert writer.evaluate(text).qualify("steps") == "steps of the training data"
    tune = [[[60 + i], [62], [64]] for i in range(3)]
    player = tt.SequenceGenerator(hidden_size=4, epochs=1).fit(tune)
    assert player.evaluate([tune[0], [[70], [71]]]).steps == 1


def test_the_command_line_says_what_was_learned_from(tmp_path: Path) -> None:
    write(tmp_path / "x.tsv", ["label\ttext", *map("\t".join, zip(LABELS, TEXTS, strict=True))])
    fast = ("--preset", "fast", "--set", "hidden_size=4", "--budget", "1s")
    out, err = run_in_process("train", "classify", "x.tsv", "--test", "x.tsv", *fast, "--out", "run", cwd=tmp_path)
    assert "All 24 sequences were part of the training data: these are scores on training data." in err
    assert "24 sequences of the training data are classified correctly" in out
    assert "unseen" not in (out + err + (tmp_path / "run/report.html").read_text()).lower()
    write(tmp_path / "y.tsv", ["label\ttext", f"+\t{TEXTS[1]}", "+\tso good"])
    out, err = run_in_process("evaluate", "run", "y.tsv", cwd=tmp_path)
    assert "1 of 2 sequences were part of the training data and are not scored." in err
    assert "of 1 other sequences" in out
    output = json.loads(run_in_process("evaluate", "run", "y.tsv", "--json", cwd=tmp_path)[0])
    assert output["overlap"] == {"given": 2, "learned_from": 1, "training_scores": False}
