"""Normalization and splitting of texts as the library tokenizers does them, for where it is not installed.

Its regular expressions are those of Oniguruma, whose words hold marks, and circled and raised characters.
"""

from __future__ import annotations

import re
import string
import unicodedata

SPACE_MARK = "▁"
"""The blank before a word, as a character of subwords."""

_WORD, _SPACE, _APOSTROPHE, _SYMBOL = "w '."
_TOKENS = re.compile(rf"{_WORD}+|'{_WORD}+|['.]")
_RAISED = "²³¹¼½¾"
_CIRCLED = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
_SEPARATORS = "\x1c\x1d\x1e\x1f"  # blanks for Python alone


class _Classes(dict[int, str]):
    """The class of each character, computed at its first use."""

    def __missing__(self, code: int) -> str:
        self[code] = _class_of(chr(code))
        return self[code]


def _class_of(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LM" or category in ("Nd", "Nl", "Pc") or character in _RAISED:
        return _WORD
    if any(first <= ord(character) <= last for first, last in _CIRCLED):
        return _WORD
    if character == "'":
        return _APOSTROPHE
    return _SPACE if character.isspace() and character not in _SEPARATORS else _SYMBOL


_CLASSES = _Classes()


def normalize(text: str, *, lowercase: bool) -> str:
    """Return a text in the composed form of Unicode, each character in lower case if so asked."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(map(str.lower, composed)) if lowercase else composed


def split_words(text: str) -> list[str]:
    r"""Return the words of a text, and its symbols one by one: the matches of `\w+|'\w+|[^\w\s]`."""
    return [text[match.start() : match.end()] for match in _TOKENS.finditer(text.translate(_CLASSES))]


def mark_words(text: str) -> list[str]:
    """Return a text cut before each blank, which becomes a mark; there is one before the first word as well."""
    marked = text.replace(" ", SPACE_MARK)
    if marked and not marked.startswith(SPACE_MARK):
        marked = SPACE_MARK + marked
    return re.findall(f"{SPACE_MARK}[^{SPACE_MARK}]*", marked)


def isolate_punctuation(word: str) -> list[str]:
    """Return a word with its punctuation marks on their own."""
    pieces = [""]
    for character in word:
        if character in string.punctuation or unicodedata.category(character)[0] == "P":
            pieces += [character, ""]
        else:
            pieces[-1] += character
    return [piece for piece in pieces if piece]
