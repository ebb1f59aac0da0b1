"""The contract of scikit-learn: its own checks over all five estimators, its pipelines and its searches.

The checks bring arrays (N, T) of numbers. The classifier reads those as they are. The other estimators take frames,
sentences or pieces, and say so by their tags, which would leave one check to run. So each is given a reading of such
arrays here, in a subclass that changes nothing else: all checks run through the estimator's own `fit` and the rest.
"""

# pyright: reportIncompatibleMethodOverride=false
# scikit-learn's checks call fit(X, y) and predict(X), whatever an estimator reads.

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted, validate_data

import throughtime as tt
from throughtime import InputError
from throughtime.tasks.forecasting import presets as forecasting
from throughtime.tasks.tagging import estimator as tagging
from throughtime.tasks.trainer import TrainingBudget


class Reading:
    """Tables of numbers as inputs of an estimator, validated as scikit-learn asks of estimators that take tables."""

    def table(self: Any, X: Any, *, reset: bool) -> np.ndarray:
        if not reset:
            check_is_fitted(self)
        return np.round(np.asarray(validate_data(self, X, reset=reset), dtype=np.float64), 1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.two_d_array, tags.input_tags.allow_nan = True, False
        tags.target_tags.required = False
        return tags


class TableForecaster(Reading, tt.Forecaster):
    """The first column as a series; a forecast for each row."""

    def __init__(self, horizon: int = 2, *, cell: str = "gru", hidden_size: int = 4, preset: str = "fast") -> None:
        super().__init__(horizon, cell=cell, hidden_size=hidden_size, preset=preset)

    def fit(self, X: Any, y: Any = None) -> Self:
        return super().fit(_frame(self.table(X, reset=True)))

    def predict(self, X: Any) -> np.ndarray:
        return super().predict(_frame(self.table(X, reset=False)))["throughtime"].to_numpy()

    def score(self, X: Any, y: Any = None) -> float:
        table = self.table(X, reset=False)
        return super().score(_frame(table, first=int(self.panel_.lengths[0])))


class TableTagger(Reading, tt.SequenceTagger):
    """Each row as a sentence, each number as a word with its sign as the tag."""

    def fit(self, X: Any, y: Any = None) -> Self:
        table = self.table(X, reset=True)
        return super().fit(_words(table), _signs(table))

    def predict(self, X: Any) -> np.ndarray:
        return np.array(super().predict(self.sentences(X))) == "P"

    def predict_proba(self, X: Any) -> Any:
        return np.stack(super().predict_proba(self.sentences(X)))

    def score(self, X: Any, y: Any = None) -> float:
        table = self.table(X, reset=False)
        return np.mean(self.predict(X) == (np.array(_signs(table)) == "P")).item()

    def sentences(self, X: Any) -> Sentences:
        return X if isinstance(X, Sentences) else _words(self.table(X, reset=False))


class TableTranslator(Reading, tt.SequenceTranslator):
    """Each row as a sentence that is its own translation; the translation's length for each row."""

    def fit(self, X: Any, y: Any = None) -> Self:
        lines = [" ".join(words) for words in _words(self.table(X, reset=True))]
        return super().fit(lines, lines)

    def predict(self, X: Any) -> np.ndarray:
        lines = [" ".join(words) for words in _words(self.table(X, reset=False))]
        return np.array([len(line) for line in super().predict(lines, beams=1)])

    def score(self, X: Any, y: Any = None) -> float:
        lines = [" ".join(words) for words in _words(self.table(X, reset=False))]
        return self.bleu(tt.SequenceTranslator.predict(self, lines, beams=1), lines)


class TableGenerator(Reading, tt.SequenceGenerator):
    """Each row as a piece, each number as a note."""

    def fit(self, X: Any, y: Any = None) -> Self:
        return super().fit(_pieces(self.table(X, reset=True)))

    def score(self, X: Any, y: Any = None) -> float:
        return super().score(_pieces(self.table(X, reset=False)))


class Sentences(list[list[str]]):
    """Sentences that were read already."""


def _frame(table: np.ndarray, first: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"ds": first + np.arange(len(table)), "y": table[:, 0]})


def _words(table: np.ndarray) -> Sentences:
    return Sentences([list(map(str, row)) for row in table.tolist()])


def _signs(table: np.ndarray) -> list[list[str]]:
    return np.where(table > np.median(table), "P", "N").tolist()


def _pieces(table: np.ndarray) -> list[list[list[int]]]:
    return [[[21 + int(abs(value)) % 88] for value in row] for row in table.tolist()]


SMALL: dict[str, Any] = {"preset": "fast", "hidden_size": 4}
ESTIMATORS = [
    TableForecaster(),
    TableTagger(**SMALL),
    TableTranslator(**SMALL, epochs=1),
    TableGenerator(**SMALL, epochs=1),
]


