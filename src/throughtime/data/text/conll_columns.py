"""Words and tags in columns, as in the CoNLL shared tasks: the word in the first column, its tag in the last.

Which lines are comments follows from the lines that cannot be any: those that do not begin with '#'. They settle how
many columns there are and which tags. A line that begins with '#' is a word where it has as many columns and one of
those tags; it is a comment where it has another number of columns and begins with '# ', or looks like
'# key = value'. What is left may be either, and is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Rows = list[list[str]]  # cells of each word of a sentence

_DOCUMENT = "-DOCSTART-"
_COMMENT = re.compile(r"#\s*[\w.:-]+(\s+[\w.:-]+)?\s+=(\s|$)|#\s*[\w.:-]+=|#(begin|end) document\b")
_ENTITY = re.compile(r"O|[BIESLUM]-\S+")
_BLANKS = "[ \t]+"
_MANY_VALUES = 10  # times as many different tags as words, beyond which the columns are taken for swapped
_LEAST_WORDS = 10  # that have to be the same before their column is refused


def read_columns(path: Path, lines: Sequence[str]) -> tuple[list[list[str]], list[list[str | None]], list[str]]:
    """Return the words and the tags of each sentence, and notes; tags are None where there is one column only.

    Raises:
        InputError: names the first line that is neither a word with its tag nor a comment.
    """
    layout = _Layout.of(lines)
    sentences: list[Rows] = [[]]
    comments: list[int] = []
    documents = 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(_DOCUMENT):
            documents += bool(line.strip())
            sentences.append([])
        elif layout.is_comment(line, opening=not sentences[-1], where=f"{path}, line {number}"):
            comments.append(number)
        else:
            sentences[-1].append(layout.cells(line, f"{path}, line {number}"))
    notes = []
    if layout.width > 2 and any(lines[number - 1].startswith("#begin document") for number in comments):
        raise InputError(
            f"{path}: this is a CoNLL-2012 file, whose words are in the fourth column; write the word and its tag alone"
        )
    if comments:
        notes.append(f"{counted(len(comments), 'comment line')} skipped, the first in line {comments[0]}.")
    if documents:
        notes.append(f"{counted(documents, f'{_DOCUMENT} line')} skipped.")
    return _words_and_tags(path, [rows for rows in sentences if rows], notes)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun and verb: '1 line was', '2 lines were'."""
    return f"{count:,} {noun} was" if count == 1 else f"{count:,} {noun}s were"


@dataclass(frozen=True)
class _Layout:
    """How the lines of a file are split.

    Attributes:
        separator: pattern between two columns.
        width: columns.
        first: line that has them, from 1 on.
        tags: in the last column of lines that are words for certain.
    """

    separator: str
    width: int
    first: int
    tags: frozenset[str]

    @classmethod
    def of(cls, lines: Sequence[str]) -> _Layout:
        """Settle the layout by the lines that are no comments."""
        words = {n: line for n, line in enumerate(lines, 1) if line.strip() and not line.startswith(_DOCUMENT)}
        plain = [line for line in words.values() if not line.startswith("#")]
        tabs, separated = (sum(any(c in line.strip() for c in marks) for line in plain) for marks in ("\t", "\t "))
        separator = "\t" if tabs and 2 * tabs >= separated else _BLANKS
        if separator == "\t" and len({len(_split(separator, line)) for line in plain}) > 1:
            aligned = {len(_split("\t+", line)) for line in plain}
            separator = "\t+" if len(aligned) == 1 else separator
        width = max(
            counts := Counter(len(_split(separator, line)) for line in plain),
            key=lambda count: (count > 1, counts[count]),
            default=1,
        )
        whole = {n: cells for n, line in words.items() if len(cells := _split(separator, line)) == width}
        tags = {cells[-1] for cells in whole.values() if not cells[0].startswith("#")}
        # A tag of nothing but words with '#', as 'HASHTAG' or '#': seen more than once, and within a sentence.
        marked = Counter(cells[-1] for cells in whole.values() if cells[0].startswith("#"))
        within = {cells[-1] for n, cells in whole.items() if n > 1 and lines[n - 2].strip()[:1] not in ("", "#")}
        tags |= {tag for tag, count in marked.items() if tag == "#" or (count > 1 and tag in within)}
        return cls(separator, width, min(whole, default=1), frozenset(tags))

    def is_comment(self, line: str, *, opening: bool, where: str) -> bool:
        """Tell a comment from a word.

        Args:
            line: the line.
            opening: whether no word of the sentence stands before it.
            where: file and line, for the message.

        Raises:
            InputError: where it may be either.
        """
        if not line.startswith("#"):
            return False
        if opening and _COMMENT.match(line):
            return True
        cells = _split(self.separator, line)
        known = self.width > 1 and cells[-1] in self.tags
        if len(cells) == self.width:
            if known or self.width == 1:
                return False
            if re.match(r"#\s+\S", cells[0]):  # a cell with blanks in a file of tabs
                return True
            raise InputError(
                f"{where}: {line.strip()[:40]!r} may be a comment or the word {cells[0]!r} with the tag {cells[-1]!r}, "
                "which no other word has; write comments as '# key = value', or remove the line"
            )
        return opening if line.strip() == "#" else not known and line[1] in " \t#!"

    def cells(self, line: str, where: str) -> list[str]:
        """Split a line.

        Raises:
            InputError: where it has another number of columns, or no word.
        """
        cells = _split(self.separator, line)
        shown = line.strip()[:40]
        if len(cells) != self.width:
            if len(cells) == 1 and self.separator != _BLANKS and len(shown.split()) == self.width:
                hint = f"; its columns are separated by spaces, those of line {self.first} by tabs: use one of them"
            elif len(cells) == 1 and not line.startswith("#"):
                hint = "; the tag is missing"
            else:
                hint = f", with {len(cells)} column{'s' * (len(cells) > 1)} where line {self.first} has {self.width}"
                hint += "; begin a comment line with '# '" if line.startswith("#") else ""
            raise InputError(f"{where}: expected a word and its tag, got {shown!r}{hint}")
        if not cells[0] or not cells[-1]:
            raise InputError(f"{where}: expected a word and its tag, got {shown!r} with an empty cell")
        return cells


