"""`throughtime compare`: one leaderboard, on the screen, as JSON and as CSV."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.app.process import monthly, run_in_process, seasonal, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_trainings")

FAST = ("--horizon", 6, "--preset", "fast", "--windows", 2, "--budget", "0.3s")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "data.csv", monthly(seasonal()))
    return tmp_path


def test_json_and_csv_hold_the_leaderboard(data: Path) -> None:
    arguments = ("data.csv", *FAST, "--cell", "gru,lstm", "--seeds", 2, "--out", "board.csv", "--json")
    output = json.loads(run_in_process("compare", *arguments, cwd=data)[0])
    assert (output["windows"], output["seeds"]) == (2, 2)
    rows = {row["forecast"]: row for row in output["leaderboard"]}
    assert {"GRU", "LSTM", "naive", "seasonal_naive", "drift"} <= set(rows)
    assert rows["LSTM"]["mase_spread"] is not None
    assert rows[output["best"]]["best_saves"] is None
    assert output["best"].replace("_", " ") in output["verdict"]
    board = pl.read_csv(data / "board.csv")
    assert board["forecast"].to_list() == list(rows)
    assert board["mase"].is_sorted()


def test_the_screen_names_what_is_compared(data: Path) -> None:
    out, _ = run_in_process("compare", "data.csv", *FAST, "--cell", "rnn,gru", cwd=data)
    for words in ("RNN", "GRU", "seasonal naive", "saves", "is best on 2 held-out windows"):
        assert words in out


def test_decoders_and_presets_tell_rows_apart_too(data: Path) -> None:
    arguments = ("--horizon", 6, "--cell", "gru", "--decoder", "direct,autoregressive", "--preset", "fast,balanced")
    out, _ = run_in_process("compare", "data.csv", *arguments, "--windows", 1, "--budget", "0.2s", "--json", cwd=data)
    names = {row["forecast"] for row in json.loads(out)["leaderboard"]}
    assert {"direct fast", "direct balanced", "autoregressive fast", "autoregressive balanced"} <= names


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--cell", "gru,grub"), "--cell: expected one of rnn, gru, lstm, got 'grub'"),
        (("--decoder", "beam"), "--decoder: expected one of direct, autoregressive, got 'beam'"),
        (("--against", "oracle"), "--against: expected some of"),
        (("--out", "data.csv"), "--overwrite"),
    ],
)
def test_what_cannot_be_compared_is_refused(data: Path, arguments: tuple[str, ...], sentence: str) -> None:
    _, err = run_in_process("compare", "data.csv", "--horizon", 6, *arguments, cwd=data, code=2)
    assert sentence in err
