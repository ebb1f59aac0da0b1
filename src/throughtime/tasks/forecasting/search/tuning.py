"""Tuning: settings are tried on windows of the past, and later windows, kept from the search, tell what it has gained.

The best of many trials looks better on the windows of the search than it is, for it was chosen by them. So the last
windows of the data take no part in the search: on them the best settings stand beside those that were given, and where
they are not better there, what was given is kept.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime import __version__
from throughtime._core.errors import InputError
from throughtime.data.series.frames import FrameFormat, read_frame
from throughtime.tasks.forecasting.evaluation import backtest
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.network.decoders import DECODERS
from throughtime.tasks.forecasting.network.forecast_network import CELLS
from throughtime.tasks.forecasting.network.losses import LOSSES
from throughtime.tasks.forecasting.plan import Plan
from throughtime.tasks.forecasting.presets import Preset
from throughtime.tasks.forecasting.search.trials import Trial, check_optuna, open_study
from throughtime.tasks.param_checks import check_int
from throughtime.tasks.workers import check_workers, ordered_map
from throughtime.training import NonFiniteLoss

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from throughtime import training
    from throughtime.data.series.frames import Data
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.estimator import Forecaster
    from throughtime.tasks.forecasting.evaluation.backtest import Backtest
    from throughtime.tasks.forecasting.search.trials import SearchValues

_LOG = logging.getLogger("throughtime.tuning")
_OURS = "throughtime"
_MOST_WINDOWS = 2
_LEARNING = ("learning_rate", "dropout")  # settings of the preset
DEFAULT_SEARCH = ("cell", "hidden_size", "lookback", "loss", *_LEARNING)
"""Settings that a search varies, if nothing else is said."""
_CHOSEN = (*DEFAULT_SEARCH, "decoder", "season", "preset", "likelihood")  # may be varied between choices that are given


@dataclass(frozen=True)
class Tuning:
    """What a search has found.

    Attributes:
        trials: in their order; the first is the forecaster as it was given.
        best: the trial with the lowest error on the windows of the search.
        windows: of the search, and as many behind them that it has not seen.
        holdout: on those, the backtests of the 'default', which was given, and of the 'best', where that is another one.
        skill: what the best saves there of the error of the default, and how sure that is; None where they are one.
        selected: 'best', or 'default' where the best is not better on the later windows.
        forecaster: has learned from all rows with what was kept.
        verdict: what to think of it, in plain words.
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
    """Search for settings that forecast better, and learn with them. Needs the extra `tune`.

    The same seed, the forecaster's `random_state`, finds the same, unless its `budget` ends the trainings.

    Args:
        df: as for `Forecaster.fit`.
        forecaster: settings to start from; what it has learned before is not used.
        trials: settings to try, the given ones among them.
        n_windows: windows of a horizon each that the search judges by; as many behind them judge what it found. At most
            2, as the data allow, if None.
        space: names of settings to vary; or for each the choices, as a list, or a pair of the lowest and the highest
            number, between which positive ones are drawn on a logarithmic scale.
        storage: an SQLite file, in which a search of the same data and settings goes on where it was killed.
        on_trial: called with each trial, also with those that are found in the file.
        workers: where trials are done: here, one after the other, if None; at once on a Ray cluster on this machine for
            "ray", or on that of an address, such as "auto" or HOST:PORT. Finds the same. Needs the extra `ray`.
        callbacks: as for `Forecaster.fit`, of trainings in this process.

    Raises:
        InputError: for settings or data that cannot be used, and where optuna or Ray is not installed.
        Interrupted: on Ctrl-C; finished trials are in the file.

    >>> import throughtime as tt
    >>> quick = tt.Forecaster(11, preset="fast", budget=1)
    >>> found = tt.tune(tt.datasets.load("sunspots"), quick, trials=2, space={"hidden_size": (4, 32)})
    >>> found.selected in ("default", "best"), len(found.trials)
    (True, 2)
    """
    check_optuna()
    check_workers(workers)
    check_int("trials", trials)
    forecaster.check_params()
    panel, kind = read_frame(df, freq=forecaster.freq, missing=forecaster.missing, covariates=forecaster.covariates)
    windows = _windows(panel, forecaster.horizon, n_windows)
    past = panel.drop_last(windows * forecaster.horizon)
    values = _space(space, forecaster, past.drop_last(windows * forecaster.horizon))

    watching = callbacks if workers is None else ()
    name = _digest(panel, kind, forecaster, values, windows)
    tell = on_trial or _LOG.debug
    with (
        open_study(storage, name, values, _initial_settings(forecaster, values), forecaster.seed()) as search,
        ordered_map(workers) as each,
    ):
        for trial in search.finished[:trials]:
            tell(trial)
        while drawn := search.ask(trials):
            results = each(
                partial(_score_candidate, past, kind, windows, watching), [_candidate(forecaster, s) for s in drawn]
            )
            for settings, (score, seconds) in zip(drawn, results, strict=True):
                search.tell(settings, score, seconds)
                tell(search.finished[-1])
        found = search.finished[:trials]
        best = min(found, key=lambda trial: trial.score)
        judged = {"default": _candidate(forecaster, {})}
        if best.number:
            judged["best"] = _candidate(forecaster, best.settings)
        backtests = each(partial(_backtest_candidate, panel, kind, windows, watching), judged.values())
        holdout = dict(zip(judged, backtests, strict=True))
    selected = min(holdout, key=lambda name: _error(holdout[name]))
    skill = _skill(holdout["best"], holdout["default"]) if best.number else None
    chosen = _candidate(forecaster, best.settings if selected == "best" else found[0].settings)
    return Tuning(
        trials=found,
        best=best,
        windows=windows,
        holdout=holdout,
        skill=skill,
        selected=selected,
        forecaster=chosen.fit(df, callbacks=callbacks),
        verdict=_verdict(found, skill, selected, windows),
    )


