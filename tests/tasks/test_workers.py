"""One switch says where trainings are done; what they find is the same everywhere."""

from __future__ import annotations

import pickle
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import throughtime as tt
from throughtime import InputError
from throughtime.data.datasets import seasonal
from throughtime.tasks import workers
from throughtime.tasks.forecasting.search import trials
from throughtime.tasks.forecasting.search.trials import open_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from throughtime.tasks.forecasting import Tuning

DATA = seasonal(2, 72)
SPACE: dict[str, Any] = {"hidden_size": (2, 16), "cell": ["gru", "rnn"], "dropout": (0.0, 0.4)}


def quick_forecaster(**settings: Any) -> tt.Forecaster:
    return tt.Forecaster(
        6, **{"preset": tt.Preset(update_factor=2, max_updates=3), "hidden_size": 4, "season": 12, **settings}
    )


def search(where: str | None, most: int = 14) -> Tuning:
    return tt.tune(DATA, quick_forecaster(), most, 1, space=SPACE, workers=where)


def summarize(tuning: Tuning) -> tuple[object, ...]:
    tried = [(trial.number, trial.settings, trial.score) for trial in tuning.trials]
    holdout = {name: item.scores for name, item in tuning.holdout.items()}
    return tried, tuning.best.settings, tuning.selected, holdout, tuning.verdict


def backwards(function: Callable[[Any], Any], arguments: Iterable[Any], /) -> Iterator[Any]:
    """Jobs that are sent elsewhere, of which the last is done first."""
    jobs = [pickle.dumps((function, argument)) for argument in arguments]
    results = [pickle.dumps(job(argument)) for job, argument in map(pickle.loads, reversed(jobs))]
    return map(pickle.loads, reversed(results))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Workers of a name do what they are given in another order; the names that were asked for."""

    @contextmanager
    def fake(name: str) -> Iterator[workers.Map]:
        requested.append(name)
        yield backwards

    requested: list[str] = []
    monkeypatch.setattr(workers, "_on_ray", fake)
    monkeypatch.setitem(sys.modules, "ray", sys)
    return requested


def test_a_search_finds_the_same_whichever_trial_is_done_first(elsewhere: list[str]) -> None:
    assert summarize(search("ray")) == summarize(search(None))
    assert elsewhere == ["ray"]


def test_windows_are_forecast_anew_in_any_order(elsewhere: list[str]) -> None:
    here, there = (quick_forecaster().backtest(DATA, 3, refit=True, workers=where) for where in (None, "auto"))
    assert there.forecasts.equals(here.forecasts)
    assert there.scores == here.scores
    frames = [quick_forecaster().cross_validation(DATA, 2, refit=True, workers=where) for where in (None, "auto")]
    assert frames[0].equals(frames[1])
    assert elsewhere == ["auto"] * 2


def test_forecasters_are_compared_in_any_order(elsewhere: list[str]) -> None:
    kinds = {"gru": quick_forecaster(), "rnn": quick_forecaster(cell="rnn")}
    here, there = (tt.compare(DATA, kinds, 1, seeds=2, workers=where) for where in (None, "host:6379"))
    assert there.scores == here.scores
    assert there.spread == here.spread
    assert there.verdict == here.verdict
    assert elsewhere == ["host:6379"]


@pytest.mark.usefixtures("elsewhere")
def test_callbacks_stay_in_this_process() -> None:
    called: list[object] = []
    quick_forecaster().backtest(DATA, 2, refit=True, workers="ray", callbacks=[called.append])
    assert not called
    quick_forecaster().backtest(DATA, 2, refit=True, callbacks=[called.append])
    assert called


def test_rounds_grow_with_what_is_known() -> None:
    assert [trials._round_of(number) for number in (0, 9, 10, 11, 12, 15, 40)] == [
        (0, 10),
        (0, 10),
        (10, 12),
        (10, 12),
        (12, 15),
        (15, 18),
        (33, 41),
    ]


def test_trials_of_a_round_do_not_know_of_each_other() -> None:
    space = {"dropout": (0.0, 0.4)}
    with (
        open_study(None, "search", space, {"dropout": 0.1}, 0) as one,
        open_study(None, "other", space, {"dropout": 0.1}, 0) as two,
    ):
        for search, score in ((one, 9.0), (two, -1.0)):
            for settings in search.ask(20):
                search.tell(settings, settings["dropout"], 1.0)
            search.tell(search.ask(20)[0], score, 1.0)
        assert one.ask(20) == two.ask(20)
        for search in (one, two):
            search.tell(search.ask(20)[0], 1.0, 1.0)
        assert one.ask(20) != two.ask(20)
        assert len(one.ask(13)) == 1


@pytest.mark.parametrize(
    "job",
    [
        lambda where: tt.tune(DATA, quick_forecaster(), workers=where),
        lambda where: tt.compare(DATA, {"gru": quick_forecaster()}, workers=where),
        lambda where: quick_forecaster().backtest(DATA, workers=where),
    ],
    ids=["tune", "compare", "backtest"],
)
def test_a_missing_package_and_unknown_workers_are_refused(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dask", "ray://host:10001"):
        with pytest.raises(
            InputError, match=rf"workers: expected ray, or the address of a Ray cluster .* got '{name}'"
        ):
            job(name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"ray is not installed: pip install 'throughtime\[ray\]'"):
        job("ray")


def test_a_cluster_that_does_not_answer_is_told_at_once() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(InputError, match=rf"workers: expected a Ray cluster that answers at {address}: .*refused"):
        workers._connect(None, address)


@pytest.mark.slow
def test_ray_finds_the_same() -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    assert summarize(search("ray", 3)) == summarize(search(None, 3))


@pytest.mark.slow
def test_a_cluster_that_this_process_has_joined_stays(capfd: pytest.CaptureFixture[str]) -> None:
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    with workers.ordered_map("ray") as item:
        here = quick_forecaster().backtest(DATA, 2, refit=True, memoryless=False)
        there = quick_forecaster().backtest(DATA, 2, refit=True, memoryless=False, workers="ray")
        assert there.forecasts.equals(here.forecasts)
        with pytest.raises(InputError, match="cell: expected one of"):
            tt.compare(DATA, {"a": quick_forecaster(cell="grub")}, workers="ray")
        assert list(item(abs, [-1, 2])) == [1, 2]
    assert not ray.is_initialized()
    assert capfd.readouterr() == ("", "")
