"""Sentences with a tag for each word: CoNLL-U, and the columns of the CoNLL shared tasks.

CoNLL-U has ten columns between tabs; words with an id such as 3-4 (several words written as one) or 3.1 (words that are
not written) are left out. A line `# global.columns = ID FORM …` names other columns (CoNLL-U Plus). Other files have
the word in the first column and its tag in the last; `conll_columns` reads those.

Source: Nivre et al. 2020, Universal Dependencies v2; Tjong Kim Sang and De Meulder 2003, the CoNLL-2003 shared task.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from throughtime._core.errors import InputError
from throughtime.data.files import read_text, split_lines
from throughtime.data.text.conll_columns import counted, read_columns

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("lemma", "upos", "xpos", "deprel")
"""Columns of CoNLL-U that may be the tag."""

_UNIVERSAL = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_NAMES = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
_WANTED = "a word and its tag a line, and a blank line between sentences"


class TaggedSentences(NamedTuple):
    """Sentences of a file.

    Attributes:
        words: of each sentence.
        tags: of each word; None where the file leaves it open.
        notes: what was skipped or decided, in plain sentences.
    """

    words: list[list[str]]
    tags: list[list[str | None]]
    notes: list[str]


def read_conll(path: Path, column: str | None = None, *, need_tags: bool = True) -> TaggedSentences:
    """Read the words and the tags of each sentence.

    Args:
        path: of the file; CoNLL-U where its name or its lines say so.
        column: of a CoNLL-U file that holds the tags: 'upos' (if None), 'xpos', 'lemma' or 'deprel'.
        need_tags: whether a file without any tag is refused.

    Raises:
        InputError: names the first line that cannot be used.
    """
    lines = [line.lstrip("\ufeff") for line in split_lines(read_text(path, _WANTED, "CoNLL"))]
    universal = ".conllu" in path.name or any(
        _NAMES.match(line) or re.match(r"1\t.*(\t[^\t]*){8}$", line) for line in lines[:50]
    )
    if column is not None and not universal:
        raise InputError(f"{path}: expected a CoNLL-U file to take the column {column} from, got another kind of CoNLL")
    words, tags, notes = (
        _read_universal(path, lines, column) if universal else TaggedSentences(*read_columns(path, lines))
    )
    if not words:
        raise InputError(f"{path}: expected {_WANTED}, got no word at all")
    open_tags = sum(tag is None for sentence in tags for tag in sentence)
    if open_tags == sum(map(len, words)):
        if need_tags:
            place = f"the column {column or 'upos'}" if universal else "the last column"
            raise InputError(f"{path}: expected {_WANTED}, got no tag in {place} of any line")
    elif open_tags:
        notes.append(f"{counted(open_tags, 'word')} without a tag ('_'): read, but neither learned from nor scored.")
    return TaggedSentences(words, tags, notes)


def _read_universal(path: Path, lines: list[str], column: str | None) -> TaggedSentences:
    names, columns = _layout(path, lines, column)
    words: list[list[str]] = [[]]
    tags: list[list[str | None]] = [[]]
    notes: list[str] = []
    skipped = 0
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            if words[-1]:
                words.append([])
                tags.append([])
            continue
        where = f"{path}, line {number}"
        cells = line.rstrip(" ").split("\t")
        if len(cells) != len(names):
            raise InputError(
                f"{where}: expected the {len(names)} columns of CoNLL-U between tabs, got {len(cells)}: {line[:40]!r}"
            )
        if "id" in columns and re.fullmatch(r"\d+-\d+|\d+\.\d+", cells[columns["id"]]):
            skipped += 1
            continue
        _check_id(cells[columns["id"]] if "id" in columns else None, len(words[-1]) + 1, where)
        word, tag = cells[columns["form"]], cells[columns["tag"]]
        for name, cell in (("word", word), ("tag", tag)):
            if not cell.strip():
                ordinal = "the second column" if name == "word" and names == _UNIVERSAL else f"its column of {name}s"
                raise InputError(f"{where}: expected a {name} in {ordinal}, got an empty cell")
        words[-1].append(word)
        tags[-1].append(None if tag == "_" != word else tag)
    if skipped:
        notes.append(f"{counted(skipped, 'line')} of joined or unwritten words (ids such as 2-3 and 3.1) skipped.")
    return TaggedSentences([w for w in words if w], [t for t in tags if t], notes)


def _layout(path: Path, lines: list[str], column: str | None) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of all columns, and the places of the id (where there is one), the word and the tag.

    Raises:
        InputError: for a column that is not in the file.
    """
    named = next((match[1] for line in lines if (match := _NAMES.match(line))), None)
    names = _UNIVERSAL if named is None else tuple(named.lower().split())
    choices = COLUMNS if named is None else tuple(name for name in names if name not in ("id", "form"))
    tag = column or "upos"
    if tag.lower() not in choices:
        raise InputError(f"column: expected one of {', '.join(choices)}, got {tag!r} for {path}")
    if "form" not in names:
        raise InputError(f"{path}: expected FORM among the columns that '# global.columns =' names, got {named}")
    places = {"form": names.index("form"), "tag": names.index(tag.lower())}
    return names, places | ({"id": names.index("id")} if "id" in names else {})


def _check_id(cell: str | None, expected: int, where: str) -> None:
    if cell is None:
        return
    if not re.fullmatch(r"[0-9]+", cell):
        raise InputError(f"{where}: expected the number of a word in the first column, got {cell[:40]!r}")
    if cell != str(expected):
        hint = "; is the blank line between two sentences missing?" if cell == "1" else ""
        raise InputError(f"{where}: expected word number {expected} of the sentence, got number {cell}{hint}")
