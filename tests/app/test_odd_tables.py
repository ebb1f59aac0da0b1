"""Tables that are odd and right, and what a command says when it is stopped or cannot write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.app.process import COMMAND, monthly, run_in_process, seasonal, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

FAST = ("--horizon", 4, "--preset", "fast", "--budget", "1s")


def test_months_of_six_digits_are_months(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", ["month,y", *(f"{2018 + i // 12}{i % 12 + 1:02},{100 + i % 12}" for i in range(46))])
    run_in_process("forecast", "data.csv", *FAST, "--out", "run", cwd=tmp_path)
    assert pl.read_csv(tmp_path / "run" / "forecast.csv")["ds"].to_list() == [
        "2021-11-01", "2021-12-01", "2022-01-01", "2022-02-01",
    ]  # fmt: skip


def test_offsets_of_hours_alone_are_offsets(tmp_path: Path) -> None:
    hours = [(day, hour) for day in (25, 26, 27, 28) for hour in range(0, 24, 3)]
    for name, zone in (("short.csv", "+01"), ("long.csv", "+01:00")):
        rows = [f"2024-03-{day} {hour:02}:00:00{zone},{hour}" for day, hour in hours]
        write(tmp_path / name, ["ts,y", *rows])
    items = []
    for name in ("short", "long"):
        _, err = run_in_process("forecast", f"{name}.csv", *FAST, "--out", name, cwd=tmp_path)
        assert "Warning" not in err
        items.append(pl.read_csv(tmp_path / name / "forecast.csv"))
    assert items[0]["ds"].to_list() == items[1]["ds"].to_list()
    rows = json.loads(run_in_process("predict", "short", "short.csv", "--json", cwd=tmp_path)[0])["forecast"]
    assert [row["ds"] for row in rows] == items[0]["ds"].to_list()


def test_lines_that_end_in_carriage_returns_are_lines(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes("\r".join(monthly(seasonal(40))).encode())
    out, _ = run_in_process("forecast", "data.csv", *FAST, "--json", cwd=tmp_path)
    assert json.loads(out)["series"] == 1


def test_a_folder_may_hold_whole_numbers_in_one_file_and_others_in_the_next(tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    months = pl.date_range(pl.date(2020, 1, 1), pl.date(2023, 4, 1), "1mo", eager=True)
    for number, kind in enumerate((pl.Float64, pl.Int64)):
        y = pl.Series("y", range(40), dtype=kind)
        frame = pl.DataFrame({"unique_id": [f"s{number}"] * 40, "ds": months, "y": y})
        frame.write_parquet(tmp_path / "all" / f"{number}.parquet")
    out, _ = run_in_process("forecast", "all", *FAST, "--time", "ds", "--series", "unique_id", "--json", cwd=tmp_path)
    assert json.loads(out)["series"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backtest", "--out", "none/past.csv"], "--out: none/past.csv cannot be written: there is no directory none"),
        (["backtest", "--out", "-"], "--out: expected the name of a file, got -"),
        (["compare", "--out", "none/board.csv"], "there is no directory none"),
        (["compare", "--cell", ""], "--cell: expected at least one, got none"),
        (["forecast", "--seed", "-1"], "--seed: expected a whole number of 0 or more, got -1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_it_is_told_before_anything_is_learned(arguments: list[str], words: str, tmp_path: Path) -> None:
    write(tmp_path / "data.csv", monthly(seasonal(40)))
    verb, *options = arguments
    out, err = run_in_process(verb, "data.csv", "--horizon", 4, "--preset", "fast", *options, cwd=tmp_path, code=2)
    assert (out, words in err, "done in" in err) == ("", True, False), err
    assert os.listdir(tmp_path) == ["data.csv"]


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT, which Windows has not")
def test_a_command_that_is_stopped_says_so(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", monthly(seasonal(400)))
    arguments = [*COMMAND, "backtest", "data.csv", "--horizon", "6", "--preset", "best", "--refit"]
    with subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True, process_group=0) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("Backtest:"))
        process.send_signal(signal.SIGINT)
        message = process.stderr.readlines()
        assert process.wait(timeout=60) == 130
    assert message[-1] == "throughtime: interrupted; nothing was written\n"