ORDER = "the rows of a series are its past: another order, or a part of them, is another series"
EXPECTED_FAILURES = {
    TableForecaster: {
        "check_methods_sample_order_invariance": ORDER,
        "check_methods_subset_invariance": ORDER,
        "check_fit2d_1sample": "a series of one value is refused in words of series: no message names samples",
    },
    TableTranslator: {
        "check_parameters_default_constructible": "the defaults of vocabulary and teacher_forcing are frozen values",
    },
}
"""Checks that an estimator does not pass, and why; docs/tasks.md repeats them."""


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda model: EXPECTED_FAILURES.get(type(model), {}))
def test_the_contract_of_scikit_learn_holds(estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tagging.PRESETS, "fast", TrainingBudget(20, 1, 2))  # how well it learns does not matter here
    monkeypatch.setitem(forecasting.PRESETS, "fast", tt.Preset(2, 4))
    check(estimator)


# -- pipelines and searches over frames

MONTHS = pd.DataFrame({"ds": pd.date_range("2018-01-01", periods=48, freq="MS"), "y": np.arange(48) % 12 + 20.0})
SEARCH = {"cell": ["gru", "rnn"]}


def quick_forecaster(**settings: Any) -> tt.Forecaster:
    return tt.Forecaster(**{"horizon": 3, "preset": "fast", "hidden_size": 4, **settings})


class Halves(TransformerMixin, BaseEstimator):
    """Halve the target."""

    def fit(self, df: pd.DataFrame, y: None = None) -> Self:
        return self

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        return df.assign(y=df.y / 2)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def test_a_pipeline_ends_in_a_forecaster() -> None:
    forecast = Pipeline([("halves", Halves()), ("forecaster", quick_forecaster())]).fit(MONTHS).predict(MONTHS)
    assert forecast["ds"].tolist() == pd.date_range("2022-01-01", periods=3, freq="MS").tolist()
    pd.testing.assert_frame_equal(forecast, quick_forecaster().fit(Halves().transform(MONTHS)).predict())


def test_the_score_is_minus_the_smape_of_later_rows() -> None:
    forecaster = quick_forecaster().fit(MONTHS[:45])
    actual, forecast = MONTHS.y.to_numpy()[45:], forecaster.predict()["throughtime"].to_numpy()
    smape = np.mean(200 * np.abs(actual - forecast) / (np.abs(actual) + np.abs(forecast)))
    assert forecaster.score(MONTHS[45:]) == pytest.approx(-smape)
    assert forecaster.score(MONTHS) == pytest.approx(-smape)  # rows that it has learned from are never scored


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_search_compares_settings_on_later_rows(kind: Any) -> None:
    data = kind({name: MONTHS[name].to_numpy() for name in MONTHS})
    search = GridSearchCV(quick_forecaster(), SEARCH, cv=TimeSeriesSplit(2), error_score="raise").fit(data)
    scores = search.cv_results_["mean_test_score"]
    assert np.all((scores < 0) & (scores > -200))
    assert search.best_params_["cell"] == SEARCH["cell"][int(scores.argmax())]
    assert len(search.predict(data)) == 3


@pytest.mark.slow
def test_a_pipeline_is_searched_in_processes_as_in_one() -> None:
    pipeline = Pipeline([("forecaster", quick_forecaster())])
    options: dict[str, Any] = {"n_iter": 2, "cv": TimeSeriesSplit(2), "random_state": 0, "error_score": "raise"}
    one, two = (
        RandomizedSearchCV(pipeline, {"forecaster__cell": ["gru", "rnn"]}, n_jobs=jobs, **options).fit(MONTHS)
        for jobs in (None, 2)
    )
    np.testing.assert_allclose(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])


def test_several_series_are_split_by_time_where_they_are_sorted_by_it() -> None:
    both = pd.concat([MONTHS.assign(unique_id="a"), MONTHS.assign(unique_id="b", y=3 * MONTHS.y)])
    options: dict[str, Any] = {"cv": TimeSeriesSplit(2), "error_score": "raise"}
    assert np.all(cross_val_score(quick_forecaster(), both.sort_values("ds"), **options) < 0)
    with pytest.raises(
        InputError, match=r"series b was not in the training data, .* sort df by ds and use TimeSeriesSplit"
    ):
        cross_val_score(quick_forecaster(), both, **options)


def test_the_past_is_no_test_of_a_forecaster() -> None:
    with pytest.raises(InputError, match="expected 3 rows or more of a series after the training rows"):
        cross_val_score(quick_forecaster(), MONTHS, cv=KFold(2), error_score="raise")


def test_a_target_apart_from_the_frame_is_refused() -> None:
    with pytest.raises(InputError, match="y: expected None, since the target is the column y of df, got Series"):
        quick_forecaster().fit(MONTHS[["ds"]], MONTHS["y"])  # type: ignore[arg-type]


def test_callbacks_are_routed_to_a_forecaster() -> None:
    seen: list[Any] = []
    with config_context(enable_metadata_routing=True):
        forecaster = quick_forecaster().set_fit_request(callbacks=True).set_predict_request(horizon=True)
        pipeline = Pipeline([("forecaster", forecaster)]).fit(MONTHS, callbacks=[seen.append])
        assert len(pipeline.predict(MONTHS, horizon=5)) == 5
    assert seen


@pytest.mark.parametrize("model", ESTIMATORS)
def test_settings_are_copied_set_and_shown(model: Any) -> None:
    copy = clone(model).set_params(hidden_size=6)
    assert (copy.get_params()["hidden_size"], model.get_params()["hidden_size"]) == (6, 4)
    assert "hidden_size=6" in repr(copy)
    assert type(model).__name__ in model._repr_html_()
