"""Checks of settings and data: errors and warnings of a forecaster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_choice, check_int, check_seed
from throughtime.data.series.covariates import Covariates
from throughtime.data.series.panel import format_date
from throughtime.inference.forecasting.ended_series import ENDED_POLICIES
from throughtime.inference.forecasting.requests import check_horizon, sorted_levels
from throughtime.nn import LAYERS
from throughtime.tasks.forecasting.network.decoders import DECODERS
from throughtime.tasks.forecasting.network.likelihoods import LIKELIHOODS
from throughtime.tasks.forecasting.network.losses import LOSSES
from throughtime.tasks.forecasting.presets import Preset
from throughtime.tasks.schedules import parse_budget

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.estimator import Forecaster


def check_settings(forecaster: Forecaster) -> None:
    """Refuse invalid settings.

    Raises:
        InputError: names the first.
    """
    check_horizon(forecaster.horizon)
    check_int("hidden_size", forecaster.hidden_size)
    for name in ("lookback", "season"):
        if getattr(forecaster, name) is not None:
            check_int(name, getattr(forecaster, name))
    choices = {"cell": LAYERS, "decoder": DECODERS, "loss": LOSSES, "ended": ENDED_POLICIES}
    for name, options in choices.items():
        check_choice(name, getattr(forecaster, name), options)
    if forecaster.likelihood is not None:
        check_choice("likelihood", forecaster.likelihood, [name for name in LIKELIHOODS if name is not None])
    Preset.of(forecaster.preset)
    if forecaster.covariates is not None and not isinstance(forecaster.covariates, Covariates):
        raise InputError(f"covariates: expected Covariates(future=[…], …) or None, got {forecaster.covariates!r}")
    if forecaster.freq is not None and not isinstance(forecaster.freq, str):
        raise InputError(f"freq: expected a name such as 'h' or None, got {forecaster.freq!r}")
    check_seed(forecaster.random_state)
    sorted_levels(forecaster.levels)
    parse_budget(forecaster.budget)


def check_values(panel: Panel, likelihood: str | None) -> None:
    """Refuse series that cannot be learned from with a likelihood.

    Raises:
        InputError: where all series are shorter than 2 steps, and for counts that are not whole numbers.
    """
    if panel.lengths.max() < 2:
        raise InputError(f"data: expected series of 2 values or more, got {int(panel.lengths.max())}")
    if likelihood == "negative_binomial":
        check_counts(panel)


def check_id_types(panel: Panel) -> None:
    """Refuse series that are named by both texts and numbers.

    Raises:
        InputError: where they are.
    """
    if len({isinstance(name, str) for name in panel.ids}) > 1:
        raise InputError("df: expected names of new series of the type of those in training: texts or whole numbers")


def check_counts(panel: Panel) -> None:
    """Refuse values that are not counts.

    Raises:
        InputError: names the first and its series.
    """
    for name, values in zip(panel.ids, panel, strict=True):
        invalid = values[np.isfinite(values) & ((values < 0) | (values != np.round(values)))]
        if len(invalid):
            raise InputError(
                f"likelihood: negative_binomial is for whole numbers of 0 or more, got {invalid[0]:g} in series "
                f"{name}; choose another likelihood"
            )


def check_no_target(y: Any) -> None:
    """Refuse a target apart from the frame.

    Raises:
        InputError: for anything but None.
    """
    if y is not None:
        raise InputError(f"y: expected None, since the target is the column y of df, got {type(y).__name__}")


def check_later_rows(former: Panel, newer: Panel, horizon: int) -> None:
    """Refuse rows that a forecaster cannot be scored on.

    Raises:
        InputError: where no series has `horizon` rows after its end in the former panel, and for a new series that
            begins before the former panel ends.
    """
    split = "split by time: sort df by ds and use TimeSeriesSplit"
    ends = [former.stamps(i, int(former.lengths[i]) - 1, 1)[0] for i in range(len(former))]
    for name, start in zip(newer.ids, newer.starts, strict=True):
        if name not in former.ids and start <= max(ends):
            raise InputError(
                f"df: series {name} was not in the training data, although its first date {format_date(start)} is "
                f"within the dates of the training data; {split}"
            )
    if newer.steps_after(former).max() < horizon:
        raise InputError(f"df: expected {horizon} rows or more of a series after the training rows, got fewer; {split}")