def _split(separator: str, line: str) -> list[str]:
    """Split at ASCII blanks alone: a no-break space stands within a word, as in numbers."""
    text = line.rstrip(" \t")
    return [cell.strip(" ") for cell in re.split(separator, text if separator == "\t" else text.lstrip(" "))]


def _words_and_tags(
    path: Path, sentences: list[Rows], notes: list[str]
) -> tuple[list[list[str]], list[list[str | None]], list[str]]:
    """Choose the column of words and that of tags, and refuse what cannot be either."""
    if _numbered(sentences):
        sentences = [[cells[1:] for cells in rows] for rows in sentences]
        notes.append("The first column numbers the words of each sentence; the word is taken from the second.")
    width = len(sentences[0][0]) if sentences else 0
    words = [[cells[0] for cells in rows] for rows in sentences]
    if width < 2:
        return words, [[None] * len(rows) for rows in sentences], notes
    tags = [[cells[-1] for cells in rows] for rows in sentences]
    ours, theirs = ({cell for rows in side for cell in rows} for side in (words, tags))
    if width == 2 and _are_entities(ours) and not _are_entities(theirs):
        notes.append("The first column holds the tags of entities (B-, I-, O); the word is taken from the second.")
        return [[cells[1] for cells in rows] for rows in sentences], [list(rows) for rows in words], notes
    count = sum(map(len, words))
    if count >= _LEAST_WORDS and len(ours) == 1:
        raise InputError(
            f"{path}: expected words in the first column, got {next(iter(ours))[:40]!r} in each of {count} lines; "
            "write the word in the first column and its tag in the last"
        )
    if len(theirs) > _MANY_VALUES * len(ours):
        raise InputError(
            f"{path}: expected the word in the first column and its tag in the last, got {len(ours)} different words "
            f"and {len(theirs)} different tags; are the columns swapped?"
        )
    if width > 2:
        notes.append(f"Words: the first of {width} columns; tags: the last.")
    is_open = theirs == {"_"}
    return words, [[None if is_open else tag for tag in rows] for rows in tags], notes


def _numbered(sentences: list[Rows]) -> bool:
    """Whether the first of several columns counts the words of each sentence, from 0 or 1 on."""
    firsts = [[cells[0] for cells in rows] for rows in sentences if len(rows[0]) > 1]
    return any(len(each) > 1 for each in firsts) and any(
        all(each == [str(i + start) for i in range(len(each))] for each in firsts) for start in (0, 1)
    )


def _are_entities(tags: set[str | None] | set[str]) -> bool:
    return len(tags) > 1 and all(tag is not None and _ENTITY.fullmatch(tag) for tag in tags)
