"""The text of tables in whatever encoding they were saved in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from throughtime._core.errors import InputError
from throughtime.data.files import reject_other_formats

if TYPE_CHECKING:
    from pathlib import Path

_BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_NAMES = {
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252, which contains Latin-1",
}
_LATIN = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŠšŽžŒœŸ"
_UNLIKELY = (
    re.compile(rf"[{_LATIN}]{{3}}"),  # letters of another alphabet
    re.compile(r"[a-zß-ÿ][À-ÖØ-ÞŠŽŒŸ]"),  # a capital within a word
    re.compile(rf"[A-Za-z{_LATIN}][^\w\s\x00-\x7f’‘´·–—-][A-Za-z{_LATIN}]"),  # a sign within a word
    re.compile(r"[ÂÃ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"),  # letters in UTF-8: the file has two encodings
    re.compile(rf"[³²¹¼½¾¶®©±÷×£¥][a-zà-ÿ]|[a-zA-Z{_LATIN}][¿¡]"),  # signs that no word has there
    re.compile(r"[\x00-\x08\x0e-\x1f\x7f¤¦¨¬¯¸ƒˆ‡‰‹›˜]"),
)
"""What text of Western Europe does not hold: it is in another encoding."""


def decode_table(
    path: Path, content: bytes, kind: str, encoding: str | None = None, fallback: str | None = None
) -> tuple[str, str]:
    """Return the text of a table, and the encoding in words where it is not UTF-8.

    A mark at the beginning (BOM) names the encoding, else zero bytes between letters show UTF-16, else what is valid
    UTF-8 is that, else what looks like a language of Western Europe is Windows-1252, which contains Latin-1.

    Args:
        path: of the file.
        content: its bytes.
        kind: of file, in words.
        encoding: that a user named; recognised if None.
        fallback: encoding of what is not UTF-8, as that of an earlier file was.

    Raises:
        InputError: where the content is not text, or the encoding cannot be recognised or does not fit.
    """
    reject_other_formats(path, content, kind)
    name = _recognised(path, content, kind) if encoding is None else _codec(encoding)
    if name == "cp1252" and encoding is None and fallback is not None:
        name = encoding = _codec(fallback)
    try:
        text = content.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        if encoding is None and name != "cp1252":
            raise InputError(f"{path}, line {line}: the text is damaged: it is not valid {_NAMES[name]}") from None
        raise InputError(_unrecognised(path, content, error.start, encoding)) from None
    if name == "cp1252" and encoding is None:
        _check_western(path, content, text)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{path}, line {line}: expected text, got a zero byte; the file is damaged or not a {kind} file"
        )
    _refuse_markup(path, text, kind)
    shown = encoding or _NAMES.get(name, "")
    return text, shown


def _recognised(path: Path, content: bytes, kind: str) -> str:
    """The codec of a file without a word from the user."""
    for mark, name in _BOMS.items():
        if content.startswith(mark):
            return name
    head = content[:4096]
    zeros = [head[start::2].count(0) * 2 / len(head) for start in (0, 1)]
    if max(zeros) > 0.5 and min(zeros) < 0.1:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if b"\0" in head:
        raise InputError(f"{path} is not a {kind} file: it holds binary data")
    try:
        content.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _codec(encoding: str) -> str:
    import codecs

    try:
        if codecs.lookup(encoding)._is_text_encoding:  # noqa: SLF001 - `bytes.decode` asks the same
            return encoding
    except LookupError:
        pass
    raise InputError(f"--encoding: expected an encoding such as utf-8, cp1252, cp1250 or shift_jis, got {encoding!r}")


def _check_western(path: Path, content: bytes, text: str) -> None:
    """Refuse text that is valid in Windows-1252, as nearly everything is, but is not a language of Western Europe."""
    for pattern in _UNLIKELY:
        match = pattern.search(text)
        if match:
            place = next((i for i, character in enumerate(match[0]) if character > "\x7f"), 0)
            raise InputError(_unrecognised(path, content, match.start() + place, None))


def _unrecognised(path: Path, content: bytes, start: int, encoding: str | None) -> str:
    line = content[:start].count(b"\n") + 1
    byte = f"byte 0x{content[start]:02x}"
    if encoding is not None:
        return f"{path}, line {line}: {byte} is not valid {encoding}; name another encoding with --encoding"
    return (
        f"{path}, line {line}: {byte} is not valid UTF-8, and the encoding cannot be recognised; name it with "
        "--encoding, such as --encoding cp1250, or save the file as UTF-8"
    )


def _refuse_markup(path: Path, text: str, kind: str) -> None:
    """Refuse web pages, XML and JSON."""
    head = text[:1000].lstrip().lower()
    what = None
    if head.startswith(("<!doctype html", "<html", "<head")):
        what = "a web page: download the table itself"
    elif head.startswith("<"):
        what = "XML: save the table as CSV"
    elif re.match(r"[\[{]\s*[\"{\[\]}\d]", head):
        what = "JSON: save the table as CSV"
    if what:
        raise InputError(f"{path} is not a {kind} file but {what}")
