"""Hyperparameter search on windows of the past, with later windows, not used by the search, to measure its gain.

The best of many trials looks better on the windows of the search than it is, because it was selected on them. The last
windows of the data are therefore not used by the search. On them the best settings are compared with the ones that were
passed; where they are not better there, the passed ones are kept.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_int
from throughtime._core.version import __version__
from throughtime.data.series.frames import read_frame
from throughtime.inference.forecasting.plan import Plan
from throughtime.nn import LAYERS
from throughtime.tasks.forecasting.evaluation import backtest
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.evaluation.verdict import OURS
from throughtime.tasks.forecasting.network.decoders import DECODERS
from throughtime.tasks.forecasting.network.losses import LOSSES
from throughtime.tasks.forecasting.presets import Preset
from throughtime.tasks.forecasting.search.trials import Trial, check_optuna, open_study
from throughtime.tasks.workers import check_workers, ordered_map
from throughtime.training import NonFiniteLoss

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from throughtime import training
    from throughtime.data.series.frame_format import FrameFormat
    from throughtime.data.series.frames import Data
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.estimator import Forecaster
    from throughtime.tasks.forecasting.evaluation.window_results import Backtest
    from throughtime.tasks.forecasting.search.trials import SearchValues

_LOG = logging.getLogger("throughtime.tuning")
_MAX_WINDOWS = 2  # by default
_PRESET_SETTINGS = ("learning_rate", "dropout")
DEFAULT_SEARCH = ("cell", "hidden_size", "lookback", "loss", *_PRESET_SETTINGS)
"""Settings that a search varies by default."""
_SEARCHABLE = (*DEFAULT_SEARCH, "decoder", "season", "preset", "likelihood")  # with explicit values


@dataclass(frozen=True)
class Tuning:
    """The result of a search.

    Attributes:
        trials: in order; the first has the settings that were passed.
        best: the trial with the lowest error on the windows of the search.
        windows: of the search; the hold-out after them has as many.
        holdout: backtests on the hold-out of the 'default', which was passed, and of the 'best', if it is another one.
        skill: improvement of the best on the default there, with its interval; None where they are the same.
        selected: 'best', or 'default' where the best is not better on the hold-out.
        forecaster: trained on all rows with the selected settings.
        verdict: summary in a sentence.
    """

    trials: list[Trial]
    best: Trial
    windows: int
    holdout: dict[str, Backtest]
    skill: Skill | None
    selected: str
    forecaster: Forecaster
    verdict: str


def tune(
    df: Data,
    forecaster: Forecaster,
    trials: int = 20,
    n_windows: int | None = None,
    *,
    space: dict[str, SearchValues] | Sequence[str] = DEFAULT_SEARCH,
    storage: str | os.PathLike[str] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    workers: str | None = None,
    callbacks: Sequence[Callable[[training.Progress], None]] = (),
) -> Tuning:
    """Search for settings that forecast better, and train with them. Needs the extra `tune`.

    The result is reproducible by the forecaster's `random_state`, unless its `budget` ends the trainings.

    Args:
        df: as for `Forecaster.fit`.
        forecaster: settings to start from; what it has learned before is not used.
        trials: number of settings to try, the passed ones included.
        n_windows: windows of a horizon each for the search; the hold-out after them has as many. By default as many as
            the data allow, at most 2.
        space: names of settings to vary; or the values of each, as a list of choices, or a pair of the lowest and the
            highest number, between which positive ones are drawn on a logarithmic scale.
        storage: an SQLite file; a killed search of the same data and settings continues from it.
        on_trial: called with each trial, also with those read from the file.
        workers: where trials run: in this process, one after the other, if None; in parallel on a Ray cluster on this
            machine for "ray", or on the cluster at an address such as "auto" or HOST:PORT, with the same result. Needs
            the extra `ray`.
        callbacks: as for `Forecaster.fit`, of trainings in this process.

    Raises:
        InputError: for invalid settings or data, and where optuna or Ray is not installed.
        Interrupted: on Ctrl-C; finished trials are in the file.

    >>> import throughtime as tt
    >>> quick = tt.Forecaster(11, preset="fast", budget=1)
    >>> search = tt.tune(tt.datasets.load("sunspots"), quick, trials=2, space={"hidden_size": (4, 32)})
    >>> search.selected in ("default", "best"), len(search.trials)
    (True, 2)
    """
    check_optuna()
    check_workers(workers)
    check_int("trials", trials)
    forecaster.check_params()
    panel, kind = read_frame(df, freq=forecaster.freq, missing=forecaster.missing, covariates=forecaster.covariates)
    windows = _count_windows(panel, forecaster.horizon, n_windows)
    past = panel.drop_last(windows * forecaster.horizon)
    values = _check_space(space, forecaster, past.drop_last(windows * forecaster.horizon))

    local_callbacks = callbacks if workers is None else ()
    name = _study_name(panel, kind, forecaster, values, windows)
    report = on_trial or _LOG.debug
    initial = _initial_settings(forecaster, values)
    with (
        open_study(storage, name, values, initial, forecaster.seed()) as study,
        ordered_map(workers) as map_jobs,
    ):
        for trial in study.finished[:trials]:
            report(trial)
        while batch := study.ask(trials):
            candidates = [_candidate(forecaster, settings) for settings in batch]
            results = map_jobs(partial(_score_candidate, past, kind, windows, local_callbacks), candidates)
            for settings, (score, seconds) in zip(batch, results, strict=True):
                study.tell(settings, score, seconds)
                report(study.finished[-1])
        finished = study.finished[:trials]
        best = min(finished, key=lambda trial: trial.score)
        finalists = {"default": _candidate(forecaster, {})}
        if best.number:
            finalists["best"] = _candidate(forecaster, best.settings)
        backtests = map_jobs(partial(_backtest_candidate, panel, kind, windows, local_callbacks), finalists.values())
        holdout = dict(zip(finalists, backtests, strict=True))
    selected = min(holdout, key=lambda name: _error(holdout[name]))
    skill = _skill(holdout["best"], holdout["default"]) if best.number else None
    final = _candidate(forecaster, best.settings if selected == "best" else finished[0].settings)
    return Tuning(
        trials=finished,
        best=best,
        windows=windows,
        holdout=holdout,
        skill=skill,
        selected=selected,
        forecaster=final.fit(df, callbacks=callbacks),
        verdict=_verdict(finished, skill, selected, windows),
    )


def _backtest_candidate(
    panel: Panel,
    kind: FrameFormat,
    windows: int,
    callbacks: Sequence[Callable[[training.Progress], None]],
    candidate: Forecaster,
) -> Backtest:
    """Backtest a forecaster on the last windows of a panel."""
    return backtest.run(candidate, panel, kind, windows, None, refit=False, memoryless=False, callbacks=callbacks)


def _score_candidate(
    panel: Panel,
    kind: FrameFormat,
    windows: int,
    callbacks: Sequence[Callable[[training.Progress], None]],
    candidate: Forecaster,
) -> tuple[float, float]:
    """Return the error on the last windows of a panel, infinite where the training fails, and the seconds it took."""
    started = time.monotonic()
    try:
        score = _error(_backtest_candidate(panel, kind, windows, callbacks, candidate))
    except NonFiniteLoss:
        score = float("inf")
    return score, time.monotonic() - started


def _count_windows(panel: Panel, horizon: int, n_windows: int | None) -> int:
    """Return the number of windows for the search; the hold-out takes as many."""
    if n_windows is not None:
        check_int("n_windows", n_windows)
    longest, min_history = int(panel.lengths.max()), max(2 * horizon, 3)
    allowed = (longest - min_history) // horizon // 2
    if allowed < (n_windows or 1):
        count = n_windows or 1
        raise InputError(
            f"n_windows: expected a series of {min_history + 2 * count * horizon} steps or more for {count} to "
            f"search with, as many to hold out and a horizon of {horizon}, got {longest}; take a shorter horizon"
        )
    # By default all windows take at most a third of the history.
    return n_windows or max(1, min(_MAX_WINDOWS, longest // 6 // horizon))


def _check_space(
    space: dict[str, SearchValues] | Sequence[str], forecaster: Forecaster, past: Panel
) -> dict[str, SearchValues]:
    """Return the values of each setting, each checked by building a forecaster with it."""
    plan = Plan.of(past, forecaster.horizon, season=forecaster.season, lookback=forecaster.lookback)
    shorter = {plan.block * max(2, plan.blocks // divisor) for divisor in (2, 4)}
    defaults: dict[str, SearchValues] = {
        "cell": list(LAYERS),
        "hidden_size": (16, 256),
        "lookback": [None, *sorted(shorter - {plan.lookback}, reverse=True)],
        "decoder": list(DECODERS),
        "loss": list(LOSSES),
        "learning_rate": (1e-3, 1e-2),
        "dropout": (0.0, 0.4),
    }
    values = space if isinstance(space, dict) else {name: defaults.get(name, ()) for name in space}
    for name, options in values.items():
        names = _SEARCHABLE if isinstance(space, dict) else tuple(defaults)
        if name not in names:
            raise InputError(f"space: expected some of {', '.join(names)}, got {name!r}")
        if not _is_range(options) and not (isinstance(options, list) and options):
            raise InputError(
                f"space: expected a list of choices, or a pair of the lowest and the highest number for {name}, got "
                f"{options!r}"
            )
        for value in options:
            _candidate(forecaster, {name: value}).check_params()
    if not values:
        raise InputError("space: expected one setting or more to vary")
    return dict(values)


def _is_range(values: SearchValues) -> bool:
    return isinstance(values, tuple) and len(values) == 2 and all(map(_is_number, values)) and values[0] < values[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _initial_settings(forecaster: Forecaster, space: dict[str, SearchValues]) -> dict[str, Any]:
    """Return the forecaster's own values of the settings of the search."""
    settings = {**forecaster.get_params(), **vars(Preset.of(forecaster.preset))}
    return {name: settings[name] for name in space}


