"""Files as bytes and as text, unpacked, with one sentence for whatever is wrong with them."""

from __future__ import annotations

import gzip
import zlib
from difflib import get_close_matches
from typing import TYPE_CHECKING

from throughtime._errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_FOREIGN = {
    b"PK\x03\x04": "a spreadsheet or an archive: save the table as CSV first",
    b"\x89PNG": "a picture",
    b"%PDF": "a PDF document",
    b"SQLite f": "a database: export the table as CSV first",
}
"""How files begin that are often taken for tables."""


def check_there(path: Path) -> None:
    """See that there is a file or a directory of that name.

    Raises:
        InputError: where there is none; names a similar one.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file{_similar(path)}")


def read_bytes(path: Path, wanted: str, kind: str) -> bytes:
    """The content of a file, unpacked where it is gzipped.

    Args:
        path: of the file.
        wanted: what an empty file should have held, in words.
        kind: of file, in words.

    Raises:
        InputError: where there is no such file, or it is empty.
    """
    check_there(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: name the {kind} file in it")
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not content.strip():
        raise InputError(f"{path} is empty: expected {wanted}")
    return content


def read_text(path: Path, wanted: str, kind: str) -> str:
    """The text of a file in UTF-8; see `read_bytes`."""
    return decoded(path, read_bytes(path, wanted, kind), kind)


def lines_of(text: str) -> list[str]:
    """Lines as editors and other programs count them: what Unicode takes for the end of one may stand within a line."""
    text = text if "\n" in text else text.replace("\r", "\n")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def decoded(path: Path, content: bytes, kind: str) -> str:
    """The content of a file as text.

    Raises:
        InputError: where it is no text, or not in UTF-8.
    """
    for beginning, what in _FOREIGN.items():
        if content.startswith(beginning):
            raise InputError(f"{path} is no {kind} file but {what}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # as editors of Windows mark it
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise InputError(f"{path} is damaged: it begins as UTF-16 text, and is none") from None
    if b"\0" in content:
        raise InputError(f"{path} is no {kind} file: it holds binary data")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        raise InputError(f"{path}, line {line}: byte 0x{byte:02x} is no UTF-8 text; save the file as UTF-8") from None


def _similar(path: Path) -> str:
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.with_name(close[0])}?" if close else ""
