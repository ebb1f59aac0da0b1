"""Read sentences with a tag for each word: CoNLL-U, and the columns of the CoNLL shared tasks.

CoNLL-U has ten columns between tabs; multiword tokens, with an id such as 3-4, and empty nodes, such as 3.1, are
skipped. A line `# global.columns = ID FORM …` names other columns (CoNLL-U Plus). Other files have the word in the
first column and its tag in the last; `conll_columns` reads those.

Source: Nivre et al. 2020, Universal Dependencies v2; Tjong Kim Sang and De Meulder 2003, the CoNLL-2003 shared task.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from throughtime._core.errors import InputError
from throughtime.data.files import read_text, split_lines
from throughtime.data.text.conll_columns import count_noun, read_columns

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("lemma", "upos", "xpos", "deprel")
"""Columns of CoNLL-U that can be used as tags."""

_CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_GLOBAL_COLUMNS = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
_EXPECTED = "a word and its tag a line, and a blank line between sentences"


class TaggedSentences(NamedTuple):
    """The sentences of a file.

    Attributes:
        words: words of each sentence.
        tags: tags of the words of each sentence; None if a word has none.
        notes: sentences about what was skipped or inferred.
    """

    words: list[list[str]]
    tags: list[list[str | None]]
    notes: list[str]


def read_conll(path: Path, column: str | None = None, *, need_tags: bool = True) -> TaggedSentences:
    """Read the words and the tags of each sentence.

    Args:
        path: path of the file; its name or its lines show whether it is CoNLL-U.
        column: column of a CoNLL-U file that holds the tags: 'upos' (if None), 'xpos', 'lemma' or 'deprel'.
        need_tags: whether to raise if the file has no tags.

    Raises:
        InputError: names the first invalid line.
    """
    lines = [line.lstrip("\ufeff") for line in split_lines(read_text(path, _EXPECTED, "CoNLL"))]
    is_conllu = ".conllu" in path.name or any(
        _GLOBAL_COLUMNS.match(line) or re.match(r"1\t.*(\t[^\t]*){8}$", line) for line in lines[:50]
    )
    if column is not None and not is_conllu:
        raise InputError(f"{path}: expected a CoNLL-U file for the column {column}, got another kind of CoNLL")
    words, tags, notes = _read_conllu(path, lines, column) if is_conllu else TaggedSentences(*read_columns(path, lines))
    if not words:
        raise InputError(f"{path}: expected {_EXPECTED}, got no words")
    missing_tags = sum(tag is None for sentence in tags for tag in sentence)
    if missing_tags == sum(map(len, words)):
        if need_tags:
            location = f"the column {column or 'upos'}" if is_conllu else "the last column"
            raise InputError(f"{path}: expected {_EXPECTED}, got no tag in {location} of any line")
    elif missing_tags:
        notes.append(f"{count_noun(missing_tags, 'word')} without a tag ('_'): not used for training or scores.")
    return TaggedSentences(words, tags, notes)


def _read_conllu(path: Path, lines: list[str], column: str | None) -> TaggedSentences:
    names, columns = _select_columns(path, lines, column)
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
                location = (
                    "the second column" if name == "word" and names == _CONLLU_COLUMNS else f"its column of {name}s"
                )
                raise InputError(f"{where}: expected a {name} in {location}, got an empty cell")
        words[-1].append(word)
        tags[-1].append(None if tag == "_" != word else tag)
    if skipped:
        notes.append(f"Skipped {count_noun(skipped, 'line')} of multiword tokens and empty nodes (ids 2-3 and 3.1).")
    return TaggedSentences([w for w in words if w], [t for t in tags if t], notes)


def _select_columns(path: Path, lines: list[str], column: str | None) -> tuple[tuple[str, ...], dict[str, int]]:
    """Return the names of all columns, and the positions of the id (if there is one), the word and the tag.

    Raises:
        InputError: if the column is not in the file.
    """
    declared = next((match[1] for line in lines if (match := _GLOBAL_COLUMNS.match(line))), None)
    names = _CONLLU_COLUMNS if declared is None else tuple(declared.lower().split())
    choices = COLUMNS if declared is None else tuple(name for name in names if name not in ("id", "form"))
    tag = column or "upos"
    if tag.lower() not in choices:
        raise InputError(f"column: expected one of {', '.join(choices)}, got {tag!r} for {path}")
    if "form" not in names:
        raise InputError(f"{path}: expected FORM among the columns that '# global.columns =' names, got {declared}")
    positions = {"form": names.index("form"), "tag": names.index(tag.lower())}
    return names, positions | ({"id": names.index("id")} if "id" in names else {})


def _check_id(cell: str | None, expected: int, where: str) -> None:
    if cell is None:
        return
    if not re.fullmatch(r"[0-9]+", cell):
        raise InputError(f"{where}: expected the number of a word in the first column, got {cell[:40]!r}")
    if cell != str(expected):
        hint = "; is the blank line between two sentences missing?" if cell == "1" else ""
        raise InputError(f"{where}: expected word number {expected} of the sentence, got number {cell}{hint}")
