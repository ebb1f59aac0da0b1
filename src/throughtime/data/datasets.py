"""Data sets for the docs and the tests: real ones and small synthetic ones, as long pandas frames (unique_id, ds, y).

Sets with a file are read from the directory in the environment variable THROUGHTIME_DATA; others come with statsmodels.
If the source has no dates, they are made up at its frequency.
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
    """A data set and its source.

    Attributes:
        description: content of the set.
        licence: licence of the source.
        file: path below THROUGHTIME_DATA; '' if it needs no file.
        horizon: usual number of steps to forecast.
        read: function from the path of the file to the frame.
    """

    description: str
    licence: str
    file: str
    horizon: int
    read: Callable[[Path], pd.DataFrame]


def names() -> list[str]:
    """Return the names of all data sets."""
    return sorted(DATASETS)


@requires("forecast", "a data set")
def load(name: str) -> pd.DataFrame:
    """Load a data set as a long frame: unique_id, ds, y.

    Raises:
        InputError: if the name is unknown, or the file is missing.
    """
    dataset = _get_dataset(name)
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
    """Load the test part of a data set whose source is split.

    Raises:
        InputError: if the set has no test part.
    """
    dataset = _get_dataset(name)
    if not isinstance(dataset.read, _Competition):
        raise InputError(f"{name}: has no test part of its own; hold out the end of the series")
    return dataset.read.read_split(Path(os.environ.get("THROUGHTIME_DATA", "")) / dataset.file, "test")


@requires("forecast", "a data set")
def seasonal(series: int = 4, steps: int = 240, *, season: int = 12, noise: float = 0.1, seed: int = 0) -> pd.DataFrame:
    """Generate positive monthly series with a level, a trend, a season and noise."""
    import pandas as pd

    random = np.random.default_rng(seed)
    t = np.arange(steps)
    frames = []
    for i in range(series):
        pattern = random.normal(0, 0.3, season)
        log_values = (
            random.normal(3, 1) + random.normal(0, 0.002) * t + pattern[t % season] + noise * random.normal(0, 1, steps)
        )
        frames.append(
            pd.DataFrame({"unique_id": f"s{i}", "ds": _timestamps("M", "2000-01", steps), "y": np.exp(log_values)})
        )
    return pd.concat(frames, ignore_index=True)


@requires("forecast", "a data set")
def random_walk(series: int = 4, steps: int = 240, *, seed: int = 0) -> pd.DataFrame:
    """Generate daily random walks, whose best forecast is the last value."""
    import pandas as pd

    random = np.random.default_rng(seed)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "unique_id": f"s{i}",
                    "ds": _timestamps("D", "2000-01-01", steps),
                    "y": 100 + random.normal(0, 1, steps).cumsum(),
                }
            )
            for i in range(series)
        ],
        ignore_index=True,
    )


def _get_dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise InputError(f"dataset: expected one of {', '.join(names())}, got {name!r}")
    return DATASETS[name]


def _timestamps(unit: str, start: str, steps: int) -> np.ndarray:
    return (np.datetime64(start, unit) + np.arange(steps)).astype("datetime64[us]")


def _to_frame(ds: Iterable, y: Iterable, name: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"unique_id": name, "ds": ds, "y": np.asarray(y, dtype=np.float64)})


def _sunspots(_: Path) -> pd.DataFrame:
    from statsmodels.datasets import sunspots

    y = np.asarray(sunspots.load().endog)
    return _to_frame(_timestamps("Y", "1700", len(y)), y, "sunspots")


def _co2(_: Path) -> pd.DataFrame:
    """Return monthly means of the weekly values; months without values are missing."""
    from statsmodels.datasets import co2

    monthly = cast("pd.DataFrame", co2.load_pandas().data)["co2"].resample("MS").mean()
    return _to_frame(monthly.index.to_numpy(), monthly, "co2")


def _two_columns(name: str, date: int = 0, value: int = 1) -> Callable[[Path], pd.DataFrame]:
    def read(path: Path) -> pd.DataFrame:
        import pandas as pd

        table = pd.read_csv(path)
        return _to_frame(pd.to_datetime(table.iloc[:, date]), table.iloc[:, value], name)

    return read


def _exchange_rates(path: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_csv(path)
    ds = _timestamps("D", "1990-01-01", len(table))
    return pd.concat([_to_frame(ds, table[column], column) for column in table.columns], ignore_index=True)


def _gefcom(path: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_csv(path)
    ds = np.datetime64("2004-01-01T00", "us") + table.pop("hour_index").to_numpy() * np.timedelta64(1, "h")
    return pd.concat([_to_frame(ds, table[zone], zone) for zone in table.columns], ignore_index=True)


@dataclass(frozen=True)
class _Competition:
    """A reader of JSON lines with the keys id, freq, start, train and test."""

    freq: str

    def __call__(self, path: Path) -> pd.DataFrame:
        return self.read_split(path, "train")

    def read_split(self, path: Path, split: str) -> pd.DataFrame:
        import pandas as pd

        unit = {"hourly": "h", "weekly": "W", "monthly": "M", "quarterly": "M", "yearly": "Y", "other": "D"}[self.freq]
        multiple = 3 if self.freq == "quarterly" else 1
        frames = []
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if record["freq"] != self.freq:
                    continue
                offset = len(record["train"]) if split == "test" else 0
                start = record["start"] if isinstance(record.get("start"), str) else "1970-01-01"
                # Months and years have no fixed length, so that numpy counts them in their own unit.
                resolution = unit if unit in ("M", "Y") else "us"
                steps = (offset + np.arange(len(record[split]))) * np.timedelta64(multiple, unit).astype(
                    f"m8[{resolution}]"
                )
                ds = (np.datetime64(start.replace(" ", "T"), resolution) + steps).astype("datetime64[us]")
                frames.append(_to_frame(ds, record[split], record["id"]))
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
"""All data sets by name."""
