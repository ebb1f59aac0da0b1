"""Files as bytes and as text, unpacked, with one sentence for whatever is wrong with them."""

from __future__ import annotations

import zlib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 2**30
"""Bytes that a file may hold after unpacking; larger tables are folders of Parquet files, which are read by parts."""

_COPIES = 6  # memory that a file takes while it is read: bytes, text, cells, numbers
_CHUNK = 2**20
_FOREIGN = {
    b"PK\x03\x04": "an archive or an office document: unpack it, or save its table as CSV",
    b"\xd0\xcf\x11\xe0": "an old or password-protected Excel file: save it as .xlsx without a password, or as CSV",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%PDF": "a PDF document",
    b"SQLite f": "a database: export the table as CSV first",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it first, or pack it with gzip",
    b"BZh": "packed with bzip2: unpack it first, or pack it with gzip",
    b"\xfd7zXZ": "packed with xz: unpack it first, or pack it with gzip",
    b"7z\xbc\xaf": "a 7z archive: unpack it first",
    b"Rar!": "a RAR archive: unpack it first",
    b"ARROW1": "an Arrow file: save the table as Parquet or CSV",
    b"\x89HDF": "an HDF5 file: save the table as Parquet or CSV",
    b"{\\rtf": "a text document: save the table as CSV",
}
"""How files begin that are often taken for tables."""


def check_exists(path: Path) -> None:
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
        InputError: where there is no such file, it is empty, or it holds more than `LARGEST` bytes or than memory does.
    """
    check_exists(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: name the {kind} file in it")
    try:
        check_size(path, path.stat().st_size)
        with path.open("rb") as file:
            content = file.read() if path.is_file() else file.read(LARGEST + 1)  # a pipe does not state its size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    check_size(path, len(content))
    if content[:2] == b"\x1f\x8b":
        content = _unpacked(path, content)
    if not content.strip():
        raise InputError(f"{path} is empty: expected {wanted}")
    return content


def check_size(path: Path, size: int, *, unpacked: bool = False) -> None:
    """Refuse a file that is larger than `LARGEST`, or than fits into memory.

    Raises:
        InputError: where it is, with the limit.
    """
    what = "unpacks to" if unpacked else "holds"
    if size > LARGEST:
        raise InputError(
            f"{path} {what} more than {LARGEST >> 20:,} MiB, the limit for one file; split it, or save it as a folder "
            "of Parquet files, which are read by parts"
        )
    free = _free_memory()
    if free is not None and size * _COPIES > free:
        raise InputError(
            f"{path} {what} {size >> 20:,} MiB or more, which takes {size * _COPIES >> 20:,} MiB of memory to read, "
            f"and {free >> 20:,} MiB are free; split it, or save it as a folder of Parquet files"
        )


def _unpacked(path: Path, packed: bytes) -> bytes:
    """The content of a gzip file of one member or more.

    It is unpacked twice: the first time only to count, so that a small file cannot ask for all memory.
    """
    size, checked = 0, LARGEST >> 5
    for chunk in _gunzip(path, packed):
        size += len(chunk)
        if size > checked:
            check_size(path, size, unpacked=True)
            checked = size + (LARGEST >> 5)
    check_size(path, size, unpacked=True)
    return b"".join(_gunzip(path, packed))


def _gunzip(path: Path, packed: bytes) -> Iterator[bytes]:
    """The content of packed bytes in chunks."""
    unpacker, inside = zlib.decompressobj(wbits=31), False  # whether a member has begun and not ended
    try:
        for start in range(0, len(packed), _CHUNK):
            rest = packed[start : start + _CHUNK]
            while rest := rest if inside else rest.lstrip(b"\0"):  # zeros between members are padding
                yield unpacker.decompress(rest, _CHUNK)
                rest, inside = unpacker.unconsumed_tail, not unpacker.eof
                if unpacker.eof:
                    rest, unpacker = unpacker.unused_data, zlib.decompressobj(wbits=31)
        yield unpacker.flush()
    except zlib.error as error:
        raise InputError(f"{path} is a damaged gzip file: {error}") from error
    if inside and not unpacker.eof:
        raise InputError(f"{path} is a gzip file that ends too early: copy or download it again")


def _free_memory() -> int | None:
    """Bytes that this process may still ask for; None where the system does not report it."""
    limits = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        limits += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")]
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) << 12
    except (OSError, ValueError, IndexError):
        return None
    import resource

    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    if soft != resource.RLIM_INFINITY:
        limits.append(max(soft - used, 0))
    return min(limits, default=None)


def read_text(path: Path, wanted: str, kind: str) -> str:
    """The text of a file in UTF-8; see `read_bytes`."""
    return decode_text(path, read_bytes(path, wanted, kind), kind)


def split_lines(text: str) -> list[str]:
    """Lines as editors and other programs count them: what Unicode takes for the end of one may stand within a line."""
    text = text if "\n" in text else text.replace("\r", "\n")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def decode_text(path: Path, content: bytes, kind: str) -> str:
    """The content of a file as text.

    Raises:
        InputError: where it is no text, or not in UTF-8.
    """
    reject_other_formats(path, content, kind)
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


def reject_other_formats(path: Path, content: bytes, kind: str) -> None:
    """Refuse files of other programs by how they begin.

    Raises:
        InputError: names what the file is.
    """
    for beginning, what in _FOREIGN.items():
        if content.startswith(beginning):
            raise InputError(f"{path} is not a {kind} file but {what}")


def _similar(path: Path) -> str:
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.with_name(close[0])}?" if close else ""
