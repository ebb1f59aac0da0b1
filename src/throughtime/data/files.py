"""Read files as bytes and as text, decompressed; every fault is one sentence."""

from __future__ import annotations

import zlib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 2**30
"""Maximum size of a file, decompressed; larger tables are folders of Parquet files, which are read in parts."""

_MEMORY_FACTOR = 6  # memory per byte of a file while it is read: bytes, text, cells, numbers
_CHUNK_BYTES = 2**20
_MAGIC_BYTES = {
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
"""First bytes of files that are often mistaken for tables."""


def check_exists(path: Path) -> None:
    """Check that a file or a directory exists.

    Raises:
        InputError: if it does not exist; suggests a similar name.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file{_suggestion(path)}")


def read_bytes(path: Path, expected: str, kind: str) -> bytes:
    """Read a file, decompressed if it is gzipped.

    Args:
        path: path of the file.
        expected: expected content, for the message about an empty file.
        kind: kind of file, for messages.

    Raises:
        InputError: if there is no such file, it is empty, or it is larger than `MAX_BYTES` or the available memory.
    """
    check_exists(path)
    if path.is_dir():
        raise InputError(f"{path} is a directory: name the {kind} file in it")
    try:
        check_size(path, path.stat().st_size)
        with path.open("rb") as file:
            content = file.read() if path.is_file() else file.read(MAX_BYTES + 1)  # a pipe has no size
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    check_size(path, len(content))
    if content[:2] == b"\x1f\x8b":
        content = _decompress(path, content)
    if not content.strip():
        raise InputError(f"{path} is empty: expected {expected}")
    return content


def check_size(path: Path, size: int, *, unpacked: bool = False) -> None:
    """Check the size of a file.

    Raises:
        InputError: if it is larger than `MAX_BYTES` or than the available memory; names the limit.
    """
    verb = "unpacks to" if unpacked else "holds"
    if size > MAX_BYTES:
        raise InputError(
            f"{path} {verb} more than {MAX_BYTES >> 20:,} MiB, the limit for one file; split it, or save it as a "
            "folder of Parquet files, which are read in parts"
        )
    available = _free_memory()
    if available is not None and size * _MEMORY_FACTOR > available:
        raise InputError(
            f"{path} {verb} {size >> 20:,} MiB or more, which takes {size * _MEMORY_FACTOR >> 20:,} MiB of memory to "
            f"read, and {available >> 20:,} MiB are free; split it, or save it as a folder of Parquet files"
        )


def _decompress(path: Path, packed: bytes) -> bytes:
    """Decompress a gzip file of one member or more.

    It is decompressed twice, the first time only to measure the size, so that a small file cannot exhaust the memory.
    """
    size, checked = 0, MAX_BYTES >> 5
    for chunk in _gunzip(path, packed):
        size += len(chunk)
        if size > checked:
            check_size(path, size, unpacked=True)
            checked = size + (MAX_BYTES >> 5)
    check_size(path, size, unpacked=True)
    return b"".join(_gunzip(path, packed))


def _gunzip(path: Path, packed: bytes) -> Iterator[bytes]:
    """Yield decompressed bytes in chunks."""
    decompressor, in_member = zlib.decompressobj(wbits=31), False  # a member has begun and not ended
    try:
        for start in range(0, len(packed), _CHUNK_BYTES):
            rest = packed[start : start + _CHUNK_BYTES]
            while rest := rest if in_member else rest.lstrip(b"\0"):  # zeros between members are padding
                yield decompressor.decompress(rest, _CHUNK_BYTES)
                rest, in_member = decompressor.unconsumed_tail, not decompressor.eof
                if decompressor.eof:
                    rest, decompressor = decompressor.unused_data, zlib.decompressobj(wbits=31)
        yield decompressor.flush()
    except zlib.error as error:
        raise InputError(f"{path} is a damaged gzip file: {error}") from error
    if in_member and not decompressor.eof:
        raise InputError(f"{path} is a gzip file that ends too early: copy or download it again")


def _free_memory() -> int | None:
    """Return the bytes that this process can still allocate; None if the system does not report it."""
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


def read_text(path: Path, expected: str, kind: str) -> str:
    """Read a text file in UTF-8; see `read_bytes`."""
    return decode_text(path, read_bytes(path, expected, kind), kind)


def split_lines(text: str) -> list[str]:
    """Split a text at line feeds, as editors do; other line separators of Unicode may be part of a line."""
    text = text if "\n" in text else text.replace("\r", "\n")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def decode_text(path: Path, content: bytes, kind: str) -> str:
    """Decode the content of a file.

    Raises:
        InputError: if it is not text in UTF-8, or in UTF-16 with a byte order mark.
    """
    reject_other_formats(path, content, kind)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # written by editors of Windows
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise InputError(f"{path} is damaged: it begins as UTF-16 text, but is not valid UTF-16") from None
    if b"\0" in content:
        raise InputError(f"{path} is not a {kind} file: it holds binary data")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        raise InputError(f"{path}, line {line}: byte 0x{byte:02x} is not valid UTF-8; save the file as UTF-8") from None


def reject_other_formats(path: Path, content: bytes, kind: str) -> None:
    """Raise if a file begins like one of another format.

    Raises:
        InputError: names the format.
    """
    for magic, description in _MAGIC_BYTES.items():
        if content.startswith(magic):
            raise InputError(f"{path} is not a {kind} file but {description}")


def _suggestion(path: Path) -> str:
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.with_name(close[0])}?" if close else ""
