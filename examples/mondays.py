"""A simulated year of Mondays by the commands alone: forecast, then every week monitor, update after drift, predict.

Twelve shops sell daily. One opens in week 10, one closes in week 20, there are promotions and holidays that are known
in advance, and from week 30 on some shops sell less. The script prints the verdict of `throughtime monitor` after every
week: the shift must be found within two weeks, and nothing else.

    python examples/mondays.py                          one year with the shift
    python examples/mondays.py --shift none --seeds 10  ten years without it
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from throughtime.app.commands import app

Row = tuple[str, date, float | str, int, int]
"""Shop, date, sales (empty where unknown), promotion and holiday."""

FIRST = date(2022, 1, 3)  # a Monday
YEARS_BEFORE = 2
WEEKS = 52
HORIZON = 28  # days
SHOPS = 12
WEEKDAYS = np.log([0.9, 0.85, 0.9, 1.0, 1.25, 1.5, 0.6])
HOLIDAYS = [(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)]  # month and day


@dataclass(frozen=True)
class Change:
    """What happens from week 30 on: factors of the sales, of the noise and of the effect of promotions."""

    shops: int = 0
    level: float = 1.0
    noise: float = 1.0
    promotion: float = 1.0
    per_week: float = 1.0


CHANGES = {
    "none": Change(),
    "down": Change(shops=5, level=0.7),
    "up": Change(shops=5, level=1.35),
    "one": Change(shops=1, level=0.6),
    "promotion": Change(shops=SHOPS, promotion=0.0),
    "noise": Change(shops=SHOPS, noise=2.0),
    "slow": Change(shops=SHOPS, per_week=0.97),
}


def sales(seed: int, change: Change) -> list[Row]:
    """Return rows of shop, date, sales, promotion and holiday: two years of history, a year, and a horizon."""
    random = np.random.default_rng(seed)
    start = YEARS_BEFORE * 364
    days = np.arange(start + 7 * WEEKS + HORIZON)
    dates = [FIRST + timedelta(days=int(day)) for day in days]
    holiday = np.array([(d.month, d.day) in HOLIDAYS for d in dates])
    common = 0.04 * random.normal(size=len(days)) + 0.08 * np.sin(2 * np.pi * days / 365.25)
    rows: list[Row] = []
    for shop in range(SHOPS):
        promotion = (days // 7 + 3 * shop) % 9 == 0
        after = (days >= start + 7 * 30) & (shop < change.shops)
        walk = np.cumsum(0.004 * random.normal(size=len(days)))
        noise = 0.09 * random.normal(size=len(days)) * np.where(after, change.noise, 1.0)
        log = np.log(80 + 40 * shop) + WEEKDAYS[days % 7] + common + walk + noise - 0.5 * holiday
        log += 0.35 * promotion * np.where(after, change.promotion, 1.0)
        weeks_after = np.maximum((days - start) / 7 - 30, 0)
        log += after * (np.log(change.level) + weeks_after * np.log(change.per_week))
        opens, closes = (start + 70 if shop == 10 else 0), (start + 140 if shop == 11 else len(days))
        rows += [
            (
                f"shop {shop + 1:02}",
                dates[t],
                round(float(np.exp(log[t])), 1) if t < closes else "",
                int(promotion[t]),
                int(holiday[t]),
            )
            for t in range(opens, len(days))
        ]
    return rows


def write(path: Path, rows: list[Row], monday: date, future: int = 0) -> None:
    """Write the rows before a Monday, and `future` days of which only promotions and holidays are known."""
    last = monday + timedelta(days=future)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["shop", "date", "sales", "promotion", "holiday"])
        shops = {row[0] for row in rows if row[1] < monday}
        for row in rows:
            if row[0] in shops and row[1] < last:
                writer.writerow(row if row[1] < monday else [*row[:2], "", *row[3:]])


def run(*arguments: object) -> tuple[int, str]:
    """Run a command of throughtime; return its exit code and what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = app([str(argument) for argument in arguments], prog_name="throughtime", standalone_mode=False)
        except SystemExit as error:
            code = error.code
    return int(code or 0), out.getvalue()


def simulate(seed: int, change: Change, directory: Path, *, verbose: bool) -> list[int]:
    """Run a year; return the weeks after which `monitor` found drift, each once until the model was updated."""
    rows, table, model = sales(seed, change), directory / "sales.csv", directory / "run"
    monday = FIRST + timedelta(weeks=YEARS_BEFORE * 52)
    write(table, rows, monday, HORIZON)
    columns = ("--future", "promotion,holiday", "--time", "date", "--target", "sales", "--series", "shop")
    fast = ("--preset", "fast", "--budget", "4s", "--overwrite")
    code, _ = run("forecast", table, "--horizon", HORIZON, *columns, *fast, "--out", model, "--json")
    assert code == 0
    alarms = []
    for week in range(1, WEEKS + 1):
        monday += timedelta(weeks=1)
        write(table, rows, monday, HORIZON)
        code, text = run("monitor", model, table, "--json")
        result = json.loads(text)
        if code == 3:
            alarms.append(week)
            assert run("update", model, table, "--budget", "4s", "--json")[0] == 0
        if verbose:
            last = result["by_forecast"][-1]
            named = ", ".join(last["series"])
            print(
                f"{week:4}  {monday}  {last['mae']:7.1f}  {last['expected_ratio']:6.2f}  {last['coverage']:6.0%}  "
                f"{last['evidence']:10.3g}  exit {code}  {last['state']}{': ' if named else ''}{named}",
                flush=True,
            )
        code, text = run("predict", model, table, "--json")
        assert code == 0, text
    return alarms


def main() -> int:
    """Print the verdicts, and return 1 for a shift that was missed or a false alarm."""
    parser = argparse.ArgumentParser(description="Simulate a year of Mondays.")
    parser.add_argument("--shift", choices=CHANGES, default="down")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    change, failed = CHANGES[options.shift], False
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        started = time.process_time()
        if options.seeds == 1:
            print("week  until       mean error  ratio  in 80 %    evidence  verdict")
        with tempfile.TemporaryDirectory() as directory:
            alarms = simulate(seed, change, Path(directory), verbose=options.seeds == 1)
        early = [week for week in alarms if week <= 30] if change != Change() else alarms
        detected = next((week for week in alarms if week > 30), None)
        in_time = change == Change() or (detected is not None and detected <= 32)
        failed |= bool(early) or not in_time
        seconds = time.process_time() - started
        print(f"seed {seed}: alarms after weeks {alarms or 'none'}, {seconds:.0f} s of processor time", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
