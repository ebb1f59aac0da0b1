"""Sets that the docs and the tests name: real ones from where they are on this machine, and small synthetic ones.

A real set is a long frame (pandas) with unique_id, ds and y. Those marked with a file are read from the directory
that the environment variable THROUGHTIME_DATA names; those of statsmodels come with it. Dates are invented where the
source has none, at the source's frequency.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from throughtime._core.errors import InputError, requires

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """A set and where it comes from.

    Attributes:
        what: it is.
        licence: of the source.
        file: below THROUGHTIME_DATA, '' where it needs none.
        horizon: steps that are usually forecast.
        read: makes the frame; from the file's path, if there is one.
    """

    what: str
    licence: str
    file: str
    horizon: int
    read: Callable[[Path], pd.DataFrame]


def names() -> list[str]:
    """Names that `load` takes."""
    return sorted(DATASETS)


@requires("forecast", "a data set")
def load(name: str) -> pd.DataFrame:
    """A set by name, as a long frame: unique_id, ds, y.

    Raises:
        InputError: for an unknown name, or a set that is not on this machine.
    """
    dataset = _dataset(name)
    if not dataset.file:
        return dataset.read(Path())
    root = os.environ.get("THROUGHTIME_DATA")
    if not root:
        raise InputError(f"{name}: set THROUGHTIME_DATA to the directory that holds {dataset.file}")
    path = Path(root) / dataset.file
    if not path.is_file():
        raise InputError(f"{name}: expected the file {path}; is THROUGHTIME_DATA right?")
    return dataset.read(path)


@requires("forecast", "a data set")
def load_test(name: str) -> pd.DataFrame:
    """What follows the series of a set, for those whose sources keep it apart.

    Raises:
        InputError: for a set that is not split.
    """
    dataset = _dataset(name)
    if not isinstance(dataset.read, _Competition):
        raise InputError(f"{name}: has no test part of its own; hold out the end of the series")
    return dataset.read.part(Path(os.environ.get("THROUGHTIME_DATA", "")) / dataset.file, "test")


@requires("forecast", "a data set")
def seasonal(series: int = 4, steps: int = 240, *, season: int = 12, noise: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Monthly series of a level, a trend, a season and noise, all positive."""
    import pandas as pd

    random = np.random.default_rng(seed)
    t = np.arange(steps)
    frames = []
    for i in range(series):
        shape = random.normal(0, 0.3, season)
        z = random.normal(3, 1) + random.normal(0, 0.002) * t + shape[t % season] + noise * random.normal(0, 1, steps)
        frames.append(pd.DataFrame({"unique_id": f"s{i}", "ds": _stamps("M", "2000-01", steps), "y": np.exp(z)}))
    return pd.concat(frames, ignore_index=True)


@requires("forecast", "a data set")
def random_walk(series: int = 4, steps: int = 240, *, seed: int = 0) -> pd.DataFrame:
    """Daily random walks, of which nothing can be forecast but that they go on where they are."""
    import pandas as pd

    random = np.random.default_rng(seed)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": f"s{i}",
                    "ds": _stamps("D", "2000-01-01", steps),
                    "y": 100 + random.normal(0, 1, steps).cumsum(),
                }
            )
            for i in range(series)
        ],
        ignore_index=True,
    )


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise InputError(f"dataset: expected one of {', '.join(names())}, got {name!r}")
    return DATASETS[name]


def _stamps(unit: str, start: str, steps: int) -> np.ndarray:
    return (np.datetime64(start, unit) + np.arange(steps)).astype("datetime64[us]")


def _single(ds: Iterable, y: Iterable, name: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"unique_id": name, "ds": ds, "y": np.asarray(y, dtype=np.float64)})


def _sunspots(_: Path) -> pd.DataFrame:
    from statsmodels.datasets import sunspots

    y = np.asarray(sunspots.load().endog)
    return _single(_stamps("Y", "1700", len(y)), y, "sunspots")


def _co2(_: Path) -> pd.DataFrame:
    """Monthly means of the weekly values; months without any are missing."""
    from statsmodels.datasets import co2

    monthly = cast("pd.DataFrame", co2.load_pandas().data)["co2"].resample("MS").mean()
    return _single(monthly.index.to_numpy(), monthly, "co2")


def _two_columns(name: str, date: int = 0, value: int = 1) -> Callable[[Path], pd.DataFrame]:
    def read(path: Path) -> pd.DataFrame:
        import pandas as pd

        table = pd.read_csv(path)
        return _single(pd.to_datetime(table.iloc[:, date]), table.iloc[:, value], name)

    return read


