"""Where a table begins and ends in its file, in which encoding it is, and which of its columns name series."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from throughtime import InputError
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.read_options import ReadOptions
from throughtime.app.tables.series_names import add_series_columns, join_name, split_name
from throughtime.app.tables.table import Table, read_table
from throughtime.app.tables.table_format import TableFormat

if TYPE_CHECKING:
    from pathlib import Path

DAYS = [f"2024-01-{day:02}" for day in range(1, 11)]
BODY = "".join(f"{day},{i}.5\n" for i, day in enumerate(DAYS))
PLAIN = f"date,y\n{BODY}"
VALUES = [i + 0.5 for i in range(10)]


def read(directory: Path, content: str | bytes, options: dict[str, str] | None = None, **columns: str) -> Table:
    path = directory / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, Columns(**columns), ReadOptions.of(**(options or {})))


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (PLAIN.replace("\n", "\r\n"), ""),
        (f"sep=;\n{PLAIN.replace(',', ';')}", ""),
        (f"sep=#\r\n{PLAIN.replace(',', '#')}", ""),
        (f"Report of 2024\n\n{PLAIN}", "lines before it were left out, line 1."),
        (f"Account,DE12\nPeriod,2024-01-01\n\n{PLAIN}", "lines 1, 2"),
        (f"# made by a program\n# version 1,2\n{PLAIN}", "lines 1, 2"),
        (f"# date,y\n{BODY}", ""),
        (f"date,y\n,°C\n{BODY}", "row of units after the header was left out, line 2"),
        (f"date,y\n[d],[kWh]\n{BODY}", "line 2"),
        (f"{PLAIN}\n,\n", ""),
        (f"{PLAIN}Total,50\n", "line 12 ('Total')"),
        (f"{PLAIN}Summe:,50\n", "line 12 ('Summe:')"),
        (f"{PLAIN}Total (10),50\n", "line 12 ('Total (10)')"),
        (f"{PLAIN}Average,5\nMin,0.5\nMax,9.5\n", "line 12 ('Average'), line 13 ('Min'), line 14 ('Max')"),
        (f"Account,private\n\n{PLAIN}", "line 1."),
        (f"From,2024-01-01\nTo,2024-01-10\n{PLAIN}", "lines 1, 2"),
        (f"date,y\n----------,---\n{BODY}(10 rows affected)\n", "line 13 ('(10 rows affected)')"),
        (PLAIN.replace("date,y", "date,y,"), ""),
        (f"{PLAIN},50.0\n", "line 12 (a total without a date)"),
        (f"{PLAIN}\nSource: a bank\nUpdated in May\n", "line 13 ('Source: a bank'), line 14 ('Updated in May')"),
        (f"{PLAIN}# the end\n", "1 comment left out, line 12"),
        (f"{PLAIN[:60]}{PLAIN[60:].replace('2024-01-06', 'date,y' + chr(10) + '2024-01-06', 1)}", "1 repeated header"),
        (PLAIN.replace("\n", ",\n"), ""),
        (f"date,y\n{BODY.replace(chr(10), ',' + chr(10))}", ""),
        (f'"date","y"\n{"".join(f"{i},{line}" + chr(10) for i, line in enumerate(BODY.splitlines(), 1))}', ""),
        (f",date,y\n{''.join(f'{i},{line}' + chr(10) for i, line in enumerate(BODY.splitlines()))}", ""),
        (PLAIN.replace(",", " , "), ""),
    ],
)
def test_what_is_not_data_is_left_out_and_reported(content: str, note: str, tmp_path: Path) -> None:
    table = read(tmp_path, content)
    assert table.frame["y"].to_list() == VALUES
    assert [str(day) for day in table.frame["ds"]] == DAYS
    assert note in " ".join(table.notes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"date,y\nTag,Umsatz\n{BODY}", "lines 1 and 2 can both be the header"),
        (f"{PLAIN},7\n", "line 12, column date: the date is missing"),
        (f"{PLAIN}Total,50\n2024-02-01,5\n", "line 12, column date: 'Total' is not a date"),
        (f"date,y\n2024-01-01,O.5\n{BODY[15:]}", "line 2, column y: 'O.5' is not a number"),
        (PLAIN.replace("4.5", "4,5"), "line 6: expected 2 cells as in the header, got 3"),
        (PLAIN.replace(".5", ",5"), "line 2: expected 2 cells as in the header, got 3"),
        (
            f"date,note,y\n{BODY.replace(',', chr(44) + chr(34) + 'a' + chr(92) + chr(34) + ' b' + chr(34) + ',')}",
            "line 2: ',' expected after '\"'; double quotation marks within quoted cells",
        ),
        (f"date,y,y\n{BODY.replace('.5', '.5,1')}", r"2 columns hold numbers \(y \(1\), y \(2\)\)"),
        (f'date,"Sales\n(EUR)"\n{BODY.replace("4.5", "x")}', r"line 7, column Sales \(EUR\): 'x'"),
        (f"date,\x1b[31my\n{BODY.replace('4.5', 'x')}", r"column \\x1b\[31my: 'x'"),
        (PLAIN.replace("4.5", "\x1b[31m4"), r"'\\x1b\[31m4' is not a number"),
        (f"sep=§\n{PLAIN.replace(',', '§')}", "line 1: '§' cannot separate cells"),
        ("<!DOCTYPE html><html>", "not a CSV, Excel or Parquet file but a web page"),
        ('[{"ds": 1}]', "but JSON"),
        (b"%PDF-1.7", "but a PDF document"),
        (b"\xd0\xcf\x11\xe0" + bytes(100), "an old or password-protected Excel file"),
    ],
)
def test_what_is_left_open_is_refused_with_its_line(content: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, content)


def test_quotation_marks_within_cells_are_part_of_them(tmp_path: Path) -> None:
    table = read(tmp_path, f"date,note,y\n{BODY.replace(',', ',5' + chr(34) + ' pipe,')}")
    assert table.frame["y"].to_list() == VALUES


def test_cells_may_be_missing_at_the_end_of_the_first_line(tmp_path: Path) -> None:
    assert read(tmp_path, f"date,y\n2023-12-31\n{BODY}").frame["y"].to_list() == [None, *VALUES]


def test_doubled_quotes_in_a_header_are_one(tmp_path: Path) -> None:
    assert read(tmp_path, f'ds,"5"" pipe"\n{BODY}', target='5" pipe').frame["y"].to_list() == VALUES


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8-sig", ""), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32", "UTF-32"),
        ("latin-1", "Windows-1252, which contains Latin-1"), ("cp1252", "Windows-1252"),
    ],
)  # fmt: skip
def test_encodings_are_recognised_and_named(encoding: str, note: str, tmp_path: Path) -> None:
    table = read(tmp_path, PLAIN.replace("y", "Umsätze für Straßen").encode(encoding))
    assert (table.columns.target, table.frame["y"].to_list()) == ("Umsätze für Straßen", VALUES)
    assert note in " ".join(table.notes)
    assert ("--encoding" in " ".join(table.notes)) == bool(note)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("продажи", "cp1251"), ("Umsätze", "mac-roman"), ("Umsätze", "cp850"), ("売上", "shift_jis"), ("łóżko", "cp1250")],
)
def test_an_encoding_that_is_not_recognised_is_asked_for(name: str, encoding: str, tmp_path: Path) -> None:
    content = PLAIN.replace("y", name).encode(encoding)
    with pytest.raises(InputError, match=r"line 1: byte 0x.. is not valid UTF-8, .* name it with --encoding"):
        read(tmp_path, content)
    assert read(tmp_path, content, {"encoding": encoding}).columns.target == name


def test_encodings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--encoding: expected an encoding"):
        read(tmp_path, PLAIN, {"encoding": "utf-9"})
    with pytest.raises(InputError, match="line 12: byte 0xe9 is not valid ascii"):
        read(tmp_path, f"{PLAIN}2024-01-11,é\n".encode("latin-1"), {"encoding": "ascii"})
    with pytest.raises(InputError, match="line 1: the text is damaged: it is not valid UTF-16"):
        read(tmp_path, b"\xff\xfe\x00\xdc\x00\x00")


NUMBERS = "date;y\n" + "".join(f"{day};1.{i}87\n" for i, day in enumerate(DAYS))


def test_numbers_of_two_readings_are_refused_with_the_options_that_decide(tmp_path: Path) -> None:
    words = (
        "line 2, column y: '1.087' can be 1.087 or 1087, .* --decimal point for 1.087, or --thousands point for 1087"
    )
    with pytest.raises(InputError, match=words):
        read(tmp_path, NUMBERS)
    for options, value in (
        ({"decimal": "point"}, 1.087),
        ({"decimal": "comma"}, 1087),
        ({"thousands": "."}, 1087),
        ({"thousands": "none"}, 1.087),
        ({"thousands": "space"}, 1.087),
    ):
        assert read(tmp_path, NUMBERS, options).frame["y"][0] == value
    with pytest.raises(InputError, match=r"'0.5' does not fit --decimal and --thousands"):
        read(tmp_path, PLAIN, {"decimal": "comma"})
    with pytest.raises(InputError, match="has a thousands separator, but --thousands is none"):
        read(tmp_path, "date;y\n2024-01-01;1.234.567\n2024-01-02;5\n", {"thousands": "none"})


def test_open_points_between_commas_are_decimals_and_both_readings_are_reported(tmp_path: Path) -> None:
    table = read(tmp_path, NUMBERS.replace(";", ","))
    assert table.frame["y"][0] == 1.087
    assert "can be 1.087 or 1087, and no cell of the column decides" in " ".join(table.notes)
    assert "for 1087 add --thousands point" in " ".join(table.notes)
    assert read(tmp_path, NUMBERS.replace(";", ","), {"thousands": "."}).frame["y"][0] == 1087
    with pytest.raises(InputError, match=r"can be 1\.087 or 1087"):
        read(tmp_path, NUMBERS.replace(";", ",").replace("1.", '"1,').replace("87", '87"'))


def test_the_separator_says_nothing_of_decimals(tmp_path: Path) -> None:
    quoted = "date,y\n" + "".join(f'{day},"0,{i}13"\n' for i, day in enumerate(DAYS))
    assert read(tmp_path, quoted).frame["y"][9] == 0.913
    table = read(tmp_path, f"{NUMBERS}2024-01-11;913\n")
    assert (table.frame["y"][0], table.frame["y"][10]) == (1087, 913)
    assert "'1.087' of column y is 1087 (change this with --decimal and --thousands)" in " ".join(table.notes)


def test_control_characters_in_a_header_become_their_escapes(tmp_path: Path) -> None:
    table = read(tmp_path, PLAIN.replace(PLAIN.splitlines()[0].split(",")[1], "sold\x1b[2J", 1))
    assert table.columns.target == "sold\\x1b[2J"


def test_contradicting_cells_are_named_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'1,5' in line 3 and '1\.5' in line 4 contradict each other: a comma begins"):
        read(tmp_path, "date;y\n2024-01-01;7\n2024-01-02;1,5\n2024-01-03;1.5\n")


WIDE = "date,a,b\n" + "".join(f"{day},{i},{2 * i}\n" for i, day in enumerate(DAYS))


def test_a_wide_table_has_a_series_in_each_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 columns hold numbers \(a, b\).* --target all"):
        read(tmp_path, WIDE)
    for options, columns in (({}, {"target": "all"}), ({"layout": "columns"}, {})):
        frame = read(tmp_path, WIDE, options, **columns).frame
        assert frame.filter(unique_id="b")["y"].to_list() == [2 * i for i in range(10)]


@pytest.mark.parametrize(
    ("content", "dates"),
    [
        ("Country,Code,1990,1991,1992\nA,AA,1.5,2,3\nB,BB,,5,6\n", [1990, 1991, 1992]),
        ("Country,Code,X1990,X1991,X1992\nA,AA,1.5,2,3\nB,BB,,5,6\n", [1990, 1991, 1992]),
        ("Source,WDI\n\nCountry,Code,1990 [YR1990],1991 [YR1991],1992 [YR1992]\nA,AA,1.5,2,3\nB,BB,..,5,6\n",
         [1990, 1991, 1992]),
        ("shop,2021,2023,2024\nA,1.5,2,3\nB,,5,6\n", [2021, 2023, 2024]),
        ("shop,2024,2023,2022\nA,1.5,2,3\nB,,5,6\n", [2024, 2023, 2022]),
        ("shop,202311,202312,202401\nA,1.5,2,3\nB,,5,6\n",
         [dt.date(2023, 11, 1), dt.date(2023, 12, 1), dt.date(2024, 1, 1)]),
        ("Country,2024-01,2024-02,2024-03\nA,1.5,2,3\nB,,5,6\n", [dt.date(2024, m, 1) for m in (1, 2, 3)]),
        ("V1,V2,V3,V4\nA,1.5,2,3\nB,,5,6\n", [0, 1, 2]),
        ("shop,2019,2020,2021\nA,1.5,2,3\nB,,5,6\nTotal,1.5,7,9\n", [2019, 2020, 2021]),
        ("shop,2019,2020,2021\nA,1.5,2,3\nB,,5,6\nempty,,,\n", [2019, 2020, 2021]),
    ],
)  # fmt: skip
def test_a_wide_table_may_have_a_series_in_each_row(content: str, dates: list[object], tmp_path: Path) -> None:
    table = read(tmp_path, content)
    series = table.frame.filter(unique_id="A")
    assert (series["ds"].to_list(), series["y"].to_list()) == (dates, [1.5, 2, 3])
    assert table.frame.filter(unique_id="B")["y"].drop_nulls().to_list() == [5, 6]
    assert table.frame["unique_id"].n_unique() == 2
    assert "Layout: one row for each series" in " ".join(table.notes)


# Tables that the generator of tests/app/test_generated_tables.py has written, and that were once refused or misread.
@pytest.mark.parametrize(
    ("content", "options", "values"),
    [
        ("Datum|Umsätze\n20240101|1\n20240102|2\n20240103|3\n", {}, [1, 2, 3]),
        ("date;y\n11/2023;1\n12/2023;2\n01/2024;3\nSumme;6\n", {}, [1, 2, 3]),
        ("shop,2024-01-01,2024-01-02,2024-01-03\na,NA,1,2\nb,,,3\n", {}, [1, 2, 3]),
        ("shop,2024-01-01,2024-01-02,2024-01-03\na,1,NA,2\nb,3,NA,4\n", {}, [1, None, 2, 3, None, 4]),
        ("shop,2024-01-01\na,1\nb,2\nc,3\n", {"layout": "rows"}, [1, 2, 3]),
    ],
)
def test_generated_tables_that_were_misread(
    content: str, options: dict[str, str], values: list[float | None], tmp_path: Path
) -> None:
    assert read(tmp_path, content, options).frame["y"].to_list() == values


def test_a_later_row_keeps_the_columns_that_name_its_series(tmp_path: Path) -> None:
    form = read(tmp_path, "store,item,2019,2020,2021\na,x,1,2,3\na,y,4,5,6\nb,x,7,8,9\n").format
    (tmp_path / "later.csv").write_text("store,item,2022\na,y,7\n")
    assert read_table(tmp_path / "later.csv", Columns(), stored=form).frame.rows() == [("a/y", 2022, 7)]


def test_dates_down_the_rows_are_no_series_in_rows(tmp_path: Path) -> None:
    stores = "date,1,2,3\n" + "".join(f"{day},5,6,7\n" for day in DAYS)
    with pytest.raises(InputError, match=r"3 columns hold numbers \(1, 2, 3\)"):
        read(tmp_path, stores)
    with pytest.raises(InputError, match=r"--layout rows: .* expected columns that name series"):
        read(tmp_path, PLAIN, {"layout": "rows"})


PANEL = "date,store,item,y\n" + "".join(
    f"{day},{store},{item},{i}\n" for store in "ab" for item in ("x", "y/z") for i, day in enumerate(DAYS)
)


def test_several_columns_name_a_series_together_and_come_back(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="such as --series store,item"):
        read(tmp_path, PANEL)
    table = read(tmp_path, PANEL, series="store,item")
    names = table.frame["unique_id"].unique(maintain_order=True).to_list()
    assert names == ["a/x", r"a/y\/z", "b/x", r"b/y\/z"]
    result = add_series_columns(table.frame, table.format)
    assert result.columns == ["unique_id", "store", "item", "ds", "y"]
    assert result.row(-1)[1:3] == ("b", "y/z")


@pytest.mark.parametrize("parts", [["a", "b"], ["a/b", "c"], ["a\\", "b"], ["a\\/", "/b"], ["/", "\\"], ["a b", "é"]])
def test_names_of_several_parts_come_apart_again(parts: list[str]) -> None:
    assert split_name(join_name(parts)) == parts


def test_numbers_of_stores_name_series_and_are_no_target(tmp_path: Path) -> None:
    content = "date,store,sales\n" + "".join(f"{day},{store},{i}\n" for store in (1, 2) for i, day in enumerate(DAYS))
    assert read(tmp_path, content).columns == Columns("date", "sales", "store")


def test_a_file_of_one_day_is_read_as_the_history_was(tmp_path: Path) -> None:
    history = "Tag;Laden;Wert\n" + "".join(
        f"{d:02}.01.2024;{s};{1000 + d:,}\n".replace(",", ".") for s in "ab" for d in range(1, 29)
    )
    form = read(tmp_path, f"{history}29.01.2024;a;913\n", {"encoding": "cp1250"}).format
    form = TableFormat.from_json(json.loads(json.dumps(form.to_json())))
    later = "Tag;Laden;Wert\n02.03.2024;a;1.087\n02.03.2024;łóżko;1.500\n".encode("cp1250")
    (tmp_path / "later.csv").write_bytes(later)
    frame = read_table(tmp_path / "later.csv", Columns(), stored=form).frame
    assert frame.rows() == [("a", dt.date(2024, 3, 2), 1087), ("łóżko", dt.date(2024, 3, 2), 1500)]
    (tmp_path / "later.csv").write_text("Tag;Laden;Wert\n02.03.2024;a;1.5\n02.03.2024;b;1.5\n")
    with pytest.raises(InputError, match=r"line 2, column Wert: '1\.5' does not fit the training data"):
        read_table(tmp_path / "later.csv", Columns(), stored=form)


@pytest.mark.parametrize(
    "damage",
    [
        {"time": 3}, {"targets": [1]}, {"targets": None}, {"numbers": {"y": {"decimal": "x"}}}, {"numbers": 3},
        {"layout": "round"}, {"dates": {"order": "x"}}, {"more": 1},
    ],
)  # fmt: skip
def test_a_damaged_format_of_a_model_is_refused(damage: dict[str, object], tmp_path: Path) -> None:
    fields = read(tmp_path, PLAIN).format.to_json()
    with pytest.raises(InputError, match="the model's table format is damaged"):
        TableFormat.from_json({**fields, **damage})


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    wide = f"date,shop,y,orders\n{''.join(f'{day},x,{i},{i + 1}{chr(10)}' for i, day in enumerate(DAYS))}"
    unused = "(add covariates with --future, --past or --static)."
    assert read(tmp_path, wide, target="y").notes[-1] == f"Not used: columns shop, orders {unused}"
    every = read(tmp_path, wide, target="all").notes
    assert every[-2:] == ["Target: columns y, orders, one series for each.", f"Not used: column shop {unused}"]
    assert not [note for note in read(tmp_path, PLAIN).notes if note.startswith("Not used")]


def test_months_in_columns_of_a_year_are_not_twelve_targets(tmp_path: Path) -> None:
    names = "Year,Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec"
    body = "".join(f"{year},{','.join(str(month) for month in range(12))}\n" for year in range(2015, 2023))
    with pytest.raises(InputError, match=r"columns Jan to Dec are the months of a year in each line; write one line"):
        read(tmp_path, f"{names}\n{body}")


@pytest.mark.parametrize(
    ("header", "cells", "note"),
    [
        ("Date", "{:%m/%d/%Y}", "'01/02/2024' of column Date is 2024-01-02"),
        ("Date", "{:%d.%m.%y}", "'02.01.24' of column Date is 2024-01-02"),
        ("MESS_DATUM", "{:%Y%m%d}", "'20240102' of column MESS_DATUM is 2024-01-02"),
        ("Date", "{:%d %b %Y}", ""),
        ("Date", "{:%Y-%m-%d}", ""),
    ],
)
def test_a_note_shows_how_a_date_is_read_that_may_be_read_otherwise(
    header: str, cells: str, note: str, tmp_path: Path
) -> None:
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(40)]
    table = read(tmp_path, f"lead_time,{header},y\n" + "".join(f"3,{cells.format(d)},1\n" for d in days), target="y")
    assert table.columns.time == header
    notes = [text for text in table.notes if text.startswith("Dates")]
    assert notes == ([f"Dates: {note} (change this with --date-format)."] if note else [])
    (tmp_path / "later.csv").write_text(f"lead_time,{header},y\n3,{cells.format(days[0])},1\n")
    assert not read_table(tmp_path / "later.csv", Columns(), stored=table.format).notes


def test_marks_between_thousands_without_quotation_marks_are_refused(tmp_path: Path) -> None:
    body = "".join(f"{day},{i},{100 + i}\n" for i, day in enumerate(DAYS, 1))
    with pytest.raises(InputError, match="line 2: expected 2 cells as in the header, got 3; put cells that hold"):
        read(tmp_path, f"date,sales\n{body}")
    table = read(tmp_path, "date,sales\n" + "".join(f"{i},{day},{i}\n" for i, day in enumerate(DAYS)))
    assert (table.columns.time, table.columns.target) == ("date", "sales"), "names of rows, as R writes them"


def test_months_and_years_with_a_point_are_dates(tmp_path: Path) -> None:
    months = [(year, month) for year in (2019, 2020) for month in range(1, 13)]
    table = read(tmp_path, "Monat;y\n" + "".join(f"{month:02}.{year};5,5\n" for year, month in months))
    assert table.frame["ds"].to_list() == [dt.date(year, month, 1) for year, month in months]


def test_a_column_of_whole_numbers_may_name_series(tmp_path: Path) -> None:
    body = "".join(f"{day},{shop},{i + 0.5}\n" for i, day in enumerate(DAYS) for shop in (1001, 1002))
    with pytest.raises(InputError, match=r"duplicate date 2024-01-01.*such as --series shop$"):
        read(tmp_path, f"date,shop,units\n{body}", target="units")
