"""Saved forecasters in the runtime: the numbers of the estimator, from arrays and lists, without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch

import throughtime as tt
from throughtime import InputError, runtime
from throughtime.inference.forecasting import distributions
from throughtime.inference.forecasting.plan import Plan
from throughtime.io import directory
from throughtime.nn import LAYERS
from throughtime.runtime.graph import Graph
from throughtime.tasks.forecasting.network.forecast_network import FEED_FORWARD, ForecastNetwork
from throughtime.tasks.forecasting.network.window_forecast import WindowForecast, forecast_graph

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = 1e-5  # of the size of a series: float32 sums in another order
TINY = tt.Preset(1, 3)


@dataclass(frozen=True)
class Case:
    """A forecaster to compare.

    Attributes:
        freq: of its dates; None for whole numbers.
        settings: of the forecaster.
        blend: weight and naive forecast that replace those of the calibration.
        shift: added to the second half of the series.
        counts: whether values are counts.
        drop: share of the rows that are missing.
        ended: steps that the first series lacks at its end.
        closed: every so many steps are always zero.
        covariates: columns.
        level: passed to `predict`.
        horizon: passed to `predict`.
    """

    freq: str | None = "MS"
    settings: dict[str, Any] = field(default_factory=dict)
    blend: tuple[float, str] = (0.6, "naive")
    shift: float = 0.0
    counts: bool = False
    drop: float = 0.0
    ended: int = 0
    closed: int = 0
    covariates: tt.Covariates | None = None
    level: list[float] | None = None
    horizon: int | None = None

    def frame(self, steps: int = 60) -> pd.DataFrame:
        """Return three series, of which the last one is short."""
        random, frames = np.random.default_rng(1), []
        for i in range(3):
            t = np.arange(steps - 6 if i == 2 else 0, steps - (self.ended if i == 0 else 0))
            y = 20 + 8 * i + 4 * np.sin(t * np.pi / 6) + random.normal(0, 1, len(t)) + (self.shift if i else 0.0)
            y = random.poisson(np.maximum(y / 10 - 1, 0.2)).astype(float) if self.counts else y
            y = np.where(t % self.closed == 0, 0.0, y) if self.closed else y
            ds = t if self.freq is None else pd.date_range("2020-01-01", periods=steps, freq=self.freq)[t]
            word, size = np.array(["red", "blue", "green"])[t % 3], float(i)
            columns = {"unique_id": f"s{i}", "ds": ds, "y": y, "price": np.cos(t), "word": word, "heat": y + 1}
            frames.append(pd.DataFrame(columns | {"size": size})[random.random(len(t)) >= self.drop])
        return pd.concat(frames, ignore_index=True)


EVERY_COLUMN = tt.Covariates(future=["price", "word"], past=["heat"], static=["size"], calendar=True)
CASES = {
    "longer": Case(settings={"likelihood": "normal"}, horizon=11, level=[50, 99.5], closed=12),
    "signs": Case("B", {"cell": "lstm", "decoder": "autoregressive"}, shift=-30.0, drop=0.1),
    "counts": Case("W-SUN", {"likelihood": "negative_binomial"}, counts=True, horizon=7),
    "heavy tails": Case(None, {"likelihood": "student_t", "cell": "rnn"}, horizon=9),
    "autoregression": Case(settings={"ended": "common"}, blend=(0.3, "autoregression"), drop=0.2, ended=9),
    "ended": Case(settings={"ended": "skip", "missing": "ffill"}, ended=9, drop=0.1),
    "covariates": Case("D", blend=(0.5, "seasonal_mean"), closed=7, covariates=EVERY_COLUMN),
}


@dataclass(frozen=True)
class Pair:
    case: Case
    estimator: tt.Forecaster
    model: Any


@pytest.fixture(scope="module", params=CASES, ids=str)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    case = CASES[request.param]
    settings = {"preset": TINY, "hidden_size": 4, "covariates": case.covariates, **case.settings}
    estimator = tt.Forecaster(4, **settings).fit(case.frame())
    network = estimator.network_
    with torch.no_grad():
        for parameter in network.parameters():
            seed = torch.Generator().manual_seed(parameter.numel())
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=seed))
    weight, expert = case.blend
    calibration = replace(estimator.model_.calibration, weight=weight, expert=expert)
    estimator.model_ = replace(estimator.model_, calibration=calibration)
    path = tmp_path_factory.mktemp("models") / "model"
    estimator.save(path)
    return Pair(case, estimator, runtime.load(path))


def future_of(case: Case, steps: int) -> pd.DataFrame | None:
    if case.covariates is None:
        return None
    later = case.frame(steps + (case.horizon or 4)).drop(columns=["y", "heat"])
    return later.groupby("unique_id").tail(case.horizon or 4)


def lists_of(df: pd.DataFrame | None) -> dict[str, list[Any]] | None:
    """Columns as plain lists, dates as ISO texts."""
    if df is None:
        return None
    columns = df.assign(ds=df["ds"].astype(str)) if df["ds"].dtype.kind == "M" else df
    return {name: columns[name].tolist() for name in columns}


def assert_same(actual: dict[str, np.ndarray], expected: pd.DataFrame) -> None:
    assert list(actual) == list(expected.columns)
    typical = expected["throughtime"].abs().groupby(expected["unique_id"]).transform("max")
    for name, column in actual.items():
        if name in ("unique_id", "ds", "path"):
            assert column.tolist() == expected[name].to_numpy().astype(column.dtype).tolist(), name
            continue
        sizes = np.maximum(typical, expected[name].abs())
        errors = np.abs(column - expected[name])
        assert (errors <= TOLERANCE * sizes).all(), (name, (errors / sizes).max())


def test_forecasts_are_those_of_the_estimator(pair: Pair) -> None:
    options = {"level": pair.case.level, "horizon": pair.case.horizon}
    future = future_of(pair.case, 60)
    expected = pair.estimator.predict(future=future, **options)
    assert_same(pair.model.predict(future=lists_of(future), **options), expected)
    if not pair.case.covariates:
        assert_same(pair.model.sample(paths=3, random_state=7), pair.estimator.sample(paths=3, random_state=7))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_later_rows_are_read_as_the_estimator_reads_them(pair: Pair) -> None:
    later, options = pair.case.frame(64), {"level": [80]}
    new = later[later["unique_id"] == "s1"].tail(6).assign(unique_id="new")
    later = pd.concat([later, new], ignore_index=True)
    future = future_of(pair.case, 64)
    if future is not None:
        future = pd.concat([future, future.tail(4).assign(unique_id="new")], ignore_index=True)
    expected = pair.estimator.predict(later, future=future, **options)
    assert_same(pair.model.predict(lists_of(later), future=lists_of(future), **options), expected)
    arrays = {name: later[name].to_numpy() for name in later}
    assert_same(pair.model.predict(arrays, future=lists_of(future), **options), expected)


@pytest.mark.parametrize("cell", [*LAYERS, FEED_FORWARD])
def test_a_graph_is_its_network_for_every_cell(cell: str) -> None:
    plan = Plan(horizon=5, season=4, long_season=8, block=4, blocks=6)
    network = ForecastNetwork(plan, cell=cell, hidden_size=4).eval()
    with torch.no_grad():
        network.correction.weight.normal_(generator=torch.Generator().manual_seed(0))
    x = np.random.default_rng(0).normal(size=(3, 24, 2)).astype(np.float32)
    x[..., 1] = x[..., 1] > -1
    inputs = x, np.ones((3, 1)), np.array(0.7)
    graph = Graph.from_json(forecast_graph(network, "long_season"))
    outputs = graph.bind({name: t.numpy() for name, t in network.state_dict().items()})
    actual = outputs(x=x, pooled_scale=inputs[1], weight=inputs[2])
    for name, expected in zip(
        ("z", "params", "observed"), WindowForecast(network, "long_season").call(*inputs), strict=True
    ):
        np.testing.assert_allclose(actual[name], expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_forecaster_runs_where_there_is_no_torch(tmp_path: Path) -> None:
    case = CASES["counts"]
    tt.Forecaster(4, preset=TINY, hidden_size=4, **case.settings).fit(case.frame()).save(tmp_path / "model")
    program = f"""
