"""Columns beside y: what they are worth, what forecasts may know of them, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone

import throughtime as tt
from throughtime import InputError
from throughtime.data.series.calendar_features import CYCLES, CalendarFeatures, holidays
from throughtime.data.series.covariates import Feature
from throughtime.data.series.frames import read_frame, read_future
from throughtime.data.series.frequency import parse_frequency
from throughtime.tasks.forecasting.network.covariate_effects import Embedding

FUTURE = 7


def shop(steps: int = 200, series: int = 2) -> pd.DataFrame:
    """Sales that rise with promotions and fall with prices; the last week has no sales yet."""
    random = np.random.default_rng(0)
    parts = []
    for i in range(series):
        total = steps + FUTURE
        promotion = random.random(total) < 0.2
        price = 10 + 5 * i + 0.3 * random.standard_normal(total).cumsum()
        week = 8 * np.sin(2 * np.pi * np.arange(total) / 7)
        y = 60 + week + 30 * promotion - 3 * (price - price.mean()) + random.standard_normal(total)
        y[steps:] = np.nan
        ds = pd.date_range("2023-01-02", periods=total)
        kind = ["small", "large"][i % 2]
        parts.append({"unique_id": f"s{i}", "ds": ds, "y": y, "promotion": promotion, "price": price, "kind": kind})
    return pd.concat([pd.DataFrame(part) for part in parts], ignore_index=True)


KNOWN = tt.Covariates(future=["promotion", "price"], static=["kind"])


def quick_forecaster(covariates: tt.Covariates | None = KNOWN, **settings: object) -> tt.Forecaster:
    return tt.Forecaster(FUTURE, preset="fast", hidden_size=16, covariates=covariates, **settings)


@pytest.fixture(scope="module")
def fitted() -> tt.Forecaster:
    return quick_forecaster().fit(shop())


def ahead(df: pd.DataFrame) -> pd.DataFrame:
    return df.loc[df["y"].isna(), ["unique_id", "ds", "promotion", "price", "kind"]]


def test_what_is_known_in_advance_makes_better_forecasts() -> None:
    df = shop()
    known = quick_forecaster().backtest(df, n_windows=3, memoryless=False).scores
    blind = quick_forecaster(None).backtest(df.dropna(), n_windows=3, memoryless=False).scores
    assert known["throughtime"]["mase"] < 0.6 * blind["throughtime"]["mase"]
    assert known["naive"] == blind["naive"]


def test_rows_behind_the_last_value_are_the_future(fitted: tt.Forecaster) -> None:
    df = shop()
    forecast = fitted.predict()
    assert forecast["ds"].iloc[0] == df.loc[df["y"].isna(), "ds"].iloc[0]
    pd.testing.assert_frame_equal(fitted.predict(df), forecast, check_exact=True)
    pd.testing.assert_frame_equal(fitted.predict(df.dropna(), future=ahead(df)), forecast, check_exact=True)
    as_polars = fitted.predict(pl.from_pandas(df.dropna()), future=pl.from_pandas(ahead(df)))
    np.testing.assert_array_equal(as_polars["throughtime"], forecast["throughtime"])


def test_a_step_of_the_forecast_knows_what_was_announced_for_it(fitted: tt.Forecaster) -> None:
    df = shop()
    future = ahead(df)
    chosen = (future["unique_id"] == "s0") & (future["ds"] == future["ds"].iloc[3])
    quiet, loud = future.copy(), future.copy()
    quiet.loc[chosen, "promotion"], loud.loc[chosen, "promotion"] = False, True
    difference = (fitted.predict(future=loud)["throughtime"] - fitted.predict(future=quiet)["throughtime"]).to_numpy()
    assert difference[3] > 10
    assert np.flatnonzero(difference).tolist() == [3]


def test_columns_of_the_past_are_not_known_behind_the_end() -> None:
    df = shop()
    fitted = quick_forecaster(tt.Covariates(past=["price"])).fit(df.dropna())
    expected = fitted.predict()
    with_more = df.copy()
    with_more.loc[df["y"].isna(), "price"] = 1e6
    with pytest.warns(tt.InputWarning, match="Column price: 14 rows far outside the range of training"):
        pd.testing.assert_frame_equal(fitted.predict(with_more), expected)
    past = df.dropna().copy()
    past["price"] *= np.linspace(1, 1.5, len(past))
    assert not np.array_equal(fitted.predict(past)["throughtime"], expected["throughtime"])


def test_covariates_are_saved_with_the_forecaster(fitted: tt.Forecaster, tmp_path: object) -> None:
    fitted.save(f"{tmp_path}/model")
    loaded = tt.load(f"{tmp_path}/model")
    assert loaded.covariates == KNOWN
    pd.testing.assert_frame_equal(loaded.predict(), fitted.predict(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.predict(shop()), fitted.predict(), check_exact=True)


def test_words_never_seen_and_series_never_seen_are_forecast(fitted: tt.Forecaster) -> None:
    df = shop()
    df["kind"], df["unique_id"] = "tiny", "new-" + df["unique_id"]
    with pytest.warns(
        tt.InputWarning, match=r"Column kind: 'tiny' .414 rows. was not seen in training .* 'large', 'sm"
    ):
        assert np.isfinite(fitted.predict(df)["throughtime"]).all()


def test_a_word_never_seen_has_no_effect_of_its_own() -> None:
    features = [Feature.of("event", "future", ["none"] * 8 + ["sale"] * 2)]
    codes = torch.tensor(features[0].encode(["none", "sale", "Sale"]))[:, None].float()
    for seed in range(3):
        torch.manual_seed(seed)
        none, sale, unseen = Embedding(features, ("future",))(codes)
        torch.testing.assert_close(unseen, 0.8 * none + 0.2 * sale)
    former = Embedding([replace(features[0], counts=())], ("future",))  # of a model that did not count
    torch.testing.assert_close(former(codes)[2], former(codes)[:2].mean(0))


@pytest.mark.parametrize(
    ("trained", "later", "message"),
    [
        (["sale", "none"], ["SALE"], "'SALE' .1 row. was not seen in training .*; the nearest known word is 'sale'"),
        (["sale", "none"], ["x", "x"], "'x' .2 rows. .* read as an average word; known words are 'none', 'sale'"),
        ([5.0, 15.0], [700.0, 1100.0], "2 rows far outside the range of training .between 5 and 15., such as 1100"),
        ([500.0, 1500.0], [9.0], "1 row far outside .*, such as 9"),
        ([7, 7], [8], "1 row far outside the range of training .always 7., such as 8"),
        ([False, True], [3], "such as 3"),
        (["sale", "none"], [" sale ", None], None),
        (["True", "False"], [True], None),
        (["1", "x"], [1, 1.0], None),
        ([True, False], [1, 0.0, "1"], None),
        ([5.0, 15.0], [4.0, 20.0, Decimal(5)], None),
    ],
)
def test_what_training_has_not_seen_in_a_column_is_named(
    trained: list[object], later: list[object], message: str | None
) -> None:
    feature = Feature.of("event", "future", trained)
    sentences = feature.warnings_for(later, feature.encode(later))
    assert len(sentences) == (message is not None)
    for sentence in sentences:
        assert re.search(f"Column event: .*{message}", sentence)


@pytest.mark.parametrize(
    ("trained", "later", "message"),
    [
        (["yes", "no"], [1], "expected words as in training .'no', 'yes'., got 1 .int."),
        (["yes", "no"], [True], "expected words as in training .* got True .bool."),
        ([1.0, 2.0], ["yes"], "expected numbers as in training, got 'yes'"),
        ([True, False], ["True"], "expected numbers as in training, got 'True'"),
        ([1.0, 2.0], [pd.Timestamp("2024-01-01")], "expected numbers as in training, got Timestamp"),
    ],
)
def test_numbers_for_words_and_words_for_numbers_are_refused(
    trained: list[object], later: list[object], message: str
) -> None:
    with pytest.raises(InputError, match=f"column event: {message}"):
        Feature.of("event", "future", trained).encode(later)


def test_a_static_column_that_is_empty_or_has_another_value_is_not_taken_in_silence(fitted: tt.Forecaster) -> None:
    df = shop()
    with pytest.warns(tt.InputWarning, match=r"Column kind: empty for s0, s1, read as an average series"):
        later = fitted._read_later_frame(df.assign(kind=None))[0]
    assert fitted.panel_.merge(later).exogenous[0][0, 2] == fitted.panel_.exogenous[0][0, 2]
    swapped = df.assign(kind=df["kind"].map({"small": "large", "large": "small"}))
    with pytest.raises(InputError, match="series s0: static column kind is 'large', but was 'small' in training"):
        fitted.panel_.merge(fitted._read_later_frame(swapped)[0])


def test_gaps_in_a_column_are_filled_and_said() -> None:
    df = shop()
    df.loc[[20, 21], "price"] = np.nan
    fitted = quick_forecaster(budget=0.2).fit(df)
    assert "Series s0: column price has 2 gaps, filled with the value before." in fitted.notes_


def test_settings_with_covariates_are_cloned() -> None:
    assert clone(quick_forecaster()).get_params() == quick_forecaster().get_params()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda df: df.dropna(), r"series s0: column promotion has no value for 2023-07-21, .* up to 2023-07-27"),
        (lambda df: df.iloc[:-1], r"series s1: column promotion has no value for 2023-07-27"),
        (lambda df: df.assign(price=df["price"].where(df["ds"] != "2023-07-23")), "price has no value for 2023-07-23"),
        (lambda df: df.drop(columns="price"), "got 'price'; its columns are unique_id, ds, y, promotion, kind"),
        (lambda df: df.assign(price="cheap"), "column price: expected numbers as in training, got 'cheap'"),
        (lambda df: df.assign(price=np.inf), "column price: row 1 is infinite"),
    ],
    ids=["no future", "short future", "gap in the future", "no column", "words for numbers", "infinite"],
)  # fmt: skip
def test_what_is_missing_is_named(fitted: tt.Forecaster, change: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted.predict(change(shop()))


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (lambda: tt.Covariates(future="price"), "expected a list of names of columns as future, got 'price'"),
        (lambda: tt.Covariates(future=["price"], past=["price"]), "price is named twice"),
        (lambda: tt.Covariates(holidays="XX"), "code of a country such as DE or US-CA"),
    ],
)
def test_impossible_covariates_are_refused(covariates: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        covariates()


def test_a_static_column_that_changes_is_refused() -> None:
    with pytest.raises(InputError, match="series s0: column price changes, but static columns have one value"):
        quick_forecaster(tt.Covariates(static=["price"])).fit(shop())


def test_a_future_must_fit_its_past(fitted: tt.Forecaster) -> None:
    future = ahead(shop())
    with pytest.raises(InputError, match="series s9 has no past; its series are s0, s1"):
        fitted.predict(future=future.assign(unique_id="s9"))
    with pytest.raises(InputError, match="2023-07-21 06:00:00 is not one of its dates, which come every day"):
        fitted.predict(future=future.assign(ds=future["ds"] + pd.Timedelta(hours=6)))
    with pytest.raises(InputError, match="without columns that are known in advance"):
        quick_forecaster(None, budget=0.1).fit(shop().dropna()).predict(future=future)


def test_holidays_are_those_of_the_country() -> None:
    days = np.arange("2024-12-23", "2024-12-29", dtype="M8[D]").astype("M8[us]")
    assert holidays("DE", days)[:, 0].tolist() == [0, 0, 1, 1, 0, 0]
    assert holidays("DE", days)[:, 1].tolist() == [0, 1, 0, 0, 1, 0]
    assert holidays("US", days)[:, 0].tolist() == [0, 0, 1, 0, 0, 0]
    months = np.array(["2024-11-01", "2024-12-01", "2025-01-01"], dtype="M8[us]")
    assert holidays("DE", months)[:, 0].tolist() == [0, 1, 1]
    hours = np.array(["2024-12-24T23", "2024-12-25T00", "2024-12-25T23"], dtype="M8[us]")
    assert holidays("DE", hours)[:, 0].tolist() == [0, 1, 1]


def test_holidays_need_no_rows_of_the_future() -> None:
    days = pd.date_range("2018-01-01", periods=3 * 365)
    free = holidays("DE", days.to_numpy().astype("M8[us]"))[:, 0] > 0
    y = 50 + 5 * np.sin(2 * np.pi * np.arange(len(days)) / 7) + 40 * free
    fitted = quick_forecaster(tt.Covariates(holidays="DE")).fit(pd.DataFrame({"ds": days, "y": y}).iloc[: 3 * 365 - 10])
    forecast = fitted.predict().set_index("ds")["throughtime"]
    assert forecast.index[0] == pd.Timestamp("2020-12-21")
    assert forecast["2020-12-25"] - forecast["2020-12-23"] > 10
    with pytest.raises(InputError, match="holidays need dates"):
        quick_forecaster(tt.Covariates(holidays="DE"), budget=0.1).fit(
            pd.DataFrame({"ds": range(100), "y": range(100)})
        )


@pytest.mark.parametrize(
    ("freq", "cycles"),
    [
        ("15min", ("day", "week", "year")),
        ("h", ("day", "week", "year")),
        ("D", ("week", "month", "year")),
        ("B", ("week", "month", "year")),
        ("W", ("year",)),
        ("MS", ("year",)),
        ("QE", ("year",)),
        ("YS", ()),
    ],
)
def test_a_calendar_has_the_cycles_that_its_dates_lie_in(freq: str, cycles: tuple[str, ...]) -> None:
    result = CalendarFeatures(cycles=CYCLES).restrict_to(parse_frequency(freq))
    assert result.cycles == cycles
    stamps = pd.date_range("2023-01-01", periods=40, freq=freq).to_numpy().astype("M8[us]")
    if cycles:
        assert result.covariates_at(stamps).shape == (40, len(result.names))


@pytest.mark.parametrize(
    ("cycle", "same", "other"),
    [
        ("day", ["2024-02-29T06:30", "1969-12-31T06:30"], "2024-02-29T18:30"),
        ("week", ["2024-02-26T23:00", "1969-12-29T00:00"], "2024-02-27T00:00"),
        ("month", ["2024-02-01", "1969-12-01"], "2024-02-15"),
        ("year", ["2024-01-01", "1969-01-01"], "2024-03-01"),
    ],
)
def test_dates_at_one_place_of_a_cycle_are_told_alike(cycle: str, same: list[str], other: str) -> None:
    one, again, another = CalendarFeatures(cycles=(cycle,)).covariates_at(np.array([*same, other], dtype="M8[us]"))
    np.testing.assert_allclose(one, again, atol=1e-12)
    assert np.abs(one - another).max() > 0.3


def test_the_end_of_a_year_lies_beside_its_beginning() -> None:
    days = np.arange("2023-12-20", "2024-01-12", dtype="M8[D]").astype("M8[us]")
    assert np.abs(np.diff(CalendarFeatures(cycles=("year",)).covariates_at(days), axis=0)).max() < 0.05


def test_a_calendar_makes_better_forecasts_of_what_comes_once_a_year(tmp_path: object) -> None:
    """Days of three years: a week is seen in every window, a summer only by the date."""
    days = pd.date_range("2020-01-01", periods=3 * 366)
    random = np.random.default_rng(0)
    summer = 30 * np.sin(2 * np.pi * days.day_of_year / 365.25)
    y = 100 + 5 * (days.day_of_week > 4) + summer + random.standard_normal(len(days))
    df = pd.DataFrame({"ds": days, "y": y})
    options = {"preset": "fast", "hidden_size": 16, "lookback": 28}
    known = tt.Forecaster(30, covariates=tt.Covariates(calendar=True), **options)
    scores = {name: each.backtest(df, 4, memoryless=False).scores["throughtime"]["mase"]
              for name, each in (("known", known), ("blind", tt.Forecaster(30, **options)))}  # fmt: skip
    assert scores["known"] < 0.8 * scores["blind"]
    fitted = known.fit(df)
    fitted.save(f"{tmp_path}/model")
    pd.testing.assert_frame_equal(tt.load(f"{tmp_path}/model").predict(), fitted.predict(), check_exact=True)


def test_a_calendar_needs_dates() -> None:
    with pytest.raises(InputError, match="the calendar needs dates, but the steps of the series are whole numbers"):
        quick_forecaster(tt.Covariates(calendar=True)).fit(pd.DataFrame({"ds": range(100), "y": range(100)}))
    with pytest.raises(InputError, match="expected True or False as calendar, got 'DE'"):
        tt.Covariates(calendar="DE")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z: pd.concat([z, z.assign(promotion=~z["promotion"])]), "series s0: two rows for 2023-07-21"),
        (lambda z: pd.concat([z.iloc[:1], z]), "series s0: two rows for 2023-07-21; keep one row for each date"),
        (lambda z: z.assign(price=1.0), r"series s0: column price is 1 for 2023-07-21, but .* rows of the series"),
        (
            lambda z: z.assign(ds=z["ds"] - pd.Timedelta(days=7), promotion=np.nan, price=1.0),
            r"column price is 1 for 2023-07-14, but .* in the history; give rows after 2023-07-20 alone",
        ),
    ],
    ids=["contradicting", "equal", "another value than the rows of df", "another value than the history"],
)
def test_a_date_has_one_row_in_the_future_as_in_the_past(change: object, message: str) -> None:
    past = read_frame(shop(), covariates=KNOWN)[0]
    with pytest.raises(InputError, match=message):
        read_future(change(ahead(shop())), past)
    pd.testing.assert_frame_equal(
        pd.DataFrame(read_future(ahead(shop()), past).exogenous.values), pd.DataFrame(past.exogenous.values)
    )
