"""The classifier as its users meet it: every form of input, the estimator's contract, saving, and bad input."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.changed_models import save_changed
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import InputError, nn, training
from throughtime.data.series.ts_files import read_ts
from throughtime.tasks.classification.augmentation import augment
from throughtime.tasks.classification_metrics import Evaluation

if TYPE_CHECKING:
    from pathlib import Path

GOOD, BAD = ("fine", "lovely", "great"), ("dull", "awful", "poor")
NEUTRAL = ("the", "film", "is", "a", "story", "of", "two", "men")


def quick_classifier(**settings: Any) -> tt.SequenceClassifier:
    return tt.SequenceClassifier(**{"preset": "fast", "hidden_size": 8, **settings})


def texts(count: int = 120, seed: int = 0) -> tuple[list[str], list[str]]:
    """Neutral words around one that decides."""
    random = np.random.default_rng(seed)
    labels = [("+", "-")[i % 2] for i in range(count)]
    items = []
    for label in labels:
        words = random.choice(NEUTRAL, random.integers(2, 9)).tolist()
        words.insert(random.integers(len(words) + 1), random.choice(GOOD if label == "+" else BAD))
        items.append(" ".join(words))
    return items, labels


def movements(count: int = 60, channels: int = 2, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Noise with a slow or a fast wave in its first channel, 12 to 20 steps long."""
    random = np.random.default_rng(seed)
    labels = [("fast", "slow")[i % 2] for i in range(count)]
    actual = []
    for label in labels:
        t = np.arange(random.integers(12, 21))
        x = 0.3 * random.normal(size=(len(t), channels))
        x[:, 0] += np.sin(t * (2.0 if label == "fast" else 0.5) + random.uniform(0, 6))
        actual.append(100 + 10 * x)
    return actual, labels


@pytest.fixture(scope="module")
def reader() -> tt.SequenceClassifier:
    return quick_classifier().fit(*texts())


@pytest.fixture(scope="module")
def watcher() -> tt.SequenceClassifier:
    return quick_classifier(hidden_size=16).fit(*movements(120))


PLAIN = {"preset": "fast", "hidden_size": 16, "cell": "rnn", "bidirectional": False, "pooling": "mean"}


@parametrize_with_checks([tt.SequenceClassifier(**PLAIN)])
def test_the_contract_of_scikit_learn_holds(estimator: Any, check: Any) -> None:
    check(estimator)


# -- what it learns from


def test_a_mood_is_read_off_words_never_seen_together(reader: tt.SequenceClassifier) -> None:
    assert reader.score(*texts(seed=1)) > 0.95


def test_movements_of_different_lengths_are_told_apart(watcher: tt.SequenceClassifier) -> None:
    assert watcher.score(*movements(seed=1)) > 0.9


@pytest.mark.parametrize("pooling", ["final", "mean", "max", "attention"])
def test_pooling_does_not_see_what_is_behind_the_end(pooling: str) -> None:
    layer = nn.GRU(2, 3, batch_first=True, bidirectional=True)
    pool = nn.Pooling(layer, pooling)
    x = torch.randn(1, 4, 2)
    longer = torch.cat([x, torch.zeros(1, 3, 2)], 1)
    expected = pool(*layer(x))
    assert_close(pool(*layer(longer, lengths=[4]), lengths=[4]), expected, "forward")
    # Nor does it rely on the outputs being zero there.
    h, state = layer(longer, lengths=[4])
    h[:, 4:] = 9.0
    assert_close(pool(h, state, lengths=[4]), expected, "forward")


@pytest.mark.parametrize("tokens", ["word", "subword", "char", "byte"])
def test_texts_may_consist_of(tokens: str) -> None:
    X, y = texts(60)
    proba = quick_classifier(tokens=tokens, preset="fast", budget=1).fit(X, y).predict_proba(["fine", "größer 🙂"])
    assert_close(proba.sum(1), np.ones(2), "metric")


