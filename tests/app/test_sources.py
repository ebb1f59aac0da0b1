"""Tables come from folders, the standard input and queries, and results go where they are asked for."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import polars as pl
import pytest
from tests.app.process import monthly, run_in_process

from throughtime._core.errors import InputError
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.table import read_table

if TYPE_CHECKING:
    from pathlib import Path

FAST = ("--horizon", 3, "--preset", "fast", "--budget", "1s")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sales.csv, the same as a table of shop.db, and a run of them."""
    folder = tmp_path_factory.mktemp("shop")
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 3, 10), eager=True)
    lines = [
        f"{shop},{region},{day:%d.%m.%Y},{20 + 5 * day.weekday() + len(shop)}"
        for shop, region in (("Altona", "north"), ("Kiel", "north"), ("Ulm", "south"))
        for day in days
    ]
    (folder / "sales.csv").write_text("\n".join(["shop,region,day,sales", *lines]), encoding="utf-8")
    with closing(sqlite3.connect(folder / "shop.db")) as connection, connection:
        connection.execute("CREATE TABLE sales (shop TEXT, region TEXT, day TEXT, sales INTEGER)")
        connection.executemany("INSERT INTO sales VALUES (?, ?, ?, ?)", [line.split(",") for line in lines])
    sql = ("--sql", "SELECT * FROM sales", "--database", "sqlite:///shop.db")
    run_in_process("forecast", *sql, *FAST, "--group", "region", "--to", "next.parquet", "--out", "run", cwd=folder)
    return folder


def read(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / name)


def test_a_run_holds_the_forecast_in_the_words_of_the_table(shop: Path) -> None:
    table = read(shop, "run/table.csv")
    assert table.columns[:5] == ["shop", "day", "sales", "sales-lo-80", "sales-hi-80"]
    assert table["day"].head(3).to_list() == ["11.03.2024", "12.03.2024", "13.03.2024"]
    assert table.schema["sales"] == pl.Int64
    assert pl.read_parquet(shop / "next.parquet").equals(table)


def test_totals_of_groups_add_up_to_the_table(shop: Path) -> None:
    table, totals = read(shop, "run/table.csv"), read(shop, "run/totals.csv")
    north = table.filter(pl.col("shop") != "Ulm")
    whole = totals.filter(pl.col("from") != pl.col("to"))
    assert whole.filter(name="north")["sales"].to_list() == [north["sales"].sum()]
    assert whole.filter(total="all")["sales"].to_list() == [table["sales"].sum()]
    day = totals.filter((pl.col("name") == "north") & (pl.col("from") == pl.col("to")))
    assert day["sales"].to_list() == [north.filter(day=date)["sales"].sum() for date in day["from"]]


def test_scores_by_series_are_in_the_run_with_their_share_of_the_network(shop: Path) -> None:
    scores, result = read(shop, "run/scores.csv"), json.loads((shop / "run/run.json").read_text())["result"]
    assert [record["unique_id"] for record in result["by_series"]] == scores["unique_id"].to_list()
    assert scores["mase"].to_list() == sorted(scores["mase"], reverse=True)
    assert result["backtest"]["headline"] == "mase"
    assert "of the delivered forecast" in result["verdict"] or "delivered forecast" in result["verdict"]


def test_every_source_gives_the_same_forecast(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = ("--sql", "SELECT * FROM sales", "--database", "sqlite:///shop.db")
    run_in_process("predict", "run", *sql, "--to", "sqlite:///results.db#next", cwd=shop)
    content = (shop / "sales.csv").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    run_in_process("predict", "run", "-", "--to", "next.xlsx", "--totals", "t.csv", "--group", "region", cwd=shop)
    run_in_process("predict", "run", "sales.csv", "--to", "next.csv", cwd=shop)
    with closing(sqlite3.connect(shop / "results.db")) as connection:
        rows = connection.execute("SELECT * FROM next").fetchall()
    assert rows == read(shop, "next.csv").rows() == pl.read_excel(shop / "next.xlsx", engine="openpyxl").rows()
    assert rows == read(shop, "run/table.csv").rows()
    assert (shop / "t.csv").read_text() == (shop / "run/totals.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run"], "DATA: expected a file, a folder, - for the standard input, or --sql with --database"),
        (["run", "sales.csv", "--sql", "SELECT 1", "--database", "shop.db"], "--sql: expected no other DATA"),
        (["run", "--sql", "SELECT 1"], "--sql: name its database with --database or THROUGHTIME_DATABASE"),
        (["run", "sales.csv", "--database", "shop.db"], "--database: expected --sql with the query to run"),
        (["run", "sales.csv", "--to", "next.json"], "--to: expected a .csv, .parquet or .xlsx file"),
        (["run", "sales.csv", "--to", "sales.csv"], "--to: sales.csv exists"),
        (["run", "sales.csv", "--to", "shop.db#sales"], "--to: shop.db has a table sales"),
        (["run", "sales.csv", "--to", "no/next.csv"], "there is no directory no"),
        (["run", "sales.csv", "--group", "region"], "--group: expected --totals"),
        (["run", "sales.csv", "--totals", "x.csv", "--group", "city"], "--group: sales.csv has no column 'city'"),
        (["run", "sales.csv", "--totals", "x.csv", "--group", "sales"], "a second group of series Altona"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_error(shop: Path, arguments: list[str], message: str) -> None:
    out, err = run_in_process("predict", *arguments, cwd=shop, code=2)
    assert message in err
    assert err.count("throughtime: ") == 1
    assert out == ""


def test_no_password_is_in_the_record_of_a_run(shop: Path) -> None:
    uri = "sqlite:///shop.db?password=s3cret"
    sql = ("--sql", "SELECT * FROM sales", "--database", uri)
    run_in_process("forecast", *sql, *FAST, "--out", "secret", cwd=shop)
    for file in ("run.json", "report.html"):
        assert "s3cret" not in (shop / "secret" / file).read_text(encoding="utf-8")


def test_a_folder_is_one_table_whose_faults_name_their_file(tmp_path: Path) -> None:
    lines = monthly(range(24))
    (tmp_path / "2000.csv").write_text("\n".join(lines[:13]))
    (tmp_path / "2001.csv").write_text("\n".join([lines[0], *lines[13:]]))
    table = read_table(tmp_path, Columns())
    assert table.frame["y"].to_list() == list(range(24))
    assert "Folder: 2 tables, 2000.csv to 2001.csv." in table.notes
    (tmp_path / "2002.csv").write_text("month,sales\n2002-01-01,many\n2002-02-01,5\n")
    with pytest.raises(InputError, match=r"line 2 of 2002\.csv, column sales: 'many' is not a number"):
        read_table(tmp_path, Columns())
    (tmp_path / "2002.csv").write_text("month,profit\n2002-01-01,4\n")
    with pytest.raises(
        InputError, match=r"2002\.csv: expected the columns of 2000\.csv, month, sales, got month, profit"
    ):
        read_table(tmp_path, Columns())
