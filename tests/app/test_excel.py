"""Sheets of Excel files are read with the types of their cells."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from throughtime import InputError
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.read_options import ReadOptions
from throughtime.app.tables.table import Table, read_table

if TYPE_CHECKING:
    from pathlib import Path

openpyxl = pytest.importorskip("openpyxl", reason="the extra excel is not installed")

DAYS = [dt.datetime(2024, 1, day) for day in range(1, 7)]  # noqa: DTZ001 - cells have no time zone
ROWS = [["day", "y"], *([day, 20.125 + i] for i, day in enumerate(DAYS))]
VALUES = [20.125 + i for i in range(6)]


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def archive(**members: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name, text)
    return content.getvalue()


def read(directory: Path, content: bytes, **options: str) -> Table:
    path = directory / "data.xlsx"
    path.write_bytes(content)
    return read_table(path, Columns(), ReadOptions.of(**options))


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        [["Report of 2024"], [], *ROWS],
        [*ROWS, ["Total", sum(VALUES)]],
        [*ROWS, [], ["Source: a bank"]],
        [ROWS[0], *([f" {day:%d.%m.%Y}", value] for day, value in ROWS[1:])],
    ],
)
def test_a_sheet_is_read_as_a_file_of_text_is(rows: list[list[Any]], tmp_path: Path) -> None:
    frame = read(tmp_path, workbook(Sales=rows)).frame
    assert (frame["ds"].to_list(), frame["y"].to_list()) == ([day.date() for day in DAYS], VALUES)


def test_typed_numbers_are_never_ambiguous_among_text(tmp_path: Path) -> None:
    later = DAYS[-1] + dt.timedelta(days=1)
    table = read(tmp_path, workbook(Sales=[*ROWS, [later, "#DIV/0!"]]))
    assert table.frame["y"].to_list() == [*VALUES, None]
    assert read(tmp_path, workbook(Sales=[*ROWS, [later, "27.5"]])).frame["y"].to_list() == [*VALUES, 27.5]
    assert read(tmp_path, workbook(Sales=[*ROWS, [later, "27,5"]])).frame["y"].to_list() == [*VALUES, 27.5]
    with pytest.raises(InputError, match="row 8, column y: 'many' is not a number"):
        read(tmp_path, workbook(Sales=[*ROWS, [later, "many"]]))


@pytest.mark.parametrize("typed", [1.5, 913, -0.125, 1e-7, 123456789.25])
def test_typed_numbers_do_not_decide_the_marks_of_text(typed: float, tmp_path: Path) -> None:
    def book(*texts: str) -> bytes:
        return workbook(Sales=[["day", "y"], *zip(DAYS, [typed, *texts], strict=False)])

    with pytest.raises(InputError, match=r"row 3, column y: '1,087' can be 1\.087 or 1087"):
        read(tmp_path, book("1,087", "2,500"))
    assert read(tmp_path, book("1,087", "913")).frame["y"].to_list() == [typed, 1087, 913]
    assert read(tmp_path, book("1,087", "2,5")).frame["y"].to_list() == [typed, 1.087, 2.5]
    assert read(tmp_path, book("1,087"), thousands="comma").frame["y"].to_list() == [typed, 1087]


def test_names_of_series_keep_the_digits_of_typed_cells(tmp_path: Path) -> None:
    rows = [[day, name, 1.0] for name in (2, "1.5") for day in DAYS]
    path = tmp_path / "data.xlsx"
    path.write_bytes(workbook(Sales=[["day", "store", "y"], *rows]))
    assert read_table(path, Columns(series="store")).frame["unique_id"].unique().sort().to_list() == ["1.5", "2"]


def test_one_of_several_sheets_is_named(tmp_path: Path) -> None:
    content = workbook(First=ROWS, Second=[ROWS[0], *([day, 7] for day in DAYS)])
    with pytest.raises(InputError, match=r"2 sheets hold rows \(First, Second\); name one with --sheet"):
        read(tmp_path, content)
    for sheet in ("Second", "2"):
        table = read(tmp_path, content, sheet=sheet)
        assert (table.frame["y"][0], table.notes[0]) == (7, "Sheet: Second (choose another one with --sheet).")
    with pytest.raises(InputError, match="has no sheet Third; its sheets are First, Second"):
        read(tmp_path, content, sheet="Third")
    assert read(tmp_path, workbook(First=ROWS, Empty=[])).frame["y"].to_list() == VALUES


def test_years_in_the_header_make_a_series_of_each_row(tmp_path: Path) -> None:
    frame = read(tmp_path, workbook(S=[["shop", 2019, 2020, 2021], ["a", 1.125, 2.125, 3.125], ["b", 4, 5, 6]])).frame
    assert frame.filter(unique_id="a")["y"].to_list() == [1.125, 2.125, 3.125]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (workbook(Sales=[]), "expected rows of data, got empty sheets"),
        (workbook(Sales=ROWS[:1]), "got only a header"),
        (workbook(Sales=ROWS)[:-200], "is a damaged archive or Excel file"),
        (archive(**{"data.csv": "x"}), r"is not a table but a ZIP archive of data\.csv: unpack it"),
        (archive(**{"content.xml": "x"}), "is not a table but an OpenDocument file"),
        (archive(**{"xl/workbook.xml": "x"}), "is a damaged Excel file"),
        (archive(**{"xl/workbook.xml": " " * 5000}), "unpacks to more than 0 MiB, the limit for one file"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(
    content: bytes, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "limit" in words:
        monkeypatch.setattr("throughtime.data.files.MAX_BYTES", 4000)
    with pytest.raises(InputError, match=words):
        read(tmp_path, content)


def test_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--sheet does not apply to .* is not an Excel file"):
        read(tmp_path, b"day,y\n2024-01-01,5\n", sheet="Sales")
    with pytest.raises(InputError, match=r"--encoding does not apply to .* is not a text file"):
        read(tmp_path, workbook(Sales=ROWS), encoding="cp1252")
    with pytest.raises(InputError, match="is a folder of Parquet files, whose cells have types"):
        read_table(tmp_path, Columns(), ReadOptions.of(decimal="comma"))