import sys
from importlib.abc import MetaPathFinder
class Refuse(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"torch", "narwhals", "polars", "pandas", "pyarrow", "sklearn", "scipy"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from throughtime import runtime
model = runtime.load({str(tmp_path / "model")!r})
later = {{"unique_id": ["s0"] * 3, "ds": ["2021-02-28", "2021-03-07", "2021-03-14"], "y": [1, None, 3]}}
print(len(model.predict(level=[80])["throughtime"]), model.predict(later, horizon=2)["ds"].tolist()[0].year)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["12", "2021"], result.stderr


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("models") / "model"
    tt.Forecaster(4, preset=TINY, hidden_size=4).fit(Case().frame()).save(path)
    return runtime.load(path)


ROWS = {"unique_id": ["s0", "s0"], "ds": ["2024-01-01", "2024-02-01"], "y": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ([1, 2], {}, "columns: expected columns by name, such as .* got list"),
        ({"y": [1.0]}, {}, "df: expected columns unique_id, ds, y, got y; ds missing"),
        (ROWS | {"y": [1.0]}, {}, "columns: expected columns of one length"),
        (ROWS | {"y": ["a", "b"]}, {}, "column y: expected numbers, got str"),
        (ROWS | {"y": np.ones((2, 2))}, {}, "column y: expected a list or an array of one dimension"),
        (ROWS | {"ds": ["2024-01-01", None]}, {}, "column ds: row 2 has no date"),
        (ROWS | {"ds": ["2024-01-01", "soon"]}, {}, "soon"),
        (ROWS | {"ds": ["2024-01-01", "2024-01-01"]}, {}, "duplicate date 2024-01-01"),
        (ROWS | {"unique_id": ["s0", 1]}, {}, "column unique_id: expected names of one type"),
        (ROWS | {"y": [1.0, np.inf]}, {}, "infinite"),
        (ROWS, {"future": ROWS}, "future: the forecaster was trained without columns that are known in advance"),
        (None, {"level": [0]}, "levels: expected percentages between 0 and 100, got 0"),
        (None, {"horizon": 0}, "horizon: expected a whole number of 1 or more, got 0"),
    ],
)
def test_what_cannot_be_forecast_is_refused_in_a_sentence(
    model: Any, columns: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        model.predict(columns, **options)
    assert "\n" not in str(refusal.value)


def test_a_directory_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    tt.Forecaster(4, preset=TINY, hidden_size=4).fit(Case().frame(40)).save(tmp_path / "model")
    files = directory.read(tmp_path / "model")
    for change in ({"likelihood": "student_t"}, {"horizon": 5}, {"levels": ["a"]}, {"ended": "never"}):
        settings = files.config["settings"] | change
        config = {key: value for key, value in files.config.items() if key not in ("files", "schema")}
        contents = directory.ModelFiles(config | {"settings": settings}, files.weights, files.history)
        directory.write(tmp_path / "changed", contents, overwrite=True)
        with pytest.raises(InputError, match="changed: "):
            runtime.load(tmp_path / "changed")


def test_quantiles_are_those_of_scipy() -> None:
    from scipy.stats import nbinom, norm, t

    random = np.random.default_rng(0)
    scores, freedom = random.uniform(0.01, 7, 500), 2 + np.exp(random.uniform(-7, 7, 500))
    tails = distributions.normal_tail(scores)
    np.testing.assert_allclose(tails, norm.sf(scores), rtol=1e-12)
    np.testing.assert_allclose(distributions.normal_tail_quantile(tails), scores, rtol=1e-12)
    quantiles = distributions.student_tail_quantile(tails, freedom)
    np.testing.assert_allclose(t.sf(quantiles, freedom), tails, rtol=1e-9)
    np.testing.assert_allclose(distributions.student_tail(quantiles, freedom), tails, rtol=1e-9)
    size, mean = np.exp(random.uniform(-3, 7, 500)), np.exp(random.uniform(-4, 8, 500))
    below = norm.cdf(random.uniform(-4, 4, 500))
    counts = distributions.negative_binomial_quantile(below, size, mean)
    assert counts.tolist() == nbinom.ppf(below, size, size / (size + mean)).tolist()
