"""Tables of databases are read by queries that cannot write, and results are written whole or not at all."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from throughtime._core.errors import InputError
from throughtime.app.output import hide_password
from throughtime.app.tables.column_selection import Columns
from throughtime.app.tables.databases import find_database
from throughtime.app.tables.read_options import ReadOptions
from throughtime.app.tables.results import check_target, write_table
from throughtime.app.tables.table import read_table
from throughtime.app.tables.table_format import TableFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = pl.DataFrame({"shop": ["a", "a", "b"], "day": [date(2024, 1, i) for i in (1, 2, 1)], "sales": [1.5, None, 3.0]})
QUERY = "SELECT shop, day, sales FROM history ORDER BY shop, day"
FORBIDDEN = (
    "DELETE FROM history",
    "DROP TABLE history",
    "SELECT 1; DROP TABLE history",
    "WITH one AS (SELECT 1) DELETE FROM history",
    "ATTACH 'other.db' AS other",
    "COPY history TO 'stolen.csv'",
)


def _server_programs() -> Path | None:
    """Return the folder of the programs of a PostgreSQL server, None where it is not installed."""
    path = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(path).parent if path else installed[-1].parent if installed else None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a PostgreSQL server, and return the URI of a database with a password in it."""
    pytest.importorskip("adbc_driver_postgresql", reason="adbc-driver-postgresql is not installed")
    programs = _server_programs()
    if programs is None:
        pytest.skip("the PostgreSQL server is not installed")
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp())
    shutil.chown(folder, user)
    data = folder / "data"
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program: str, *arguments: object) -> None:
        command = [programs / program, "-D", data, *arguments]
        owner = pwd.getpwnam(user).pw_uid
        subprocess.run(command, user=owner, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)

    run("initdb", "-U", "ann", "--auth=trust", "-E", "UTF8")
    flags = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
    run("pg_ctl", "-o", flags, "-l", folder / "log", "-w", "start")
    try:
        yield f"postgresql://ann:s3cret@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a database with a table of sales."""
    if request.param == "postgresql":
        uri = request.getfixturevalue("server")
    else:
        if request.param == "duckdb":
            pytest.importorskip("duckdb", reason="duckdb is not installed")
        uri = f"{request.param}:///{tmp_path / 'shop.db'}"
    find_database(uri).write(ROWS, "history", overwrite=True)
    return uri


def read(uri: str, sql: str = QUERY) -> pl.DataFrame:
    return find_database(uri).read(sql)


def test_a_query_is_read_like_a_file(uri: str) -> None:
    table = read_table(find_database(uri).path, Columns(), ReadOptions(sql=QUERY, database=uri))
    assert table.frame["unique_id"].to_list() == ["a", "a", "b"]
    assert table.frame["ds"].to_list() == ROWS["day"].to_list()
    assert table.frame["y"].to_list() == [1.5, None, 3.0]


def test_a_fault_in_a_query_names_its_row(uri: str) -> None:
    sql = QUERY.replace("sales FROM", "CASE WHEN shop = 'b' THEN 'many' ELSE '1' END AS sales FROM")
    with pytest.raises(InputError, match="row 3, column sales: 'many' is not a number"):
        read_table(find_database(uri).path, Columns(target="sales"), ReadOptions(sql=sql, database=uri))


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_a_query_cannot_write(uri: str, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.iterdir()}
    with pytest.raises(InputError, match="--sql"):
        read(uri, sql)
    assert read(uri).height == 3
    assert {*tmp_path.iterdir()} == before


def test_a_table_is_replaced_only_when_asked(uri: str) -> None:
    with pytest.raises(InputError, match="has a table history; name another one after #"):
        check_target(f"{uri}#history", overwrite=False)
    write_table(ROWS.head(1), f"{uri}#history", TableFormat(), overwrite=True)
    assert read(uri).rows() == read(uri).head(1).rows()
    write_table(ROWS, uri, TableFormat(), overwrite=False)
    assert read(uri, "SELECT count(*) FROM forecast").item() == 3


def test_a_name_with_quotes_and_spaces_is_a_name(uri: str) -> None:
    name = 'next "week"; DROP TABLE history'
    find_database(uri).write(ROWS, name, overwrite=False)
    assert read(uri).height == 3


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("mysql://ann:s3cret@host/shop", "expected sqlite:///FILE, duckdb:///FILE or postgresql://USER@HOST/NAME"),
        ("sqlite://shop.db", "a file has three slashes"),
        ("sqlite:///missing.db", "missing.db: there is no such file"),
        ("duckdb:///missing.db", "missing.db: there is no such file"),
        ("postgresql://ann:s3cret@127.0.0.1:1/shop", "--sql: shop: "),
    ],
)
def test_a_database_that_cannot_be_read_is_one_error_without_its_password(uri: str, words: str) -> None:
    if uri.startswith("postgresql"):
        pytest.importorskip("adbc_driver_postgresql", reason="adbc-driver-postgresql is not installed")
    with pytest.raises(InputError) as error:
        read(uri)
    assert words in str(error.value)
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("postgresql://ann:p@ss:w/rd@host:5432/shop", "postgresql://ann:***@host:5432/shop"),
        ("--database=postgresql://:pw@host/shop", "--database=postgresql://:***@host/shop"),
        ("postgresql:///shop?user=ann&password=pw&host=/tmp", "postgresql:///shop?user=ann&password=***&host=/tmp"),
        ("sqlite:////data/shop.db#next", "sqlite:////data/shop.db#next"),
    ],
)
def test_passwords_are_hidden(text: str, hidden: str) -> None:
    assert hide_password(text) == hidden


def test_numbers_and_texts_in_one_column_of_sqlite_are_texts(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "odd.db")) as connection, connection:
        connection.execute("CREATE TABLE odd (day, sales)")
        connection.executemany("INSERT INTO odd VALUES (?, ?)", [("2024-01-01", 1), ("2024-01-02", "n/a"), (None, 2.5)])
    frame = read(str(tmp_path / "odd.db"), "SELECT * FROM odd")
    assert frame["sales"].to_list() == ["1", "n/a", "2.5"]
