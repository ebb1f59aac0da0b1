"""Sentences with a tag for each word: CoNLL-U, and the columns of the CoNLL shared tasks.

CoNLL-U has ten columns between tabs; words with an id such as 3-4 (several words written as one) or 3.1 (words that are
not written) are left out. Other files have the word in the first column and its tag in the last.

Source: Nivre et al. 2020, Universal Dependencies v2; Tjong Kim Sang and De Meulder 2003, the CoNLL-2003 shared task.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from throughtime._errors import InputError
from throughtime.data.files import lines_of, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = {"lemma": 2, "upos": 3, "xpos": 4, "deprel": 7}
"""Columns of CoNLL-U that may be the tag, by name."""

_WANTED = "a word and its tag a line, and a blank line between sentences"

Sentences = list[list[str]]


def read_conll(path: Path, column: str | None = None) -> tuple[Sentences, Sentences]:
    """The words and the tags of each sentence.

    Args:
        path: of the file; CoNLL-U where its name or its lines say so.
        column: of a CoNLL-U file that holds the tags: 'upos' (if None), 'xpos', 'lemma' or 'deprel'.

    Raises:
        InputError: names the first line that cannot be used.
    """
    lines = lines_of(read_text(path, _WANTED, "CoNLL"))
    universal = ".conllu" in path.name or any(re.match(r"1\t.*(\t[^\t]*){8}$", line) for line in lines[:50])
    if column is not None and not universal:
        raise InputError(f"{path}: expected a CoNLL-U file to take the column {column} from, got another kind of CoNLL")
    if column is not None and column not in COLUMNS:
        raise InputError(f"column: expected one of {', '.join(COLUMNS)}, got {column!r}")
    tag = COLUMNS[column or "upos"]
    words: Sentences = [[]]
    tags: Sentences = [[]]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            if words[-1]:
                words.append([])
                tags.append([])
            continue
        where = f"{path}, line {number}"
        for word, its_tag in _universal(line, tag, where) if universal else _plain(line, where):
            words[-1].append(word)
            tags[-1].append(its_tag)
    pairs = [(w, t) for w, t in zip(words, tags, strict=True) if w]
    if not pairs:
        raise InputError(f"{path}: expected {_WANTED}, got no word at all")
    return [w for w, _ in pairs], [t for _, t in pairs]


def _universal(line: str, tag: int, where: str) -> Iterator[tuple[str, str]]:
    if line.startswith("#"):
        return
    cells = line.split("\t")
    if len(cells) != 10:
        raise InputError(f"{where}: expected the 10 columns of CoNLL-U between tabs, got {len(cells)}")
    if re.fullmatch(r"\d+-\d+|\d+\.\d+", cells[0]):
        return
    if not cells[0].isdigit():
        raise InputError(f"{where}: expected the number of a word in the first column, got {cells[0][:40]!r}")
    if not cells[1]:
        raise InputError(f"{where}: expected a word in the second column, got an empty cell")
    yield cells[1], cells[tag]


def _plain(line: str, where: str) -> Iterator[tuple[str, str]]:
    if line.startswith("-DOCSTART-"):
        return
    cells = line.split("\t") if "\t" in line else line.split()
    if len(cells) < 2 or not cells[0].strip() or not cells[-1].strip():
        raise InputError(f"{where}: expected a word and its tag, got {line.strip()[:40]!r}")
    yield cells[0].strip(), cells[-1].strip()
