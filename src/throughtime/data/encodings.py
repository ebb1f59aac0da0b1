"""Detect the encoding of tables, of numbers and of texts, and decode them."""

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
_ENCODING_NAMES = {
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "cp1252": "Windows-1252, which contains Latin-1",
}
_LATIN_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿŠšŽžŒœŸ"
_UNLIKELY_PATTERNS = (
    re.compile(rf"[{_LATIN_LETTERS}]{{3}}"),  # another alphabet
    re.compile(r"[a-zß-ÿ][À-ÖØ-ÞŠŽŒŸ]"),  # a capital within a word
    re.compile(rf"[A-Za-z{_LATIN_LETTERS}][^\w\s\x00-\x7f’‘´·–—-][A-Za-z{_LATIN_LETTERS}]"),  # a sign within a word
    re.compile(r"[ÂÃ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"),  # UTF-8: the file has two encodings
    re.compile(rf"[³²¹¼½¾¶®©±÷×£¥][a-zà-ÿ]|[a-zA-Z{_LATIN_LETTERS}][¿¡]"),  # a sign at a letter
    re.compile(r"[\x00-\x08\x0e-\x1f\x7f¤¦¨¬¯¸ƒˆ‡‰‹›˜]"),
)
"""Sequences that do not occur in text of Western Europe, so that the encoding is another one."""


def decode_table(
    path: Path, content: bytes, kind: str, encoding: str | None = None, fallback: str | None = None
) -> tuple[str, str]:
    """Decode a table of numbers as `decode_bytes` does.

    Raises:
        InputError: as `decode_bytes`, and for a web page, XML or JSON.
    """
    text, label = decode_bytes(path, content, kind, encoding, fallback)
    _check_markup(path, text, kind)
    return text, label


def decode_bytes(
    path: Path,
    content: bytes,
    kind: str,
    encoding: str | None = None,
    fallback: str | None = None,
    *,
    advice: str = "name it with --encoding, such as --encoding cp1250, or save the file as UTF-8",
) -> tuple[str, str]:
    """Decode a file; return its text, and a label of the encoding, '' for UTF-8.

    A byte order mark names the encoding; zero bytes between letters indicate UTF-16; valid UTF-8 is UTF-8; and text
    that looks like a language of Western Europe is Windows-1252, which contains Latin-1.

    Args:
        path: path of the file.
        content: content of the file.
        kind: kind of file, for messages.
        encoding: encoding named by the user; detected if None.
        fallback: encoding of an earlier file, for content that is not UTF-8.
        advice: what to do where the encoding cannot be recognised.

    Raises:
        InputError: if the content is not text, or the encoding cannot be detected or does not fit.
    """
    reject_other_formats(path, content, kind)
    name = _detect_codec(path, content, kind) if encoding is None else _check_codec(encoding)
    if name == "cp1252" and encoding is None and fallback is not None:
        name = encoding = _check_codec(fallback)
    try:
        text = content.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        if encoding is None and name != "cp1252":
            raise InputError(
                f"{path}, line {line}: the text is damaged: it is not valid {_ENCODING_NAMES[name]}"
            ) from None
        raise InputError(_undecodable_message(path, content, error.start, encoding, advice)) from None
    if name == "cp1252" and encoding is None:
        _check_western(path, content, text, advice)
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            f"{path}, line {line}: expected text, got a zero byte; the file is damaged or not a {kind} file"
        )
    label = encoding or _ENCODING_NAMES.get(name, "")
    return text, label


def _detect_codec(path: Path, content: bytes, kind: str) -> str:
    """Return the codec of a file."""
    for mark, name in _BOMS.items():
        if content.startswith(mark):
            return name
    head = content[:4096]
    zero_fractions = [head[start::2].count(0) * 2 / len(head) for start in (0, 1)]
    if max(zero_fractions) > 0.5 and min(zero_fractions) < 0.1:
        return "utf-16-be" if zero_fractions[0] > zero_fractions[1] else "utf-16-le"
    if b"\0" in head:
        raise InputError(f"{path} is not a {kind} file: it holds binary data")
    try:
        content.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _check_codec(encoding: str) -> str:
    import codecs

    try:
        if codecs.lookup(encoding)._is_text_encoding:  # noqa: SLF001 - `bytes.decode` checks the same
            return encoding
    except LookupError:
        pass
    raise InputError(f"--encoding: expected an encoding such as utf-8, cp1252, cp1250 or shift_jis, got {encoding!r}")


def _check_western(path: Path, content: bytes, text: str, advice: str) -> None:
    """Raise if text that is valid in Windows-1252, as nearly all bytes are, is not a language of Western Europe."""
    for pattern in _UNLIKELY_PATTERNS:
        match = pattern.search(text)
        if match:
            position = next((i for i, character in enumerate(match[0]) if character > "\x7f"), 0)
            raise InputError(_undecodable_message(path, content, match.start() + position, None, advice))


def _undecodable_message(path: Path, content: bytes, start: int, encoding: str | None, advice: str) -> str:
    line = content[:start].count(b"\n") + 1
    byte = f"byte 0x{content[start]:02x}"
    if encoding is not None:
        return f"{path}, line {line}: {byte} is not valid {encoding}; name another encoding with --encoding"
    return f"{path}, line {line}: {byte} is not valid UTF-8, and the encoding cannot be recognised; {advice}"


def _check_markup(path: Path, text: str, kind: str) -> None:
    """Raise if a text is a web page, XML or JSON."""
    head = text[:1000].lstrip().lower()
    description = None
    if head.startswith(("<!doctype html", "<html", "<head")):
        description = "a web page: download the table itself"
    elif head.startswith("<"):
        description = "XML: save the table as CSV"
    elif re.match(r"[\[{]\s*[\"{\[\]}\d]", head):
        description = "JSON: save the table as CSV"
    if description:
        raise InputError(f"{path} is not a {kind} file but {description}")
