"""An error that the user can fix ends with exit code 2 and one sentence on what is wrong and where."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.app.process import month, monthly, run_in_process, seasonal, throughtime, write

import throughtime as tt

if TYPE_CHECKING:
    from pathlib import Path

GOOD = monthly(seasonal(36))


def changed(line: int, text: str) -> list[str]:
    """The good table with another text in a line, counted from 1."""
    return [*GOOD[: line - 1], text, *GOOD[line:]]


TABLES = {
    "an empty file": ([], "data.csv is empty"),
    "a header alone": (GOOD[:1], "got only a header"),
    "one row": (GOOD[:2], "expected 2 rows or more, got 1"),
    "no column of numbers": (
        monthly(["a"] * 36),
        "expected a column of numbers to forecast, got month ('2000-01-01'), sales ('a')",
    ),
    "text among numbers": (
        changed(18, f"{month(16)},1O1"),
        "data.csv, line 18, column sales: '1O1' is not a number; correct it",
    ),
    "a date that is none": (changed(18, "2001-13-45,7"), "data.csv, line 18, column month: '2001-13-45' is not a date"),
    "no date": (changed(18, ",7"), "data.csv, line 18, column month: the date is missing"),
    "a date twice": (
        changed(18, f"{month(15)},7"),
        "line 18, column month: duplicate date 2001-04-01 (first seen on line 17)",
    ),
    "an infinite value": (changed(18, f"{month(16)},inf"), "data.csv, line 18, column sales: the value is infinite"),
    "a cell too many": (changed(18, f"{month(16)},7,8"), "data.csv, line 18: expected 2 cells as in the header, got 3"),
    "a date off the grid": (changed(18, "2001-04-17,7"), "series sales: "),
    "no value at all": (monthly([""] * 36), "expected a column of numbers"),
    "too few steps": (GOOD[:11], "take a shorter horizon"),
}
OPTIONS = {
    "horizon 0": (["--horizon", "0"], "--horizon: expected a whole number of 1 or more, got 0"),
    "horizon below 0": (["--horizon=-3"], "--horizon: expected a whole number of 1 or more, got -3"),
    "no such column": (["--target", "salse"], "--target: data.csv has no column salse; did you mean sales?"),
    "no such cell": (["--cell", "grub"], "--cell: expected one of rnn, gru, lstm, got 'grub'"),
    "no such likelihood": (["--likelihood", "poisson"], "--likelihood: expected one of normal, student_t"),
    "another frequency": (["--freq", "h"], "--freq: 'h' was asked for"),
    "no such frequency": (["--freq", "often"], "--freq: expected a frequency such as"),
    "missing values, where none are wanted": (["--missing", "error"], "series sales: 1 missing value"),
    "no such treatment": (["--missing", "hope"], "--missing: expected one of mask, ffill, error"),
    "an output directory that exists": (["--out", "taken"], "--out: taken exists; name another directory"),
    "a directory of something else": (["--out", "taken", "--overwrite"], "is not the directory of an earlier run"),
    "a file above the output directory": (["--out", "data.csv/run"], "--out: data.csv/run cannot be written"),
    "an output directory that nobody may make": (["--out", "/proc/run"], "--out: /proc/run cannot be written"),
}
# Tables whose errors are reported after torch is loaded, which takes seconds.
LATE = {"a date off the grid", "too few steps"}
# Options that are tried as a process: one error that is reported before torch is loaded, and one after.
PROCESSES = {"an output directory that exists", "horizon 0"}


def refused(*arguments: object, cwd: Path, sentence: str, process: bool = True) -> None:
    """Require one sentence on stderr, after the notes and before the training, and no files."""
    before = sorted(os.listdir(cwd))
    if process:
        done = throughtime(*arguments, cwd=cwd, code=2)
        out, err = done.stdout, done.stderr
    else:
        out, err = run_in_process(*arguments, cwd=cwd, code=2)
    last = err.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("throughtime: "), err
    assert sentence in last
    assert "Training" not in err
    assert out == ""
    assert sorted(os.listdir(cwd)) == before


@pytest.mark.parametrize("fault", TABLES)
def test_a_table_is_refused_with(fault: str, tmp_path: Path) -> None:
    lines, sentence = TABLES[fault]
    write(tmp_path / "data.csv", lines)
    refused("forecast", "data.csv", "--horizon", 6, cwd=tmp_path, sentence=sentence, process=fault not in LATE)


@pytest.mark.parametrize("fault", OPTIONS)
def test_a_run_is_refused_with(fault: str, tmp_path: Path) -> None:
    options, sentence = OPTIONS[fault]
    write(tmp_path / "data.csv", changed(20, f"{month(18)},"))
    (tmp_path / "taken").mkdir()
    process = fault in PROCESSES
    refused("forecast", "data.csv", "--horizon", 6, *options, cwd=tmp_path, sentence=sentence, process=process)


def test_a_missing_file_is_refused_with_a_close_name(tmp_path: Path) -> None:
    write(tmp_path / "sales.csv", GOOD)
    sentence = "saels.csv: there is no such file; did you mean sales.csv?"
    refused("forecast", "saels.csv", "--horizon", 6, cwd=tmp_path, sentence=sentence)


def test_a_directory_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    refused("forecast", "data", "--horizon", 6, cwd=tmp_path, sentence="data: expected tables in the folder")


def test_binary_data_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(bytes(range(256)))
    refused("forecast", "data.csv", "--horizon", 6, cwd=tmp_path, sentence="it holds binary data")


def test_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "data.csv", [*GOOD, "2003-01-01,7 łóżko"], encoding="iso8859_2")
    sentence = "line 38: byte 0xf3 is not valid UTF-8, and the encoding cannot be recognised; name it with --encoding"
    refused("forecast", "data.csv", "--horizon", 6, cwd=tmp_path, sentence=sentence, process=False)


def test_what_is_called_parquet_and_is_not_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "data.parquet", GOOD)
    refused("forecast", "data.parquet", "--horizon", 6, cwd=tmp_path, sentence="expected a Parquet file")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["forcast", "data.csv"], "No such command 'forcast'. Did you mean 'forecast'?; see throughtime --help"),
        (["forecast"], "Missing option '--horizon'; see throughtime forecast --help"),
        (["forecast", "data.csv"], "Missing option '--horizon'; see throughtime forecast --help"),
        (["forecast", "data.csv", "--horizn", 3], "No such option: --horizn (Possible options: --horizon)"),
        (["forecast", "data.csv", "--horizon", "six"], "Invalid value for '--horizon'"),
        (["forecast", "data.csv", "--horizon"], "Option '--horizon' requires an argument; see throughtime --help"),
        (["backtest", "data.csv", "--horizon", 6, "--windows", 0], "--windows: expected a whole number of 1 or more"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_command_line_that_cannot_be_read_is_one_sentence(
    arguments: list[object], sentence: str, tmp_path: Path
) -> None:
    write(tmp_path / "data.csv", GOOD)
    refused(*arguments, cwd=tmp_path, sentence=sentence, process=False)


def test_without_a_command_it_shows_its_help(tmp_path: Path) -> None:
    out, err = run_in_process(cwd=tmp_path, code=2)
    assert "Usage: throughtime" in out + err
    assert "throughtime: " not in err
    assert run_in_process("--version", cwd=tmp_path)[0] == f"throughtime {tt.__version__}\n"


@pytest.mark.parametrize(
    ("model", "sentence"), [("nothing", "does not exist"), ("other", "expected a model directory")]
)
def test_a_model_directory_that_is_none_is_refused(model: str, sentence: str, tmp_path: Path) -> None:
    write(tmp_path / "data.csv", GOOD)
    (tmp_path / "other").mkdir()
    refused("predict", model, "data.csv", cwd=tmp_path, sentence=sentence, process=model == "nothing")
