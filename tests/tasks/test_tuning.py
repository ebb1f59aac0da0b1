"""A search for settings: it continues after a kill, and its gain is measured on windows that it has not seen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal
from throughtime.tasks.forecasting.evaluation import backtest
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.search import tuning
from throughtime.tasks.forecasting.search.trials import Trial

if TYPE_CHECKING:
    from pathlib import Path

    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting import Tuning

DATA = seasonal(2, 90)
SPACE: dict[str, Any] = {"hidden_size": (2, 16), "cell": ["gru", "rnn"], "dropout": (0.0, 0.4), "lookback": [None, 24]}
TRIALS = 4


def quick_forecaster(**settings: Any) -> tt.Forecaster:
    return tt.Forecaster(
        6, **{"preset": tt.Preset(update_factor=2, max_updates=10), "hidden_size": 4, "season": 12, **settings}
    )


def tried(search: Tuning) -> list[tuple[dict[str, Any], float]]:
    return [(trial.settings, trial.score) for trial in search.trials]


@pytest.fixture(scope="module")
def search() -> Tuning:
    return tt.tune(DATA, quick_forecaster(), TRIALS, space=SPACE)


def test_the_given_settings_come_first_and_the_best_has_the_lowest_error(search: Tuning) -> None:
    assert [trial.number for trial in search.trials] == [0, 1, 2, 3]
    assert search.trials[0].settings == {"hidden_size": 4, "cell": "gru", "dropout": 0.1, "lookback": None}
    assert search.best.score == min(trial.score for trial in search.trials)
    assert len({str(trial.settings) for trial in search.trials}) == TRIALS
    for trial in search.trials[1:]:
        assert 2 <= trial.settings["hidden_size"] <= 16
        assert 0 <= trial.settings["dropout"] <= 0.4


def test_a_score_is_that_of_a_backtest_before_the_hold_out(search: Tuning) -> None:
    trial = search.trials[-1]
    settings = {name: value for name, value in trial.settings.items() if name != "dropout"}
    forecaster = quick_forecaster(**settings, preset=tt.Preset(2, 10, dropout=trial.settings["dropout"]))
    past = DATA[DATA["ds"] < DATA["ds"].unique()[-6 * search.windows]]
    alone = forecaster.backtest(past, search.windows, memoryless=False)
    assert trial.score == alone.scores["throughtime"]["mase"]


def test_no_trial_sees_the_hold_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def run(forecaster: tt.Forecaster, panel: Panel, *rest: Any, **options: Any) -> Any:
        seen.append(panel.lengths.tolist())
        return real(forecaster, panel, *rest, **options)

    real = backtest.run
    monkeypatch.setattr(tuning.backtest, "run", run)
    search = tt.tune(DATA, quick_forecaster(), 2, 1, space=SPACE)
    assert seen == [[84, 84]] * 2 + [[90, 90]] * len(search.holdout)


@pytest.mark.parametrize("finished", [0, 2])
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(finished: int, search: Tuning, tmp_path: Path) -> None:
    def run(forecaster: tt.Forecaster, *rest: Any, **options: Any) -> Any:
        if len(before) == finished:
            raise SystemExit("killed")
        return real(forecaster, *rest, **options)

    before: list[Trial] = []
    real, storage = backtest.run, tmp_path / "trials.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning.backtest, "run", run)
        with pytest.raises(SystemExit):
            tt.tune(DATA, quick_forecaster(), TRIALS, space=SPACE, storage=storage, on_trial=before.append)
    on_trial: list[Trial] = []
    again = tt.tune(DATA, quick_forecaster(), TRIALS, space=SPACE, storage=storage, on_trial=on_trial.append)
    assert on_trial == again.trials
    assert on_trial[:finished] == before
    assert tried(again) == tried(search)
    assert again.verdict == search.verdict


def test_a_file_holds_several_searches_and_none_continues_another(tmp_path: Path) -> None:
    storage = tmp_path / "trials.db"
    first = tt.tune(DATA, quick_forecaster(), 1, space=SPACE, storage=storage)
    for rows, forecaster in ((DATA, quick_forecaster(hidden_size=5)), (DATA.iloc[1:], quick_forecaster())):
        other = tt.tune(rows, forecaster, 1, space=SPACE, storage=storage)
        assert other.trials[0] != first.trials[0]  # its seconds too, which a trial that is taken over keeps


def test_another_seed_tries_other_settings(search: Tuning) -> None:
    other = tt.tune(DATA, quick_forecaster(random_state=1), TRIALS, space=SPACE)
    assert [trial.settings for trial in other.trials[1:]] != [trial.settings for trial in search.trials[1:]]


def test_what_is_kept_is_better_on_later_windows_and_learns_from_all_rows(search: Tuning) -> None:
    errors = {name: backtest.scores["throughtime"]["mase"] for name, backtest in search.holdout.items()}
    assert errors[search.selected] == min(errors.values())
    assert search.forecaster.panel_.lengths.tolist() == [90, 90]
    if search.selected == "default":
        assert str(search.forecaster) == str(quick_forecaster())


@pytest.mark.parametrize(
    ("saves", "selected", "words"),
    [
        (None, "default", "The default is as good: none of 1 other settings"),
        ((-0.1, -0.2, 0.1), "default", "is not better"),
        ((0.1, -0.1, 0.2), "best", "not statistically significant"),
        ((0.1, 0.05, 0.2), "best", "The best of 2 trials saves 10% (5% to 20%"),
    ],
)
def test_the_verdict_says_plainly_when_the_default_is_as_good(
    saves: tuple[float, float, float] | None, selected: str, words: str
) -> None:
    skill = None if saves is None else Skill("the default", *saves)
    trials = [Trial(i, {}, 1.0, 1.0) for i in range(2)]
    message = tuning._verdict(trials, skill, selected, 2)
    assert words in message
    assert ("as good" in message) == (words[:11] != "The best of")


def test_a_training_that_fails_is_a_trial_without_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(forecaster: tt.Forecaster, *rest: Any, **options: Any) -> Any:
        if forecaster.cell == "rnn":
            raise tt.training.NonFiniteLoss("loss")
        return real(forecaster, *rest, **options)

    real = backtest.run
    monkeypatch.setattr(tuning.backtest, "run", run)
    search = tt.tune(DATA, quick_forecaster(), 4, 1, space={"cell": ["gru", "rnn"]})
    assert {(trial.settings["cell"], np.isinf(trial.score)) for trial in search.trials} == {
        ("gru", False),
        ("rnn", True),
    }


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"optuna is not installed: pip install 'throughtime\[tune\]'"):
        tt.tune(DATA, quick_forecaster())


@pytest.mark.parametrize("space", [["decoder"], {"decoder": ["direct", "autoregressive"]}])
def test_decoders_are_searched_where_they_are_named(space: Any) -> None:
    search = tt.tune(DATA, quick_forecaster(), 4, 1, space=space)
    assert {trial.settings["decoder"] for trial in search.trials} == {"direct", "autoregressive"}
    assert "decoder" not in tuning.DEFAULT_SEARCH


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": {"colour": ["red"]}}, "space: expected some of cell, .*got 'colour'"),
        ({"space": ["season"]}, "space: expected some of cell, .*got 'season'"),
        ({"space": {"cell": []}}, "space: expected a list of choices, or a pair .* for cell"),
        ({"space": {"hidden_size": (8, 4)}}, "space: expected a list of choices, or a pair"),
        ({"space": {"dropout": (0.0, 2.0)}}, "preset: dropout: expected"),
        ({"space": {"cell": ["gru", "grub"]}}, "cell: expected one of rnn, gru, lstm, got 'grub'"),
        ({"space": []}, "space: expected one setting or more"),
        ({"trials": 0}, "trials: expected a whole number of 1 or more"),
        ({"n_windows": 7}, "n_windows: expected a series of 96 steps or more for 7 to search with, .* got 90"),
    ],
)
def test_what_cannot_be_searched_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tt.tune(DATA, quick_forecaster(), **options)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "data.csv"
    other.write_text("ds,y\n" * 200)
    with pytest.raises(InputError, match=r"storage: expected a file of trials, or a new one, got .*data\.csv"):
        tt.tune(DATA, quick_forecaster(), 1, space=SPACE, storage=other)
