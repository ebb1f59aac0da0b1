"""Runs of the command line that succeed, as processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from tests.app.process import COMMAND, monthly, run_in_process, seasonal, throughtime, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

PATHS = ("model", "forecast", "table", "totals", "scores", "report")
FILES = ["forecast.csv", "model", "report.html", "run.json", "scores.csv", "table.csv", "totals.csv"]
FAST = ("--horizon", 6, "--preset", "fast", "--budget", "1s")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A finished run in DIR/run, and what it said."""
    directory = tmp_path_factory.mktemp("run")
    lines = monthly(seasonal())
    lines[30] = lines[30].partition(",")[0] + ","  # a missing value
    write(directory / "data.csv", [lines[0], *reversed(lines[1:])])
    return directory, throughtime("forecast", "data.csv", *FAST, "--out", "run", "--json", cwd=directory)


def test_json_is_one_object_and_all_of_stdout(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    directory, done = run
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert {*PATHS, "series", "horizon", "network_share", "backtest", "by_series", "verdict", "seconds"} == set(result)
    assert (result["series"], result["horizon"]) == (1, 6)
    assert {"windows", "headline", "throughtime", "naive", "seasonal_naive", "network_shares", "coverage"} == set(
        result["backtest"]
    )
    assert all(
        set(result["backtest"][m]) == {"mae", "bias", "wape", "rmse", "smape", "mase"}
        for m in ("throughtime", "naive", "seasonal_naive")
    )
    assert all((directory / result[name]).exists() for name in PATHS)


def test_what_was_guessed_and_mended_is_said(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = run
    assert "Time: column month" in done.stderr
    assert "Target: column sales" in done.stderr
    assert "they have been sorted" in done.stderr
    assert "1 missing value, masked" in done.stderr


def test_a_run_writes_nothing_outside_its_directory(run: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    directory, _ = run
    assert sorted(os.listdir(directory)) == ["data.csv", "run"]
    assert sorted(os.listdir(directory / "run")) == FILES


def test_the_forecast_follows_the_data_and_lies_within_its_intervals(run: tuple[Path, Any]) -> None:
    forecast = pl.read_csv(run[0] / "run" / "forecast.csv")
    assert forecast["ds"].to_list() == [f"2006-{month:02d}-01" for month in range(1, 7)]
    assert forecast["unique_id"].unique().to_list() == ["sales"]
    for level in (80, 95):
        assert (forecast[f"throughtime-lo-{level}"] <= forecast["throughtime"]).all()
        assert (forecast[f"throughtime-hi-{level}"] >= forecast["throughtime"]).all()


@pytest.mark.parametrize("model", ["run", "run/model"])
def test_predict_repeats_the_forecast_from_the_same_rows(model: str, run: tuple[Path, Any]) -> None:
    out, _ = run_in_process("predict", model, "data.csv", cwd=run[0])
    assert out == (run[0] / "run" / "forecast.csv").read_text(encoding="utf-8")


def test_predict_goes_on_from_fresh_rows_with_the_columns_of_the_run(run: tuple[Path, Any], tmp_path: Path) -> None:
    fresh = [f"{line},{number}" for number, line in enumerate(monthly(seasonal(80), "month,sales"))]
    write(tmp_path / "fresh.csv", [fresh[0].replace(",0", ",later"), *fresh[1:]])
    out, _ = run_in_process("predict", run[0] / "run", "fresh.csv", "--out", "next.csv", "--json", cwd=tmp_path)
    assert json.loads(out)["forecast"] == "next.csv"
    assert pl.read_csv(tmp_path / "next.csv")["ds"][0] == "2006-09-01"
    run_in_process("predict", run[0] / "run", "fresh.csv", "--out", "next.csv", cwd=tmp_path, code=2)


def test_predict_prints_rows_as_json(run: tuple[Path, Any]) -> None:
    result = json.loads(run_in_process("predict", "run", "data.csv", "--json", cwd=run[0])[0])
    assert [row["ds"] for row in result["forecast"]] == [f"2006-{month:02d}-01" for month in range(1, 7)]


def test_default_names_are_fresh_and_overwrite_replaces_a_former_run(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", monthly(seasonal(40)))
    (tmp_path / "throughtime-data").mkdir()
    run_in_process("forecast", "data.csv", *FAST, cwd=tmp_path)
    fresh = tmp_path / "throughtime-data-2"
    (fresh / "report.html").unlink()
    out, err = run_in_process("forecast", "data.csv", *FAST, "--out", fresh, "--overwrite", cwd=tmp_path)
    assert (fresh / "report.html").is_file()
    assert sorted(os.listdir(tmp_path)) == ["data.csv", "throughtime-data", "throughtime-data-2"]
    assert "this forecast" in out
    assert "seasonal naive" in out
    assert "\x1b" not in out + err


def test_a_constant_series_is_forecast_as_constant(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", monthly([5.0] * 40))
    out, _ = run_in_process("forecast", "data.csv", *FAST, cwd=tmp_path)
    assert "nothing is left for a network to learn" in out
    forecast = pl.read_csv(tmp_path / "throughtime-data" / "forecast.csv")
    assert forecast["throughtime"].round(6).unique().to_list() == [5.0]


def test_many_series_of_a_parquet_file_make_one_report(tmp_path: Path) -> None:
    months = [line.partition(",")[0] for line in monthly(seasonal(48))[1:]]
    table = pl.DataFrame(
        {"when": months * 8, "shop": [f"s{i}" for i in range(8) for _ in months], "sold": seasonal(384)}
    )
    table.with_columns(pl.col("when").str.to_date()).write_parquet(tmp_path / "shops.parquet")
    out, err = run_in_process("forecast", "shops.parquet", *FAST, "--json", cwd=tmp_path)
    assert json.loads(out)["series"] == 8
    assert "Series: identified by column shop" in err
    assert "6 of 8 series" in (tmp_path / "throughtime-shops" / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT, which Windows has not")
def test_ctrl_c_saves_the_best_model_so_far(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", monthly(seasonal(400)))
    arguments = [*COMMAND, "forecast", "data.csv", "--horizon", "6", "--preset", "best", "--out", "run"]
    with subprocess.Popen(arguments, cwd=tmp_path, stderr=subprocess.PIPE, text=True, process_group=0) as process:
        assert process.stderr is not None
        message = [next(line for line in process.stderr if line.startswith("Training:"))]
        process.send_signal(signal.SIGINT)
        message += process.stderr.readlines()
        code = process.wait(timeout=60)
    assert code == 130, "".join(message)
    assert "the best model so far and its forecast are in run" in message[-1]
    assert sorted(os.listdir(tmp_path / "run")) == [*("forecast.csv", "model", "run.json", "table.csv", "totals.csv")]
    predicted, _ = run_in_process("predict", "run", "data.csv", cwd=tmp_path)
    assert predicted == (tmp_path / "run" / "forecast.csv").read_text(encoding="utf-8")


def test_help_is_instant_and_names_the_verbs(tmp_path: Path) -> None:
    done = throughtime("--help", cwd=tmp_path)
    assert {"forecast", "predict"} <= set(done.stdout.split())
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        throughtime("--help", cwd=tmp_path)
        seconds.append(time.perf_counter() - started)
    # 0.15 s where nothing else runs; with a torch import it would be more than 1.5 s anywhere.
    assert min(seconds) < 0.75, seconds


def test_a_fault_of_ours_is_one_line_and_says_how_to_see_more(tmp_path: Path) -> None:
    program = (
        "from throughtime.app import cli, commands\n"
        "def broken(**_): raise ZeroDivisionError('halves of nothing')\n"
        "commands.app = broken\n"
        "cli.main()\n"
    )
    done = subprocess.run([COMMAND[0], "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "throughtime: ZeroDivisionError: halves of nothing; set THROUGHTIME_DEBUG=1 to see where\n"
