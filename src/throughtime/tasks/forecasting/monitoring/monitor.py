"""Monitoring of a forecaster: its logged forecasts against what came, by forecast, series and step, with a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.panel import format_date, join_names
from throughtime.inference.forecasting import forecast_log
from throughtime.inference.forecasting.forecast_log import LoggedForecast
from throughtime.inference.forecasting.held_out_errors import UNIT_LEVEL
from throughtime.tasks.forecasting.monitoring.due_forecasts import MAX_ERROR, DueForecasts, held_out_figures
from throughtime.tasks.forecasting.monitoring.sequential_test import DriftTest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.data.series.frame_format import FrameFormat
    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.held_out_errors import HeldOutErrors
    from throughtime.tasks.forecasting.monitoring.due_forecasts import DueForecast

FORECASTS_PER_RATE = 52
"""Forecasts within which a false alarm has the probability that is stated."""

_NAMED_SHARE = 0.5  # series with this share of the largest evidence are named, too


@dataclass(frozen=True)
class Score:
    """Errors of some forecasts.

    Attributes:
        count: number of values that came.
        mae: mean absolute error in units of the data.
        bias: mean of the value minus the forecast.
        expected_ratio: mean absolute error relative to that of the held-out forecasts, in units of the interval.
        coverage: share of the values inside the interval of 80 %.
    """

    count: int
    mae: float
    bias: float
    expected_ratio: float
    coverage: float


@dataclass(frozen=True)
class ForecastVerdict:
    """What one forecast adds.

    Attributes:
        start: date of its first step.
        steps: steps that have come, up to the next forecast.
        score: of these steps.
        evidence: of the test after it.
        state: 'fine', 'drift', 'drift continues', or 'not yet complete'.
        series: series that drift, worst first; 'all' for all together.
    """

    start: Any
    steps: int
    score: Score
    evidence: float
    state: str
    series: list[Any]


@dataclass(frozen=True)
class MonitorResult:
    """Logged forecasts against what came.

    Attributes:
        forecasts: a frame of unique_id, ds, cutoff, y, throughtime and its interval of 80 %.
        total: score of all values.
        by_forecast: verdict after each forecast, in order.
        by_series: score of each series, the one with the largest error relative to the expected one first.
        by_step: score of each step.
        drift: whether an alarm stands.
        threshold: of the evidence.
        false_alarm_rate: probability of a false alarm within 52 forecasts, at most.
        verdict: in sentences.
        advice: what to do.
        notes: on what was found in the rows.
    """

    forecasts: Any
    total: Score
    by_forecast: list[ForecastVerdict]
    by_series: list[tuple[Any, Score]]
    by_step: list[Score]
    drift: bool
    threshold: float
    false_alarm_rate: float
    verdict: str
    advice: str
    notes: list[str]


@dataclass(frozen=True)
class _Errors:
    """Values and forecasts of all steps that came, flat."""

    rows: np.ndarray
    steps: np.ndarray
    y: np.ndarray
    point: np.ndarray
    low: np.ndarray
    high: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, forecasts: Sequence[DueForecast]) -> _Errors:
        parts = []
        for forecast in forecasts:
            shape = forecast.y.shape
            came = np.isfinite(forecast.y) & np.isfinite(forecast.point)
            columns = [np.broadcast_to(forecast.rows[:, None], shape), np.broadcast_to(np.arange(shape[1]), shape)]
            columns += [forecast.y, forecast.point, forecast.low, forecast.high, np.abs(forecast.errors())]
            parts.append([column[came] for column in columns])
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def score(self, selected: np.ndarray, expected: np.ndarray) -> Score:
        """Return the score of some values; `expected` sizes of errors, by step."""
        if not selected.any():
            return Score(0, np.nan, np.nan, np.nan, np.nan)
        error = (self.y - self.point)[selected]
        sizes, usual = self.sizes[selected], expected[np.minimum(self.steps[selected], len(expected) - 1)]
        observed = np.isfinite(sizes)
        ratio = sizes[observed].sum() / usual[observed].sum() if usual[observed].sum() > 0 else np.nan
        inside = (self.y >= self.low) & (self.y <= self.high)
        return Score(
            int(selected.sum()), float(np.abs(error).mean()), float(error.mean()), float(ratio),
            float(inside[selected].mean()),
        )  # fmt: skip


def monitor(
    log: bytes, held_out: HeldOutErrors, panel: Panel, trained: Panel, kind: FrameFormat, false_alarm_rate: float
) -> MonitorResult:
    """Compare the forecasts of a log with what came.

    Args:
        log: the forecasts.
        held_out: errors of the calibration.
        panel: all values that are observed.
        trained: series of the training, whose order `held_out` names.
        kind: of the frame of forecasts.
        false_alarm_rate: probability of a false alarm within 52 forecasts.

    Raises:
        InputError: for a damaged log, one without forecasts, and an impossible rate.
    """
    if isinstance(false_alarm_rate, bool) or not 0 < false_alarm_rate < 1:
        raise InputError(f"false_alarm_rate: expected a probability between 0 and 1, got {false_alarm_rate!r}")
    entries = forecast_log.read(log)
    logged = [entry for entry in entries if isinstance(entry, LoggedForecast)]
    if not logged:
        raise InputError(
            "the log holds no forecast yet: make one with throughtime predict, or with log_forecast in Python"
        )
    due = DueForecasts.of(logged, panel.select([*_in_order(panel, trained)]))
    threshold = FORECASTS_PER_RATE / false_alarm_rate
    verdicts = _run_test(due, held_out, _updates(entries), len(trained), threshold, panel)
    return _summarize(due, held_out, verdicts, panel, kind, threshold, false_alarm_rate, logged)


def _in_order(panel: Panel, trained: Panel) -> list[int]:
    """Return the series of a panel, those of the training first and in their order."""
    places = {name: i for i, name in enumerate(panel.ids)}
    first = [places[name] for name in trained.ids if name in places]
    return [*first, *(i for i in range(len(panel)) if i not in set(first))]


def _updates(entries: Sequence[LoggedForecast | int]) -> list[int]:
    """Return the date of the last row that the model knew after each update."""
    return [entry for entry in entries if isinstance(entry, int)]


def _run_test(
    due: DueForecasts,
    held_out: HeldOutErrors,
    updates: Sequence[int],
    trained: int,
    threshold: float,
    panel: Panel,
) -> list[ForecastVerdict]:
    cadence, alarm, verdicts = due.cadence, None, []
    series = int(held_out.series.max()) + 1 if len(held_out.series) else trained
    reference, blocks = held_out_figures(held_out, cadence, series)
    test, expected = DriftTest.of(reference, blocks), _expected_sizes(held_out, due)
    for forecast in due.forecasts:
        if alarm is not None and any(alarm <= last < forecast.start for last in updates):
            alarm, test = None, DriftTest.of(reference, blocks)  # the model has learned from what drifted
        complete = forecast.steps >= cadence or forecast is not due.forecasts[-1]
        was_alarm = alarm is not None
        if complete:
            test.add(forecast.figures(cadence, len(due.ids)))
            if test.total >= threshold and alarm is None:
                alarm = forecast.start
        state = "drift continues" if was_alarm else "drift" if alarm is not None else "fine"
        state = state if complete else "not yet complete"
        score = _Errors.of([forecast]).score(
            np.ones(int(np.isfinite(forecast.y + forecast.point).sum()), bool), expected
        )
        date = _stamp(panel, forecast.start)
        series = _drifting(test, due.ids) if alarm is not None else []
        verdicts.append(ForecastVerdict(date, forecast.steps, score, test.total, state, series))
    return verdicts


def _drifting(test: DriftTest, ids: Sequence[Any]) -> list[Any]:
    """Return the streams with the most evidence, worst first."""
    evidence = test.evidence.sum(1)
    names = ["all", *ids]
    order = [i for i in np.argsort(-evidence) if np.log(evidence[i] + 1) >= _NAMED_SHARE * np.log(evidence.max() + 1)]
    return [names[i] for i in order]


def _expected_sizes(held_out: HeldOutErrors, due: DueForecasts) -> np.ndarray:
    """Return the mean size of held-out errors by step, NaN where there are none."""
    count = max((forecast.point.shape[1] for forecast in due.forecasts), default=1)
    sizes = np.minimum(np.abs(held_out.errors), MAX_ERROR)
    observed = np.isfinite(sizes)
    if not observed.any():
        return np.full(count, np.nan)
    means = np.where(observed, sizes, 0).sum(0) / np.where(observed.any(axis=0), observed.sum(axis=0), np.nan)
    return np.where(np.isfinite(means), means, np.nanmean(means))


def _summarize(
    due: DueForecasts,
    held_out: HeldOutErrors,
    verdicts: list[ForecastVerdict],
    panel: Panel,
    kind: FrameFormat,
    threshold: float,
    rate: float,
    logged: Sequence[LoggedForecast],
) -> MonitorResult:
    if not due.forecasts:
        first = format_date(_stamp(panel, min(int(forecast.starts.min()) for forecast in logged)))
        verdict = f"Nothing to compare yet: no value has come for a logged forecast, whose first step is {first}."
        empty = Score(0, np.nan, np.nan, np.nan, np.nan)
        advice = "Run it again with later rows."
        return MonitorResult(None, empty, [], [], [], False, threshold, rate, verdict, advice, [])  # noqa: FBT003
    flat, expected = _Errors.of(due.forecasts), _expected_sizes(held_out, due)
    by_series = [(due.ids[i], flat.score(flat.rows == i, expected)) for i in np.unique(flat.rows)]
    by_series.sort(key=lambda pair: -np.nan_to_num(pair[1].expected_ratio, nan=-1))
    by_step = [flat.score(flat.steps == step, expected) for step in range(int(flat.steps.max()) + 1)]
    total = flat.score(np.ones(len(flat.y), bool), expected)
    complete = [verdict for verdict in verdicts if verdict.state != "not yet complete"]
    drift = bool(complete) and complete[-1].state.startswith("drift")
    verdict, advice = _verdict(complete, total, rate, drift=drift)
    notes = _notes(due, panel, logged)
    return MonitorResult(
        kind.frame(_columns(due, panel)), total, verdicts, by_series, by_step, drift, threshold, rate, verdict, advice,
        notes,
    )  # fmt: skip


def _verdict(complete: Sequence[ForecastVerdict], total: Score, rate: float, *, drift: bool) -> tuple[str, str]:
    """Return the verdict and what to do."""
    count = len(complete)
    held = f"the {UNIT_LEVEL} % interval held {total.coverage:.0%} of {total.count} values"
    compared = (
        "" if np.isnan(total.expected_ratio) else f"errors are {total.expected_ratio:.2g} times the held-out ones, "
    )
    tested = f"the rate of false alarms is {rate:.2g} in {FORECASTS_PER_RATE} forecasts at most"
    if not drift:
        past = sum(verdict.state == "drift" for verdict in complete)
        earlier = (
            f" Drift was found {past} time{'s' * (past > 1)} before, and the model was updated since." if past else ""
        )
        verdict = f"No drift in {count} forecast{'s' * (count != 1)}: {compared}{held} ({tested}).{earlier}"
        return verdict, "Nothing to do."
    first = [verdict for verdict in complete if verdict.state == "drift"][-1]
    worst = complete[-1].series
    named = [name for name in worst if name != "all"]
    where = "all series together" if worst[0] == "all" or not named else f"series {join_names(named)}"
    since = complete[complete.index(first) :]
    bias = np.nanmean([verdict.score.bias for verdict in since])
    side = "above" if bias > 0 else "below"
    verdict = (
        f"Drift since the forecast from {format_date(first.start)}, in {where}: values are on average {abs(bias):.4g} "
        f"{side} the forecasts since; over all {count} forecasts {compared}{held} ({tested})."
    )
    advice = (
        "Look at these series first. If the change is real and lasts, run throughtime update with all rows, or "
        "throughtime forecast for a new model; the test begins again after either. If rows are wrong, correct them."
    )
    return verdict, advice


def _notes(due: DueForecasts, panel: Panel, logged: Sequence[LoggedForecast]) -> list[str]:
    notes = []
    seen = {name for forecast in due.forecasts for name in forecast.ids_with_values(due.ids)}
    silent = [name for name in logged[-1].ids if name not in seen]
    if silent:
        notes.append(f"Series without a value for any logged forecast: {join_names(silent)}.")
    unseen = [name for name in panel.ids if name not in {name for forecast in logged for name in forecast.ids}]
    sampled = logged[-1].series > len(logged[-1].ids)
    if unseen and not sampled:
        notes.append(f"Series without a logged forecast: {join_names(unseen)}.")
    if sampled:
        notes.append(f"The log holds a sample of {len(logged[-1].ids):,} of {logged[-1].series:,} series.")
    if due.pending:
        notes.append(f"Forecasts of which no value has come: {due.pending}.")
    return notes


def _columns(due: DueForecasts, panel: Panel) -> dict[str, np.ndarray]:
    """Return the columns of the frame of forecasts."""
    parts: dict[str, list[Any]] = {
        name: [] for name in ("unique_id", "ds", "cutoff", "y", "throughtime", "low", "high")
    }
    for forecast in due.forecasts:
        count = forecast.y.shape[1]
        steps = np.tile(np.arange(count), len(forecast.rows))
        first = np.repeat(forecast.starts.astype(panel.starts.dtype), count)
        came = np.isfinite(forecast.y).ravel()
        parts["unique_id"].append(np.array([due.ids[i] for i in forecast.rows]).repeat(count)[came])
        parts["ds"].append(panel.frequency.stamps(first, steps)[came])
        parts["cutoff"].append(panel.frequency.stamps(first, np.full(len(first), -1))[came])
        for name, values in (("y", "y"), ("throughtime", "point"), ("low", "low"), ("high", "high")):
            parts[name].append(getattr(forecast, values).ravel()[came])
    columns = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    low, high = columns.pop("low"), columns.pop("high")
    return columns | {f"throughtime-lo-{UNIT_LEVEL}": low, f"throughtime-hi-{UNIT_LEVEL}": high}


def _stamp(panel: Panel, date: int) -> Any:
    return np.int64(date).astype(panel.starts.dtype)