@pytest.mark.parametrize("pooling", ["final", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_any_cell_and_pooling_will_do(cell: str, pooling: str) -> None:
    classifier = quick_classifier(cell=cell, pooling=pooling, num_layers=2, bidirectional=False, budget=0.3).fit(
        *movements(20)
    )
    assert set(classifier.predict(movements(4)[0])) <= {"fast", "slow"}


def test_columns_of_frames_and_arrays_are_texts_too(reader: tt.SequenceClassifier) -> None:
    X, _ = texts(10)
    expected = reader.predict_proba(X)
    for column in (pd.Series(X), pl.Series(X), np.array(X), np.array(X, dtype=object), tuple(X)):
        assert_close(reader.predict_proba(column), expected, "exact")


def test_arrays_tensors_and_lists_of_arrays_are_the_same_sequences() -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(30, 12, 2)), np.arange(30) % 3
    classifier = quick_classifier(budget=0.3).fit(X, y)
    expected = classifier.predict_proba(X)
    for same in (list(X), torch.from_numpy(X), X.tolist()):
        assert_close(classifier.predict_proba(same), expected, "exact")


def test_a_matrix_is_read_as_sequences_of_single_numbers() -> None:
    X, y = np.random.default_rng(0).normal(size=(16, 12)), np.arange(16) % 2
    matrix, cube = (quick_classifier().fit(x, y) for x in (X, X[:, :, None]))
    assert matrix.n_features_in_ == 12
    assert_close(matrix.predict_proba(X), cube.predict_proba(X[:, :, None]), "exact")
    assert_close(cube.predict_proba(X), cube.predict_proba(X[:, :, None]), "exact")


def test_company_in_a_batch_changes_nothing(watcher: tt.SequenceClassifier) -> None:
    X, _ = movements(9)
    alone = np.concatenate([watcher.predict_proba([x]) for x in X])
    assert_close(np.float32(alone), np.float32(watcher.predict_proba(X)), "forward")


def test_the_scale_of_a_channel_does_not_matter() -> None:
    X, y = movements(20)
    plain, scaled = (
        quick_classifier(hidden_size=4).fit([x * scale for x in X], y) for scale in ([1, 1], [2.0**-20, 2.0**20])
    )
    assert_close(scaled.predict_proba([x * [2.0**-20, 2.0**20] for x in X]), plain.predict_proba(X), "exact")


def test_long_sequences_are_read_several_steps_at_once() -> None:
    X, y = movements(20)
    classifier = quick_classifier(budget=0.3).fit([np.tile(x, (9, 1)) for x in X], y)
    assert classifier.encoder_.block == 6
    assert "each recurrent step reads 6 of their steps" in " ".join(classifier.notes_)


def test_variants_of_a_sequence_keep_their_length_and_what_lies_behind_it() -> None:
    torch.manual_seed(0)
    time = torch.linspace(0, 1, 100)
    x = torch.stack([time, time.square()], -1).repeat(50, 1, 1)
    x[:25, 60:] = 0
    lengths = torch.tensor([60] * 25 + [100] * 25)
    result = augment(x, lengths)
    assert result.shape == x.shape
    moved = (result - x).abs()[25:]
    assert 0.01 < moved.mean() < 0.15
    assert not torch.equal(result[30], result[31])


def test_missing_values_are_said_and_lie_between_their_neighbours() -> None:
    X, y = movements(20)
    gaps = [x.astype(float).copy() for x in X]
    for x in gaps:
        x[2] = np.nan
    classifier = quick_classifier(budget=0.3).fit(gaps, y)
    count = sum(x.shape[1] for x in gaps)
    assert any(f"{count} values are missing" in note for note in classifier.notes_)
    filled = [x.copy() for x in gaps]
    for x in filled:
        x[2] = (x[1] + x[3]) / 2
    assert_close(np.float32(classifier.predict_proba(gaps)), np.float32(classifier.predict_proba(filled)), "forward")


def test_scores_after_each_word_end_with_those_of_the_text(reader: tt.SequenceClassifier) -> None:
    X = ["the film is fine", "awful"]
    steps = reader.steps_proba(X)
    assert [item.shape for item in steps] == [(4, 2), (1, 2)]
    assert_close(np.float32([item[-1] for item in steps]), np.float32(reader.predict_proba(X)), "forward")
    positive = steps[0][:, reader.classes_.tolist().index("+")]
    assert positive[3] > positive[2]
    assert_close(np.float32(steps[0][1:2]), np.float32(reader.predict_proba(["the film"])), "forward")


def test_scores_after_each_step_see_the_past_alone(watcher: tt.SequenceClassifier) -> None:
    X, _ = movements(2)
    changed = X[0].copy()
    changed[8:] = 0
    first, second = watcher.steps_proba([X[0], changed])
    assert_close(np.float32(first[:8]), np.float32(second[:8]), "forward")
    assert len(first) == len(X[0])


def test_rare_classes_weigh_more_where_so_asked() -> None:
    random = np.random.default_rng(0)
    y = (np.arange(100) % 10 == 0).astype(int)
    X = random.normal(size=(100, 5)) + 0.6 * y[:, None]
    plain, balanced = (quick_classifier(class_weight=w).fit(X, y).evaluate(X, y).recall[1] for w in (None, "balanced"))
    assert balanced > plain


def test_other_sequences_may_choose_the_weights() -> None:
    classifier = quick_classifier(budget=0.5).fit(*texts(40), validation=texts(20, seed=3))
    assert all(record.validation_loss is not None for record in classifier.history_.records)
    assert quick_classifier(budget=0.2).fit(*texts(40)).history_.records[0].validation_loss is None
    assert "20 of them were held out" in quick_classifier(budget=0.2).fit(*texts(200)).notes_[1]


def test_few_sequences_are_judged_by_several_networks() -> None:
    X, y = movements(20)
    classifier = tt.SequenceClassifier(hidden_size=4, budget=0.5).fit(X, y)
    assert classifier.network_.sizes.members == 5
    assert "5 networks" in " ".join(classifier.notes_)


# -- an estimator


def test_the_same_seed_gives_the_same_classifier() -> None:
    X, y = movements(20)
    first, second, other = (quick_classifier(random_state=s).fit(X, y).predict_proba(X) for s in (1, 1, 2))
    assert_close(first, second, "exact")
    assert not np.array_equal(first, other)


def test_fitting_leaves_random_numbers_alone() -> None:
    before = torch.random.get_rng_state()
    quick_classifier(budget=0.2).fit(*texts(40))
    assert torch.equal(before, torch.random.get_rng_state())


def test_settings_are_stored_and_cloned() -> None:
    classifier = quick_classifier(class_weight={"+": 1.0, "-": 2.0}, cell="lstm")
    copy = clone(classifier)
    assert copy.get_params() == classifier.get_params()
    assert len(classifier.get_params()) == 12
    with pytest.raises(NotFittedError):
        copy.predict(["text"])


def test_ctrl_c_leaves_a_usable_classifier() -> None:
    def interrupt(now: training.Progress) -> None:
        if now.epoch > 1:
            raise KeyboardInterrupt

    classifier = quick_classifier()
    with pytest.raises(training.Interrupted):
        classifier.fit(*texts(), callbacks=[interrupt])
    assert classifier.predict(["fine"]).shape == (1,)


# -- scores


def test_an_evaluation_counts_what_was_taken_for_what() -> None:
    evaluation = Evaluation.from_predictions([0, 0, 0, 1, 2], [0, 0, 1, 1, 1], ["a", "b", "c"])
    assert evaluation.confusion.tolist() == [[2, 1, 0], [0, 1, 0], [0, 1, 0]]
    assert (evaluation.count, evaluation.accuracy, evaluation.majority) == (5, 0.6, 0.6)
    assert_close(evaluation.precision, np.array([1, 1 / 3, 0]), "metric")
    assert_close(evaluation.recall, np.array([2 / 3, 1, 0]), "metric")
    assert_close(evaluation.f1, np.array([0.8, 0.5, 0]), "metric")
    assert_close(evaluation.macro_f1, 1.3 / 3, "metric")


def test_an_evaluation_agrees_with_scikit_learn(reader: tt.SequenceClassifier) -> None:
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    X, y = texts(50, seed=5)
    y[:7] = reversed(y[:7])
    evaluation, predicted = reader.evaluate(X, y), reader.predict(X)
    assert evaluation.confusion.tolist() == confusion_matrix(y, predicted).tolist()
    assert_close(evaluation.accuracy, accuracy_score(y, predicted), "metric")
    assert_close(evaluation.macro_f1, f1_score(y, predicted, average="macro"), "metric")
    assert_close(reader.score(X, y), evaluation.accuracy, "exact")


# -- model directories


@pytest.mark.parametrize("name", ["reader", "watcher"])
def test_a_loaded_classifier_gives_the_same_bit_for_bit(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    fitted = request.getfixturevalue(name)
    X = texts(20, seed=2)[0] if name == "reader" else movements(20, seed=2)[0]
    fitted.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    for again in (loaded, pickle.loads(pickle.dumps(fitted))):
        assert_close(again.predict_proba(X), fitted.predict_proba(X), "exact")
        assert again.predict(X).tolist() == fitted.predict(X).tolist()
        assert again.get_params() == fitted.get_params()
        assert again.notes_ == fitted.notes_
    loaded.save(tmp_path / "again")
    files = {path.name for path in (tmp_path / "model").iterdir()}
    assert files == {"model.safetensors", "config.json", "history.jsonl"}
    assert all((tmp_path / "model" / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)


@pytest.mark.parametrize("kind", [int, float, bool, str])
def test_classes_keep_their_type(kind: type, tmp_path: Path) -> None:
    X, _ = movements(20)
    weights = {kind(0): 1.0, kind(1): 2.0}
    fitted = quick_classifier(budget=0.3, class_weight=weights).fit(X, [kind(i % 2) for i in range(20)])
    fitted.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    assert loaded.classes_.dtype == fitted.classes_.dtype
    assert loaded.class_weight == weights


FAULTS = {
    "another size": ("sizes", "hidden_size", 9),
    "a huge size": ("sizes", "hidden_size", 10**12),
    "a negative size": ("sizes", "members", -1),
    "another cell": ("settings", "cell", "lstm"),
    "no cell": ("settings", "cell", "grub"),
    "classes missing": ("classes", None, ["+"]),
    "a class twice": ("classes", None, ["+", "+"]),
    "tokens missing": ("encoder", "tokens", ["a", "b"]),
    "no encoder": ("encoder", None, {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_directory_that_describes_no_classifier_is_refused(
    fault: str, reader: tt.SequenceClassifier, tmp_path: Path
) -> None:
    changed = save_changed(reader, *FAULTS[fault], tmp_path)
    with pytest.raises(InputError, match="does not describe a usable model"):
        tt.load(changed)


# -- bad input


SEQUENCES = movements(6)[0]
LABELS = list("ababab")
BAD_TRAINING: dict[str, tuple[Any, Any, str]] = {
    "an empty text": (["good", "  ", "bad"], "aba", "got an empty text as number 2"),
    "something else among texts": (["good", None, "bad"], "aba", "got a missing value as number 2"),
    "a single text": ("good", "a", r"got a single str; write \[X\]"),
    "nothing": ([], [], "expected sequences or texts, got none"),
    "mixed widths": ([*SEQUENCES[:5], SEQUENCES[5][:, :1]], LABELS, "expected 2 channels as in sequence 1, got 1 in"),
    "mixed dimensions": (
        [*SEQUENCES[:5], SEQUENCES[5][:, 0]],
        LABELS,
        "two dimensions each, got 1 in sequence 6 and 2 in sequence 1",
    ),
    "no step": ([*SEQUENCES[:5], SEQUENCES[5][:0]], LABELS, "one step or more, got none in sequence 6"),
    "infinity": ([*SEQUENCES[:5], SEQUENCES[5] * [np.inf, 1]], LABELS, "got infinity in sequence 6, step 1"),
    "a single class": (SEQUENCES, ["a"] * 6, "expected two classes or more, got one class, 'a'"),
    "too few classes": (SEQUENCES, LABELS[:5], "expected a class for each of the 6 sequences, got 5"),
    "no classes": (SEQUENCES, None, "requires y to be passed"),
}


@pytest.mark.parametrize("fault", BAD_TRAINING)
def test_training_is_refused_with(fault: str) -> None:
    X, y, sentence = BAD_TRAINING[fault]
    with pytest.raises(ValueError, match=sentence):
        quick_classifier().fit(X, y if y is None else list(y))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"cell": "grub"}, "cell: expected one of rnn, gru, lstm, got 'grub'"),
        ({"hidden_size": 0}, "hidden_size: expected a whole number of 1 or more, got 0"),
        ({"num_layers": True}, "num_layers: expected a whole number"),
        ({"pooling": "sum"}, "pooling: expected one of final, mean, max, attention, got 'sum'"),
        ({"tokens": "letter"}, "tokens: expected one of word, subword, char, byte"),
        ({"dropout": 1.0}, "dropout: expected a number of 0 or more and less than 1"),
        ({"validation_fraction": -0.1}, "validation_fraction: expected a number of 0 or more"),
        ({"preset": "quick"}, "preset: expected one of fast, balanced, best, got 'quick'"),
        ({"class_weight": {"?": 2.0}}, r"class_weight: expected some of the classes 'fast', 'slow', got '\?'"),
        ({"class_weight": "even"}, "class_weight: expected None, 'balanced' or a dict of weights, got 'even'"),
        ({"budget": "soon"}, "budget: expected a time"),
    ],
    ids=str,
)
def test_a_setting_is_refused(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        quick_classifier(**setting).fit(*movements(6))


def test_other_kinds_and_widths_than_in_training_are_refused(
    reader: tt.SequenceClassifier, watcher: tt.SequenceClassifier
) -> None:
    with pytest.raises(InputError, match="expected texts as in training, got numbers"):
        reader.predict(SEQUENCES)
    with pytest.raises(InputError, match="expected sequences of numbers as in training, got texts"):
        watcher.predict(["text"])
    with pytest.raises(InputError, match="expected 2 channels as in the training data, got 3 in sequence 1"):
        watcher.predict(movements(2, channels=3)[0])


def test_an_unknown_label_is_refused_at_scoring(reader: tt.SequenceClassifier) -> None:
    for ask in (reader.score, reader.evaluate):
        with pytest.raises(InputError, match=r"expected one of the classes '\+', '-', got '\?' in row 2"):
            ask(["fine", "dull"], ["+", "?"])
    with pytest.raises(InputError, match="validation: expected one of the classes"):
        quick_classifier().fit(*texts(10), validation=(["fine"], ["?"]))


# -- real data


@pytest.mark.slow
def test_it_beats_the_nearest_neighbour_on_real_recordings(data_dir: Path) -> None:
    for name, least in (("JapaneseVowels", 0.95), ("BasicMotions", 0.9)):
        directory = data_dir / "classification/ucr_uea" / name
        classifier = tt.SequenceClassifier().fit(*read_ts(directory / f"{name}_TRAIN.ts"))
        assert classifier.score(*read_ts(directory / f"{name}_TEST.ts")) > least, name
