"""The mechanism of the estimators: one contract of parameters, fitted state, interruption and files for all five."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import throughtime as tt
from throughtime import InputError, training
from throughtime.data.datasets import seasonal
from throughtime.io import saved_model
from throughtime.tasks.base import AbstractEstimator
from throughtime.tasks.loading import _LOADERS
from throughtime.tasks.translation import SubwordSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "to be or not to be " * 20
TEXTS, MOODS = ["so good", "good fun", "so bad", "bad taste"] * 10, ["+", "+", "-", "-"] * 10
SENTENCES, TAGS = [["a", "dog"], ["the", "cat"]] * 20, [["DET", "NOUN"], ["DET", "NOUN"]] * 20
SOURCES, TARGETS = ["a b", "b a", "a a b"] * 4, ["b a", "a b", "b a a"] * 4
SMALL_VOCABULARY = SubwordSettings(20)

CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Callable[[Any], Any]]] = {
    "forecast": (
        lambda **params: tt.Forecaster(3, preset="fast", hidden_size=4, **params),
        (seasonal(2, 40),),
        lambda forecaster: forecaster.predict()["throughtime"].to_numpy(),
    ),
    "classify": (
        lambda **params: tt.SequenceClassifier(preset="fast", hidden_size=4, **params),
        (TEXTS, MOODS),
        lambda classifier: classifier.predict_proba(["good", "bad"]),
    ),
    "tag": (
        lambda **params: tt.SequenceTagger(preset="fast", hidden_size=4, **params),
        (SENTENCES, TAGS),
        lambda tagger: np.concatenate(tagger.predict_proba([["the", "dog"]])),
    ),
    "generate": (
        lambda **params: tt.SequenceGenerator(epochs=4, hidden_size=4, **params),
        (TEXT,),
        lambda generator: np.array(generator.score("not to be")),
    ),
    "translate": (
        lambda **params: tt.SequenceTranslator(epochs=4, hidden_size=4, vocabulary=SMALL_VOCABULARY, **params),
        (SOURCES, TARGETS),
        lambda translator: translator.network_.layers.decoder.output.weight.detach().numpy(),
    ),
}
"""An estimator of each task, what it learns from, and numbers that show what it learned."""

TASKS = pytest.mark.parametrize("task", CASES)


@pytest.fixture(scope="module")
def fitted() -> dict[str, bytes]:
    return {task: pickle.dumps(make().fit(*data)) for task, (make, data, _) in CASES.items()}


def test_every_task_that_can_be_loaded_is_tested() -> None:
    assert CASES.keys() == _LOADERS.keys() - {"network", "module"}
    assert {make().task for make, _, _ in CASES.values()} == CASES.keys()
    assert all(isinstance(make(), AbstractEstimator) for make, _, _ in CASES.values())


@TASKS
def test_a_loaded_estimator_predicts_the_same(task: str, fitted: dict[str, bytes], tmp_path: Path) -> None:
    estimator, (_, _, predict) = pickle.loads(fitted[task]), CASES[task]
    estimator.save(tmp_path / "model")
    loaded = tt.load(tmp_path / "model")
    np.testing.assert_array_equal(predict(loaded), predict(estimator))
    assert (loaded.get_params(), loaded.notes_) == (estimator.get_params(), estimator.notes_)
    assert (loaded.history_, loaded.fitted_params_) == (estimator.history_, estimator.fitted_params_)


@TASKS
def test_before_fit_nothing_can_be_asked(task: str, tmp_path: Path) -> None:
    make, _, _ = CASES[task]
    with pytest.raises(NotFittedError):
        make().save(tmp_path / "model")


@TASKS
def test_a_random_state_is_a_number_or_a_generator_or_none(task: str) -> None:
    make, data, predict = CASES[task]
    first, again, other = (predict(make(random_state=np.random.RandomState(seed)).fit(*data)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    make(random_state=None).check_params()
    for wrong in (-1, 1.5, "0", 2**32):
        with pytest.raises(InputError, match="random_state: expected a whole number"):
            make(random_state=wrong).check_params()


@TASKS
def test_parameters_of_the_network_that_were_set_after_fit_are_refused(
    task: str, fitted: dict[str, bytes], tmp_path: Path
) -> None:
    estimator = pickle.loads(fitted[task]).set_params(hidden_size=6)
    with pytest.raises(InputError, match="hidden_size: was 4 in fit and is 6 now"):
        estimator.save(tmp_path / "model")
    estimator.set_params(hidden_size=4).save(tmp_path / "model")


@TASKS
def test_an_interrupted_estimator_is_fitted(task: str, tmp_path: Path) -> None:
    make, data, predict = CASES[task]
    estimator = make()

    def interrupt(progress: training.Progress) -> None:
        if progress.epoch > 1:
            raise KeyboardInterrupt

    with pytest.raises(training.Interrupted):
        estimator.fit(*data, callbacks=[interrupt])
    assert np.isfinite(predict(estimator)).all()
    estimator.save(tmp_path / "model")
    np.testing.assert_array_equal(predict(tt.load(tmp_path / "model")), predict(estimator))


@TASKS
def test_a_failed_fit_changes_nothing(task: str, fitted: dict[str, bytes]) -> None:
    estimator, (_, data, predict) = pickle.loads(fitted[task]), CASES[task]
    before, attributes = predict(estimator), dict(vars(estimator))

    def fail(_: training.Progress) -> None:
        raise RuntimeError("a callback that fails")

    with pytest.raises(RuntimeError, match="a callback that fails"):
        estimator.fit(*data, callbacks=[fail])
    np.testing.assert_array_equal(predict(estimator), before)
    assert all(vars(estimator)[name] is value for name, value in attributes.items())


def changed(estimator: Any, directory: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Save an estimator, change its configuration, and let the checksums fit."""
    estimator.save(directory)
    saved = saved_model.read(directory)
    config = json.loads(json.dumps({k: v for k, v in saved.config.items() if k not in ("files", "schema")}))
    change(config)
    written = saved_model.SavedModel(config, saved.tensors, saved.history)
    saved_model.write(directory, written, overwrite=True)
    return directory


@TASKS
def test_sizes_that_the_parameters_do_not_imply_are_refused(
    task: str, fitted: dict[str, bytes], tmp_path: Path
) -> None:
    estimator = pickle.loads(fitted[task])
    directory = changed(estimator, tmp_path / "model", lambda config: config["sizes"].update(surprise=1))
    with pytest.raises(InputError, match="does not describe a usable model"):
        tt.load(directory)


@TASKS
@pytest.mark.parametrize("hidden_size", [10**9, 2 * 10**7])
def test_sizes_that_no_network_has_are_refused_before_anything_is_built(
    task: str, hidden_size: int, fitted: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(config: dict[str, Any]) -> None:
        config["settings"]["hidden_size"] = hidden_size
        if task != "forecast":
            config["sizes"]["hidden_size"] = hidden_size

    directory = changed(pickle.loads(fitted[task]), tmp_path / "model", change)
    if task != "forecast":
        monkeypatch.setattr(torch.nn.Module, "__init__", lambda *_, **__: pytest.fail("a module was built"))
    with pytest.raises(InputError, match="does not describe a usable model"):
        tt.load(directory)