def _candidate(forecaster: Forecaster, settings: dict[str, Any]) -> Forecaster:
    """Return the forecaster with other settings."""
    params = {**forecaster.get_params(), **{k: v for k, v in settings.items() if k not in _PRESET_SETTINGS}}
    of_preset = {name: settings[name] for name in _PRESET_SETTINGS if name in settings}
    if of_preset != {name: getattr(Preset.of(params["preset"]), name) for name in of_preset}:
        params["preset"] = replace(Preset.of(params["preset"]), **of_preset)
    return type(forecaster)(**params)


def _error(result: Backtest) -> float:
    """Return MASE, or RMSE where no series changes."""
    scores = result.scores[OURS]
    return scores["mase"] if np.isfinite(scores["mase"]) else scores["rmse"]


def _skill(best: Backtest, default: Backtest) -> Skill:
    return Skill.of(best.errors[OURS], default.errors[OURS], "the default", default.groups)


def _study_name(
    panel: Panel, kind: FrameFormat, forecaster: Forecaster, space: dict[str, SearchValues], windows: int
) -> str:
    """Return a digest of data, settings and windows."""
    arrays = (panel.values, panel.offsets, panel.starts, panel.exogenous.values)
    data = (panel.ids, panel.frequency, panel.exogenous.features, panel.exogenous.calendar, kind)
    settings = (sorted(forecaster.get_params().items()), list(space.items()), windows, __version__)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays) + repr((data, settings)).encode()).hexdigest()


def _verdict(trials: list[Trial], skill: Skill | None, selected: str, windows: int) -> str:
    """Return a sentence on the gain of the search."""
    count = len(trials)
    holdout = f"on {windows} later window{'s' if windows > 1 else ''}, which the search has not seen"
    if skill is None:
        return f"The default is as good: none of {count - 1} other settings did better. It is kept."
    if selected == "default":
        return f"The default is as good: {holdout}, the best of {count} trials is not better. The default is kept."
    if not skill.low > 0:
        saved = f"the best of {count} trials saves {skill} of its error {holdout}"
        return f"The default is as good: {saved}; the difference is not statistically significant."
    return f"The best of {count} trials saves {skill} of the error of the default {holdout}."
