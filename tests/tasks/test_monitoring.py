"""Monitoring: the false-alarm rate of the test, what it finds, the log, and what rows add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

import throughtime as tt
from throughtime._core.errors import InputError
from throughtime.inference.forecasting import forecast_log
from throughtime.inference.forecasting.forecast_log import LoggedForecast
from throughtime.tasks.forecasting.monitoring.due_forecasts import error_figures
from throughtime.tasks.forecasting.monitoring.sequential_test import DriftTest

if TYPE_CHECKING:
    from collections.abc import Callable

WEEKS, THRESHOLD = 52, 5200


def evidence(
    seed: int, series: int, change: Callable[[np.ndarray], np.ndarray] = lambda errors: errors, blocks: int = 8
) -> np.ndarray:
    """The evidence after each of 52 weeks whose errors are correlated between days and between series."""
    random = np.random.default_rng(seed)
    shape = (blocks + WEEKS, series, 1)
    level = np.sqrt(0.3) * random.normal(size=(blocks + WEEKS, 1, 1)) + np.sqrt(0.7) * random.normal(size=shape)
    errors = (
        0.6 * (0.6 * level + 0.8 * random.normal(size=(*shape[:2], 7))) * np.exp(0.3 * random.normal(size=(series, 1)))
    )
    errors[blocks + 30 :] = change(errors[blocks + 30 :])
    figures = error_figures(np.clip(errors, -5, 5))
    test, totals = DriftTest.of(figures[:blocks], blocks), []
    for week in figures[blocks:]:
        test.add(week)
        totals.append(test.total)
    return np.array(totals)


@pytest.mark.parametrize(("series", "blocks"), [(1, 16), (1, 4), (12, 5), (60, 4)])
def test_false_alarms_are_as_rare_as_stated(series: int, blocks: int) -> None:
    runs = np.array([evidence(seed, series, blocks=blocks) for seed in range(40)])
    assert (runs.max(1) >= THRESHOLD).mean() <= 0.01  # none of 40
    assert runs[:, -1].mean() <= WEEKS  # the expectation that Doob's inequality needs


def _one_series(errors: np.ndarray) -> np.ndarray:
    return errors + 3 * (np.arange(errors.shape[1]) == 3)[:, None]


@pytest.mark.parametrize(
    ("change", "weeks"),
    [
        (lambda errors: errors + 1.8, 3),
        (lambda errors: errors - 1.8, 3),
        (_one_series, 6),
        (lambda errors: 2.5 * errors, 8),
        (lambda errors: errors + 0.1 * np.arange(len(errors))[:, None, None], 14),
    ],
)
def test_changes_of_any_kind_are_found(change: Callable[[np.ndarray], np.ndarray], weeks: int) -> None:
    for seed in range(5):
        totals = evidence(seed, 12, change)
        assert totals[:30].max() < THRESHOLD
        assert totals[30 : 30 + weeks].max() >= THRESHOLD


def frame(days: slice, factor: float = 1.0) -> pl.DataFrame:
    """Daily values of three series."""
    random, steps = np.random.default_rng(0), np.arange(400)
    values = [100 * (1 + i) * np.exp(0.3 * (steps % 7 == 5) + 0.08 * random.normal(size=400)) for i in range(3)]
    dates = np.datetime64("2023-01-02") + steps
    frames = [pl.DataFrame({"unique_id": f"s{i}", "ds": dates[days], "y": values[i][days]}) for i in range(3)]
    return pl.concat([frames[0].with_columns(y=pl.col("y") * factor), *frames[1:]])


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    directory = tmp_path_factory.mktemp("monitored") / "model"
    forecaster = tt.Forecaster(14, hidden_size=8, preset="fast", budget="1s").fit(frame(slice(0, 350)))
    forecaster.log_forecast(forecaster.predict())
    forecaster.log_forecast(forecaster.predict(frame(slice(0, 357))))
    forecaster.save(directory)
    return directory


def test_each_value_counts_once_in_the_last_forecast_before_it(fitted: Any) -> None:
    result = tt.load(fitted).monitor(frame(slice(350, 362)))
    assert [verdict.steps for verdict in result.by_forecast] == [7, 5]
    assert [verdict.state for verdict in result.by_forecast] == ["fine", "not yet complete"]
    assert result.total.count == 3 * 12 == len(result.forecasts)
    error = (result.forecasts["y"] - result.forecasts["throughtime"]).abs().mean()
    assert result.total.mae == pytest.approx(error)
    assert not result.drift


def test_frames_of_predict_are_monitored_as_the_log_is(fitted: Any) -> None:
    forecaster, rows = tt.load(fitted), frame(slice(350, 364))
    frames = [forecaster.predict(), forecaster.predict(frame(slice(0, 357)))]
    ours, logged = forecaster.monitor(rows, forecasts=frames), forecaster.monitor(rows)
    assert (ours.total, ours.by_series, ours.verdict) == (logged.total, logged.by_series, logged.verdict)


def test_a_shift_is_drift_until_the_model_has_learned_from_it(fitted: Any) -> None:
    forecaster, rows = tt.load(fitted), frame(slice(350, 364), factor=3.0)
    result = forecaster.monitor(rows)
    assert result.drift
    assert result.by_forecast[-1].series[0] == "s0"
    assert "s0" in result.verdict
    assert "above" in result.verdict
    assert "throughtime update" in result.advice
    later = pl.concat([frame(slice(0, 350)), rows]).sort("unique_id", "ds")
    forecaster.update(rows)
    forecaster.log_forecast(forecaster.predict(later))
    after = forecaster.monitor(frame(slice(364, 371), factor=3.0))
    assert "drift" in [verdict.state for verdict in after.by_forecast]
    assert "the model was updated since" in after.verdict
    assert not after.drift


def test_the_same_rows_twice_change_nothing(fitted: Any) -> None:
    forecaster = tt.load(fitted)
    forecaster.update(frame(slice(350, 360)))
    assert (forecaster.update_.rows, forecaster.update_.series) == (30, [])
    before = forecaster.network_.state_dict()
    before = {name: weight.clone() for name, weight in before.items()}
    forecaster.update(frame(slice(350, 360)))
    assert not forecaster.update_
    assert "Nothing new" in forecaster.update_.sentences()[0]
    assert all((weight == before[name]).all() for name, weight in forecaster.network_.state_dict().items())


def test_a_revision_is_reported_and_another_table_is_refused(fitted: Any) -> None:
    forecaster, rows = tt.load(fitted), frame(slice(340, 355))
    revised = rows.with_columns(y=pl.when(pl.int_range(pl.len()) == 2).then(7.0).otherwise("y"))
    forecaster.update(revised)
    assert forecaster.update_.revised == 1
    assert "s0 on 2023-12-10" in forecaster.update_.sentences()[-1]
    with pytest.raises(InputError, match=r"differ from it, such as .* instead of .* in series s"):
        forecaster.update(frame(slice(0, 350)).with_columns(y=pl.col("y") * 2))


def test_the_log_is_bounded_and_holds_the_same_sample_of_many_series() -> None:
    def forecast(start: int) -> LoggedForecast:
        values = np.full((3000, 28), 1234.567)
        return LoggedForecast(list(range(3000)), np.full(3000, start), values, values, values, 3000)

    lines = [forecast(start).to_line() for start in range(3)]
    log = forecast_log.append(b"", *lines)
    entries = forecast_log.read(log)
    assert 100 < len(entries[0].ids) < 3000
    assert entries[0].ids == entries[2].ids
    assert max(map(len, lines)) <= forecast_log.MAX_BYTES // 64
    assert len(forecast_log.append(b"x\n" * 10**6, lines[0])) < 10**6


@pytest.mark.parametrize(
    "line",
    [
        b"\x80",
        b"[]",
        b"{" * 500,
        b'{"forecast": {}}',
        b'{"update": {"last": "now"}}',
        b'{"forecast": {"ids": ["a"], "starts": [1], "point": [[1]], "low": [[1, 2]], "high": [[1]], "series": 1}}',
        b'{"forecast": {"ids": ["a", "a"], "starts": [1, 1], "point": [], "low": [], "high": [], "series": 1}}',
    ],
)
def test_a_hostile_log_is_one_clear_error(line: bytes) -> None:
    with pytest.raises(InputError, match=r"forecasts.jsonl, line 1: damaged"):
        forecast_log.read(line + b"\n")


def test_a_fit_begins_a_new_log_and_a_model_keeps_its_own(fitted: Any) -> None:
    forecaster = tt.load(fitted)
    assert len(forecast_log.read(forecaster.forecast_log_)) == 2
    forecaster.fit(frame(slice(0, 350)))
    with pytest.raises(InputError, match="the log holds no forecast yet"):
        forecaster.monitor(frame(slice(350, 360)))