def _exchange_rates(path: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_csv(path)
    ds = _stamps("D", "1990-01-01", len(table))
    return pd.concat([_single(ds, table[column], column) for column in table.columns], ignore_index=True)


def _gefcom(path: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_csv(path)
    ds = np.datetime64("2004-01-01T00", "us") + table.pop("hour_index").to_numpy() * np.timedelta64(1, "h")
    return pd.concat([_single(ds, table[zone], zone) for zone in table.columns], ignore_index=True)


@dataclass(frozen=True)
class _Competition:
    """Reader of JSON lines with the keys id, freq, start, train and test."""

    freq: str

    def __call__(self, path: Path) -> pd.DataFrame:
        return self.part(path, "train")

    def part(self, path: Path, part: str) -> pd.DataFrame:
        import pandas as pd

        unit = {"hourly": "h", "weekly": "W", "monthly": "M", "quarterly": "M", "yearly": "Y", "other": "D"}[self.freq]
        pace = 3 if self.freq == "quarterly" else 1
        frames = []
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if record["freq"] != self.freq:
                    continue
                first = len(record["train"]) if part == "test" else 0
                start = record["start"] if isinstance(record.get("start"), str) else "1970-01-01"
                # Months and years have no fixed length: numpy counts them in their own unit.
                fine = unit if unit in ("M", "Y") else "us"
                steps = (first + np.arange(len(record[part]))) * np.timedelta64(pace, unit).astype(f"m8[{fine}]")
                ds = (np.datetime64(start.replace(" ", "T"), fine) + steps).astype("datetime64[us]")
                frames.append(_single(ds, record[part], record["id"]))
        return pd.concat(frames, ignore_index=True)


_M4 = "none stated (Makridakis et al. 2020)"
_M3 = "GPL-3 (R package Mcomp)"
DATASETS = {
    "sunspots": Dataset("yearly sunspots 1700-2008", "public domain (statsmodels)", "", 11, _sunspots),
    "co2": Dataset("monthly CO2 of Mauna Loa", "public domain (statsmodels)", "", 12, _co2),
    "seasonal": Dataset("synthetic series with a season", "ours", "", 12, lambda _: seasonal()),
    "random_walk": Dataset("synthetic random walks", "ours", "", 7, lambda _: random_walk()),
    "airline": Dataset(
        "monthly airline passengers 1949-1960", "none stated (Box and Jenkins 1976)",
        "forecasting/airline-passengers.csv", 12, _two_columns("airline"),
    ),
    "monthly_sunspots": Dataset(
        "monthly sunspots 1749-1983", "none stated (Andrews and Herzberg 1985)",
        "forecasting/monthly-sunspots.csv", 12, _two_columns("sunspots"),
    ),
    "etth1": Dataset(
        "hourly oil temperature of a transformer", "CC BY-ND 4.0 (Zhou et al. 2021)",
        "forecasting/ETTh1.csv", 24, _two_columns("OT", value=-1),
    ),
    "exchange_rate": Dataset(
        "daily exchange rates of 8 currencies", "Apache-2.0 (Lai et al. 2018)",
        "forecasting/exchange_rate.csv", 30, _exchange_rates,
    ),
    "gefcom2012_load": Dataset(
        "hourly load of 20 zones with gaps", "GPL-3 (R package tscompdata)",
        "forecasting/gefcom2012_load.csv.gz", 24, _gefcom,
    ),
    "electricity_weekly": Dataset(
        "weekly load of 321 clients", "CC BY 4.0", "forecasting/electricity_weekly.jsonl.gz", 8, _Competition("weekly")
    ),
    "m4_hourly": Dataset("M4, 414 hourly series", _M4, "forecasting/m4/m4_hourly.jsonl.gz", 48, _Competition("hourly")),
    "m4_weekly": Dataset("M4, 359 weekly series", _M4, "forecasting/m4/m4_weekly.jsonl.gz", 13, _Competition("weekly")),
    "m3_yearly": Dataset("M3, 645 yearly series", _M3, "forecasting/m3/m3.jsonl.gz", 6, _Competition("yearly")),
    "m3_quarterly": Dataset("M3, 756 by quarter", _M3, "forecasting/m3/m3.jsonl.gz", 8, _Competition("quarterly")),
    "m3_monthly": Dataset("M3, 1428 monthly series", _M3, "forecasting/m3/m3.jsonl.gz", 18, _Competition("monthly")),
    "m3_other": Dataset("M3, 174 other series", _M3, "forecasting/m3/m3.jsonl.gz", 8, _Competition("other")),
}  # fmt: skip
"""Every set by its name."""