def _backtest_candidate(
    panel: Panel,
    kind: FrameFormat,
    windows: int,
    callbacks: Sequence[Callable[[training.Progress], None]],
    candidate: Forecaster,
) -> Backtest:
    """A backtest on the last windows of a panel."""
    return backtest.run(candidate, panel, kind, windows, None, refit=False, memoryless=False, callbacks=callbacks)


def _score_candidate(
    panel: Panel,
    kind: FrameFormat,
    windows: int,
    callbacks: Sequence[Callable[[training.Progress], None]],
    candidate: Forecaster,
) -> tuple[float, float]:
    """The error on the last windows of a panel, infinite where the training fails, and the seconds that it took."""
    started = time.monotonic()
    try:
        score = _error(_backtest_candidate(panel, kind, windows, callbacks, candidate))
    except NonFiniteLoss:
        score = float("inf")
    return score, time.monotonic() - started


def _windows(panel: Panel, horizon: int, n_windows: int | None) -> int:
    """Windows for the search, with as many behind them."""
    if n_windows is not None:
        check_int("n_windows", n_windows)
    longest = int(panel.lengths.max())
    allowed = (longest - max(2 * horizon, 3)) // horizon // 2
    if allowed < (n_windows or 1):
        count = n_windows or 1
        raise InputError(
            f"n_windows: expected a series of {max(2 * horizon, 3) + 2 * count * horizon} steps or more for {count} to "
            f"search with, as many to judge by and a horizon of {horizon}, got {longest}; take a shorter horizon"
        )
    # By default at most a third of the history is given to windows.
    return n_windows or max(1, min(_MOST_WINDOWS, longest // 6 // horizon))


def _space(
    space: dict[str, SearchValues] | Sequence[str], forecaster: Forecaster, past: Panel
) -> dict[str, SearchValues]:
    """What each setting may be, checked by setting it."""
    plan = Plan.of(past, forecaster.horizon, season=forecaster.season, lookback=forecaster.lookback)
    shorter = {plan.block * max(2, plan.blocks // part) for part in (2, 4)}
    usual: dict[str, SearchValues] = {
        "cell": list(CELLS),
        "hidden_size": (16, 256),
        "lookback": [None, *sorted(shorter - {plan.lookback}, reverse=True)],
        "decoder": list(DECODERS),
        "loss": list(LOSSES),
        "learning_rate": (1e-3, 1e-2),
        "dropout": (0.0, 0.4),
    }
    values = space if isinstance(space, dict) else {name: usual.get(name, ()) for name in space}
    for name, each in values.items():
        known = _CHOSEN if isinstance(space, dict) else tuple(usual)
        if name not in known:
            raise InputError(f"space: expected some of {', '.join(known)}, got {name!r}")
        pair = isinstance(each, tuple) and len(each) == 2 and all(map(_number, each)) and each[0] < each[1]
        if not pair and not (isinstance(each, list) and each):
            raise InputError(
                f"space: expected a list of choices, or a pair of the lowest and the highest number for {name}, got "
                f"{each!r}"
            )
        for value in each:
            _candidate(forecaster, {name: value}).check_params()
    if not values:
        raise InputError("space: expected one setting or more to vary")
    return dict(values)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _initial_settings(forecaster: Forecaster, space: dict[str, SearchValues]) -> dict[str, Any]:
    """The forecaster's own settings, of those that are searched over."""
    own = {**forecaster.get_params(), **vars(Preset.of(forecaster.preset))}
    return {name: own[name] for name in space}


def _candidate(forecaster: Forecaster, settings: dict[str, Any]) -> Forecaster:
    """The forecaster with other settings."""
    given = {**forecaster.get_params(), **{k: v for k, v in settings.items() if k not in _LEARNING}}
    learning = {name: settings[name] for name in _LEARNING if name in settings}
    if learning != {name: getattr(Preset.of(given["preset"]), name) for name in learning}:
        given["preset"] = replace(Preset.of(given["preset"]), **learning)
    return type(forecaster)(**given)


def _error(found: Backtest) -> float:
    """MASE, or RMSE where nothing changes within the series."""
    scores = found.scores[_OURS]
    return scores["mase"] if np.isfinite(scores["mase"]) else scores["rmse"]


def _skill(best: Backtest, default: Backtest) -> Skill:
    return Skill.of(best.errors[_OURS], default.errors[_OURS], "the default", default.groups)


def _digest(
    panel: Panel, kind: FrameFormat, forecaster: Forecaster, space: dict[str, SearchValues], windows: int
) -> str:
    """A name that another search does not have: of other data, settings or windows."""
    arrays = (panel.values, panel.offsets, panel.starts, panel.exogenous.values)
    said = (panel.ids, panel.frequency, panel.exogenous.features, panel.exogenous.calendar, kind)
    asked = (sorted(forecaster.get_params().items()), list(space.items()), windows, __version__)
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays) + repr((said, asked)).encode()).hexdigest()


def _verdict(trials: list[Trial], skill: Skill | None, selected: str, windows: int) -> str:
    """Whether the search was worth it."""
    count, holdout = (
        len(trials),
        f"on {windows} later window{'s' if windows > 1 else ''}, which the search has not seen",
    )
    if skill is None:
        return f"The default is as good: none of {count - 1} other settings did better. It is kept."
    if selected == "default":
        return f"The default is as good: {holdout}, the best of {count} trials does not better. The default is kept."
    if not skill.low > 0:
        saved = f"the best of {count} trials saves {skill} of its error {holdout}"
        return f"The default is as good: {saved}; that may be chance."
    return f"The best of {count} trials saves {skill} of the error of the default {holdout}."
