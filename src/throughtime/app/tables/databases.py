"""Tables in databases: the rows of a query, and a table for results.

A database is named by a URI: sqlite:///shop.db (four slashes for an absolute path), duckdb:///shop.duckdb or
postgresql://user@host/shop. Queries cannot write: connections are read-only, and a query begins with SELECT or WITH.
Messages and records name a database without its password.
"""

from __future__ import annotations

import importlib
import re
import sqlite3
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import polars as pl

from throughtime._core.errors import InputError
from throughtime.app.output import hide_password

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUERY = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/|\()*(select|with|values|table)\b", re.IGNORECASE | re.DOTALL)
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33}  # 33: recursive queries
_SQL_TYPES = {pl.Int64: "INTEGER", pl.Float64: "REAL"}


@dataclass(frozen=True)
class Database(ABC):
    """A database.

    Attributes:
        uri: with its password.
        path: of the file, or the name of the database on its server.
    """

    uri: str
    path: Path

    def read(self, sql: str) -> pl.DataFrame:
        """Return the rows of a query.

        Raises:
            InputError: for a statement that is not a query, and for one that the database refuses.
        """
        if _QUERY.match(sql) is None:
            raise InputError("--sql: expected a query that begins with SELECT or WITH; nothing is written by --sql")
        try:
            frame = self._read(sql)
        except Exception as error:  # noqa: BLE001 - each driver has its own classes of errors
            raise self._failure("--sql", error) from None
        if not frame.height:
            raise InputError(f"--sql: the query gives no rows of {self.path}")
        return frame

    def write(self, frame: pl.DataFrame, table: str, *, overwrite: bool) -> None:
        """Write a table, whole or not at all.

        Raises:
            InputError: for a table that exists, unless it may be replaced, and where the database refuses.
        """
        self.check_table(table, overwrite=overwrite)
        try:
            self._write(frame, table)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._failure("--to", error) from None

    def check_table(self, table: str, *, overwrite: bool) -> None:
        """Check that a table may be written.

        Raises:
            InputError: for a table that exists, unless it may be replaced, and where the database refuses.
        """
        try:
            exists = self._has_table(table)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._failure("--to", error) from None
        if exists and not overwrite:
            raise InputError(
                f"--to: {self.path} has a table {table}; name another one after #, or replace it with --overwrite"
            )

    @abstractmethod
    def _read(self, sql: str) -> pl.DataFrame: ...

    @abstractmethod
    def _write(self, frame: pl.DataFrame, table: str) -> None: ...

    @abstractmethod
    def _has_table(self, table: str) -> bool: ...

    def _failure(self, option: str, error: Exception) -> InputError:
        if isinstance(error, InputError):
            return error
        lines = str(error).replace(self.uri, hide_password(self.uri)).splitlines() or [type(error).__name__]
        password = urlsplit(self.uri).password
        message = hide_password(" ".join(line.strip() for line in lines if line.strip()))
        return InputError(f"{option}: {self.path}: {message.replace(password, '***') if password else message}")


class Sqlite(Database):
    """An SQLite file, through the standard library."""

    def _read(self, sql: str) -> pl.DataFrame:
        if not self.path.is_file():
            raise InputError(f"--database: {self.path}: there is no such file")
        address = f"file:{quote(str(self.path.absolute()))}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
            )
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description]
            return _frame(names, cursor)

    def _write(self, frame: pl.DataFrame, table: str) -> None:
        columns = ", ".join(
            f"{_quoted(name)} {_SQL_TYPES.get(type(kind), 'TEXT')}" for name, kind in frame.schema.items()
        )
        marks = ", ".join("?" * frame.width)
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("BEGIN")
            connection.execute(f"DROP TABLE IF EXISTS {_quoted(table)}")
            connection.execute(f"CREATE TABLE {_quoted(table)} ({columns})")
            statement = f"INSERT INTO {_quoted(table)} VALUES ({marks})"  # noqa: S608 - the name is quoted
            connection.executemany(statement, _as_text(frame).iter_rows())

    def _has_table(self, table: str) -> bool:
        if not self.path.exists():
            return False
        with closing(sqlite3.connect(f"file:{quote(str(self.path.absolute()))}?mode=ro", uri=True)) as connection:
            query = "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND lower(name) = lower(?)"
            return connection.execute(query, [table]).fetchone() is not None


