"""Read words and tags in columns, as in the CoNLL shared tasks: the word in the first column, its tag in the last.

Lines that do not begin with '#' are not comments; they determine the number of columns and the tags. A line that begins
with '#' is a word if it has that number of columns and one of those tags. It is a comment if it has another number of
columns and begins with '# ', or looks like '# key = value'. Other lines are ambiguous and raise an error.
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

    Sentence = list[list[str]]  # cells of each word of a sentence

_DOCUMENT_MARK = "-DOCSTART-"
_COMMENT_PATTERN = re.compile(r"#\s*[\w.:-]+(\s+[\w.:-]+)?\s+=(\s|$)|#\s*[\w.:-]+=|#(begin|end) document\b")
_ENTITY_PATTERN = re.compile(r"O|[BIESLUM]-\S+")
_BLANKS_PATTERN = "[ \t]+"
_MAX_TAGS_PER_WORD = 10  # ratio of distinct tags to distinct words above which the columns seem to be swapped
_MIN_WORDS = 10  # from which on identical words are an error


def read_columns(path: Path, lines: Sequence[str]) -> tuple[list[list[str]], list[list[str | None]], list[str]]:
    """Return the words and the tags of each sentence, and notes; tags are None if there is only one column.

    Raises:
        InputError: names the first line that is neither a word with its tag nor a comment.
    """
    layout = _Layout.of(lines)
    sentences: list[Sentence] = [[]]
    comments: list[int] = []
    documents = 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(_DOCUMENT_MARK):
            documents += bool(line.strip())
            sentences.append([])
        elif layout.is_comment(line, opening=not sentences[-1], where=f"{path}, line {number}"):
            comments.append(number)
        else:
            sentences[-1].append(layout.cells(line, f"{path}, line {number}"))
    notes = []
    if layout.width > 2 and any(lines[number - 1].startswith("#begin document") for number in comments):
        raise InputError(
            f"{path}: this is a CoNLL-2012 file, whose words are in the fourth column; write only the word and its tag"
        )
    if comments:
        notes.append(f"Skipped {count_noun(len(comments), 'comment line')}, the first in line {comments[0]}.")
    if documents:
        notes.append(f"Skipped {count_noun(documents, f'{_DOCUMENT_MARK} line')}.")
    return _words_and_tags(path, [sentence for sentence in sentences if sentence], notes)


def count_noun(count: int, noun: str) -> str:
    """Return a count with its noun: '1 line', '2 lines'."""
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


@dataclass(frozen=True)
class _Layout:
    """The layout of the lines of a file.

    Attributes:
        separator: pattern between two columns.
        width: number of columns.
        first: first line with that number of columns, counted from 1.
        tags: tags in the last column of lines that are certainly words.
    """

    separator: str
    width: int
    first: int
    tags: frozenset[str]

    @classmethod
    def of(cls, lines: Sequence[str]) -> _Layout:
        """Infer the layout from the lines that are not comments."""
        words = {n: line for n, line in enumerate(lines, 1) if line.strip() and not line.startswith(_DOCUMENT_MARK)}
        unmarked = [line for line in words.values() if not line.startswith("#")]
        with_tabs, with_blanks = (
            sum(any(c in line.strip() for c in marks) for line in unmarked) for marks in ("\t", "\t ")
        )
        separator = "\t" if with_tabs and 2 * with_tabs >= with_blanks else _BLANKS_PATTERN
        if separator == "\t" and len({len(_split(separator, line)) for line in unmarked}) > 1:
            widths = {len(_split("\t+", line)) for line in unmarked}
            separator = "\t+" if len(widths) == 1 else separator
        width = max(
            counts := Counter(len(_split(separator, line)) for line in unmarked),
            key=lambda count: (count > 1, counts[count]),
            default=1,
        )
        complete = {n: cells for n, line in words.items() if len(cells := _split(separator, line)) == width}
        tags = {cells[-1] for cells in complete.values() if not cells[0].startswith("#")}
        # A tag that occurs only with words that begin with '#', as 'HASHTAG': more than once, and within a sentence.
        marked_tags = Counter(cells[-1] for cells in complete.values() if cells[0].startswith("#"))
        tags_within = {
            cells[-1] for n, cells in complete.items() if n > 1 and lines[n - 2].strip()[:1] not in ("", "#")
        }
        tags |= {tag for tag, count in marked_tags.items() if tag == "#" or (count > 1 and tag in tags_within)}
        return cls(separator, width, min(complete, default=1), frozenset(tags))

    def is_comment(self, line: str, *, opening: bool, where: str) -> bool:
        """Return whether a line is a comment rather than a word.

        Args:
            line: line of the file.
            opening: whether the line is before the first word of its sentence.
            where: file and line, for messages.

        Raises:
            InputError: if it may be either.
        """
        if not line.startswith("#"):
            return False
        if opening and _COMMENT_PATTERN.match(line):
            return True
        cells = _split(self.separator, line)
        has_known_tag = self.width > 1 and cells[-1] in self.tags
        if len(cells) == self.width:
            if has_known_tag or self.width == 1:
                return False
            if re.match(r"#\s+\S", cells[0]):  # no word of a file with tabs has blanks
                return True
            raise InputError(
                f"{where}: {line.strip()[:40]!r} may be a comment or the word {cells[0]!r} with the tag {cells[-1]!r}, "
                "which no other word has; write comments as '# key = value', or remove the line"
            )
        return opening if line.strip() == "#" else not has_known_tag and line[1] in " \t#!"

    def cells(self, line: str, where: str) -> list[str]:
        """Split a line.

        Raises:
            InputError: if it has another number of columns, or no word.
        """
        cells = _split(self.separator, line)
        text = line.strip()[:40]
        if len(cells) != self.width:
            if len(cells) == 1 and self.separator != _BLANKS_PATTERN and len(text.split()) == self.width:
                hint = f"; its columns are separated by spaces, those of line {self.first} by tabs: use one of them"
            elif len(cells) == 1 and not line.startswith("#"):
                hint = "; the tag is missing"
            else:
                hint = f", with {len(cells)} column{'s' * (len(cells) > 1)} where line {self.first} has {self.width}"
                hint += "; begin a comment line with '# '" if line.startswith("#") else ""
            raise InputError(f"{where}: expected a word and its tag, got {text!r}{hint}")
        if not cells[0] or not cells[-1]:
            raise InputError(f"{where}: expected a word and its tag, got {text!r} with an empty cell")
        return cells


def _split(separator: str, line: str) -> list[str]:
    """Split at ASCII blanks only: a no-break space is part of a word, as in numbers."""
    text = line.rstrip(" \t")
    return [cell.strip(" ") for cell in re.split(separator, text if separator == "\t" else text.lstrip(" "))]


def _words_and_tags(
    path: Path, sentences: list[Sentence], notes: list[str]
) -> tuple[list[list[str]], list[list[str | None]], list[str]]:
    """Choose the columns of words and tags, and raise if they cannot be those."""
    if _are_numbered(sentences):
        sentences = [[cells[1:] for cells in sentence] for sentence in sentences]
        notes.append("The first column numbers the words of each sentence; the word is taken from the second.")
    width = len(sentences[0][0]) if sentences else 0
    words = [[cells[0] for cells in sentence] for sentence in sentences]
    if width < 2:
        return words, [[None] * len(sentence) for sentence in sentences], notes
    tags = [[cells[-1] for cells in sentence] for sentence in sentences]
    distinct_words, distinct_tags = ({cell for sentence in column for cell in sentence} for column in (words, tags))
    if width == 2 and _are_entity_tags(distinct_words) and not _are_entity_tags(distinct_tags):
        notes.append("The first column holds the tags of entities (B-, I-, O); the word is taken from the second.")
        return (
            [[cells[1] for cells in sentence] for sentence in sentences],
            [list(sentence) for sentence in words],
            notes,
        )
    count = sum(map(len, words))
    if count >= _MIN_WORDS and len(distinct_words) == 1:
        raise InputError(
            f"{path}: expected words in the first column, got {next(iter(distinct_words))[:40]!r} in each of {count} "
            "lines; write the word in the first column and its tag in the last"
        )
    if len(distinct_tags) > _MAX_TAGS_PER_WORD * len(distinct_words):
        raise InputError(
            f"{path}: expected the word in the first column and its tag in the last, got {len(distinct_words)} "
            f"different words and {len(distinct_tags)} different tags; are the columns swapped?"
        )
    if width > 2:
        notes.append(f"Words: the first of {width} columns; tags: the last.")
    are_missing = distinct_tags == {"_"}
    return words, [[None if are_missing else tag for tag in sentence] for sentence in tags], notes


def _are_numbered(sentences: list[Sentence]) -> bool:
    """Return whether the first of several columns numbers the words of each sentence, from 0 or 1 on."""
    columns = [[cells[0] for cells in sentence] for sentence in sentences if len(sentence[0]) > 1]
    return any(len(column) > 1 for column in columns) and any(
        all(column == [str(i + start) for i in range(len(column))] for column in columns) for start in (0, 1)
    )


def _are_entity_tags(tags: set[str | None] | set[str]) -> bool:
    return len(tags) > 1 and all(tag is not None and _ENTITY_PATTERN.fullmatch(tag) for tag in tags)