class DuckDB(Database):
    """A DuckDB file."""

    def _read(self, sql: str) -> pl.DataFrame:
        if not self.path.is_file():
            raise InputError(f"--database: {self.path}: there is no such file")
        options = {"read_only": True, "config": {"enable_external_access": "false", "lock_configuration": "true"}}
        with _driver("duckdb").connect(str(self.path), **options) as connection:
            return pl.DataFrame(connection.sql(sql).to_arrow_table())

    def _write(self, frame: pl.DataFrame, table: str) -> None:
        with _driver("duckdb").connect(str(self.path)) as connection:
            connection.register("(frame)", frame.to_arrow())
            connection.execute(f'CREATE OR REPLACE TABLE {_quoted(table)} AS FROM "(frame)"')

    def _has_table(self, table: str) -> bool:
        if not self.path.exists():
            return False
        with _driver("duckdb").connect(str(self.path), read_only=True) as connection:
            query = "SELECT 1 FROM information_schema.tables WHERE lower(table_name) = lower(?)"
            return connection.execute(query, [table]).fetchone() is not None


class PostgreSQL(Database):
    """A database of a PostgreSQL server, through ADBC."""

    def _read(self, sql: str) -> pl.DataFrame:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(sql)
            return _plain_types(pl.DataFrame(cursor.fetch_arrow_table()))

    def _write(self, frame: pl.DataFrame, table: str) -> None:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {_quoted(table)}")
            cursor.adbc_ingest(table, frame.to_arrow(), mode="create")
            connection.commit()

    def _has_table(self, table: str) -> bool:
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1", [table])
            return cursor.fetchone() is not None

    def _connect(self) -> Any:
        return _driver("adbc_driver_postgresql.dbapi").connect(self.uri)


_SCHEMES: dict[str, type[Database]] = {
    "sqlite": Sqlite,
    "duckdb": DuckDB,
    "postgresql": PostgreSQL,
    "postgres": PostgreSQL,
}
_ENDINGS = {".db": "sqlite", ".sqlite": "sqlite", ".sqlite3": "sqlite", ".duckdb": "duckdb"}


def is_database(text: str) -> bool:
    """Return whether a text is the URI of a database, or its file."""
    return "://" in text or Path(text.partition("#")[0]).suffix.lower() in _ENDINGS


def find_database(uri: str, option: str = "--database") -> Database:
    """Return the database of a URI, or of a file such as shop.db or shop.duckdb.

    Raises:
        InputError: for an unknown kind of database.
    """
    scheme = urlsplit(uri).scheme if "://" in uri else _ENDINGS.get(Path(uri).suffix.lower(), "")
    if scheme not in _SCHEMES:
        raise InputError(
            f"{option}: expected sqlite:///FILE, duckdb:///FILE or postgresql://USER@HOST/NAME, got "
            f"{hide_password(uri)!r}"
        )
    if "://" not in uri:
        return _SCHEMES[scheme](uri, Path(uri))
    parts = urlsplit(uri)
    name = unquote(parts.path.removeprefix("/"))
    if not name or (_SCHEMES[scheme] is not PostgreSQL and parts.netloc):
        raise InputError(
            f"{option}: expected the name of a database after {scheme}://{'' if parts.netloc else '/'}, got "
            f"{hide_password(uri)!r}; a file has three slashes, such as sqlite:///shop.db"
        )
    return _SCHEMES[scheme](uri, Path(name))


def _driver(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0].replace("_", "-")
        raise InputError(f"--database: {package} is not installed; pip install throughtime[databases]") from None


def _frame(names: list[str], rows: Iterator[tuple]) -> pl.DataFrame:
    """Return rows of a database without types: a column of values of several types is one of texts."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    series = []
    for name, values in zip(names, columns, strict=True):
        kinds = {type(value) for value in values} - {type(None)}
        is_mixed = len(kinds) > 1 and not kinds <= {int, float}
        series.append(
            pl.Series(name, [None if v is None else str(v) for v in values] if is_mixed else values, strict=False)
        )
    return pl.DataFrame(series)


def _plain_types(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame without types that only PostgreSQL has: numbers of any precision arrive as texts."""
    return frame.with_columns(pl.col(pl.Decimal).cast(pl.Float64))


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame with dates as texts, as SQLite stores them."""
    dates = [pl.col(pl.Date).dt.strftime("%Y-%m-%d"), pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S")]
    return frame.with_columns(dates)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
