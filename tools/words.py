"""Find the words of tools/words.toml in names and prose: `python -m tools.words [--count] [FILE …]`.

Names are searched in code and in `code` within text; prose is searched in comments, strings and pages. Without a FILE,
all files of the repository are read. The exit code is 1 if there are hits.
"""

from __future__ import annotations

import argparse
import io
import keyword
import re
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PYTHON = (".py", ".pyi")
CPP = (".cpp", ".hpp")
PAGES = (".md", ".html", ".css", ".toml", "Makefile", "CMakeLists.txt")

_WORD = re.compile(r"[A-Za-z_]\w*")
_BACKTICKS = re.compile(r"``([^`]+)``|`([^`\n]+)`")
_CPP_TEXT = re.compile(r"//[^\n]*(?:\n[ \t]*//[^\n]*)*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
_MARKS = re.compile(r"^\s*(?:#+|//+|\*+)?\s*|\s+$|(?<= ) +")
_CODE_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Hit(NamedTuple):
    """A word of the list in a file."""

    file: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.word!r}: {self.instead}"


class Piece(NamedTuple):
    """Consecutive text of one kind, and the line on which it begins."""

    line: int
    text: str
    is_code: bool


@dataclass(frozen=True)
class Prose:
    """A phrase that is not written, and a sentence with and without it."""

    pattern: str
    before: str
    after: str

    @property
    def regex(self) -> re.Pattern[str]:
        """The pattern, across the ends of lines."""
        return re.compile(self.pattern.replace(" ", "[ \n]"), re.IGNORECASE)


@dataclass(frozen=True)
class WordList:
    """The list: names with their replacements, phrases, and (glob, word) pairs that are allowed."""

    names: dict[str, str]
    prose: tuple[Prose, ...]
    allowed: tuple[tuple[str, str], ...]

    def allows(self, file: str, word: str) -> bool:
        """Return whether a file may hold a word."""
        return any(fnmatch(file, glob) and entry in ("*", word.lower()) for glob, entry in self.allowed)


@cache
def word_list() -> WordList:
    """Read the list."""
    table = tomllib.loads((ROOT / "tools/words.toml").read_text(encoding="utf-8"))
    allowed = [(glob, word) for entry in table["allowed"] for glob in entry["files"] for word in entry["words"]]
    return WordList(table["names"], tuple(Prose(**entry) for entry in table["prose"]), tuple(allowed))


def find(file: str, text: str) -> Iterator[Hit]:
    """Yield every word of the list in the text of a file, whose name decides how it is read."""
    words = word_list()
    for piece in pieces(file, text):
        hits = _names(piece) if piece.is_code else _phrases(piece)
        yield from (Hit(file, *hit) for hit in hits if not words.allows(file, hit[1]))


def pieces(file: str, text: str) -> Iterator[Piece]:
    """Cut a file into code and prose."""
    if file.endswith(PYTHON):
        yield from _python(text)
    elif file.endswith(CPP):
        yield from _cpp(text)
    elif file.endswith(PAGES):
        yield from _page(text)


def _python(text: str) -> Iterator[Piece]:
    comment: list[tokenize.TokenInfo] = []  # comments on consecutive lines are one text
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            comment.append(token)
            continue
        if comment and token.type != tokenize.NL:
            yield from _prose(comment[0].start[0], "\n".join(c.string for c in comment))
            comment = []
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield Piece(token.start[0], token.string, is_code=True)
        elif token.type == tokenize.STRING:
            yield from _prose(token.start[0], token.string)
        elif token.type == getattr(tokenize, "FSTRING_MIDDLE", -1):
            yield Piece(token.start[0], token.string, is_code=False)


def _cpp(text: str) -> Iterator[Piece]:
    end = 0
    for match in _CPP_TEXT.finditer(text):
        yield Piece(_line(text, end), text[end : match.start()], is_code=True)
        yield from _prose(_line(text, match.start()), match[0])
        end = match.end()
    yield Piece(_line(text, end), text[end:], is_code=True)


def _page(text: str) -> Iterator[Piece]:
    for match in _CODE_BLOCK.finditer(text):
        if match[1] == "python":
            first = _line(text, match.start(2)) - 1
            yield from (piece._replace(line=piece.line + first) for piece in _python(match[2]))
    yield from _prose(1, _CODE_BLOCK.sub(lambda match: "\n" * match[0].count("\n"), text))


def _prose(line: int, text: str) -> Iterator[Piece]:
    for match in _BACKTICKS.finditer(text):
        yield Piece(line + text.count("\n", 0, match.start()), match[0], is_code=True)
    without_code = _BACKTICKS.sub(lambda match: "`" + "\n" * match[0].count("\n") + "`", text)
    lines = [_MARKS.sub("", row) for row in without_code.split("\n")]  # one space or line break between two words
    yield Piece(line, "\n".join(lines), is_code=False)


def _names(piece: Piece) -> Iterator[tuple[int, str, str]]:
    for match in _WORD.finditer(piece.text):
        instead = word_list().names.get(match[0].lstrip("_"))
        if instead is not None:
            yield _line(piece.text, match.start()) + piece.line - 1, match[0], instead


def _phrases(piece: Piece) -> Iterator[tuple[int, str, str]]:
    for phrase in word_list().prose:
        for match in phrase.regex.finditer(piece.text):
            example = f"write {phrase.after!r} rather than {phrase.before!r}"
            yield _line(piece.text, match.start()) + piece.line - 1, " ".join(match[0].split()), example


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def repository_files() -> list[str]:
    """Return the files that git tracks, as paths from the root of the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def main() -> int:
    """Print the words of the list that files hold, and return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="files or folders to read")
    parser.add_argument("--count", action="store_true", help="print the number of hits of each word only")
    options = parser.parse_args()
    prefixes = [str(Path(name).resolve().relative_to(ROOT)) for name in options.files] or ["."]
    names = [name for name in repository_files() if any(Path(name).is_relative_to(prefix) for prefix in prefixes)]
    hits = [hit for name in names for hit in find(name, (ROOT / name).read_bytes().decode(errors="replace"))]
    if options.count:
        for word, count in Counter(hit.word.lower() for hit in hits).most_common():
            print(f"{count:6} {word}")
    else:
        print(*hits, sep="\n", end="\n" if hits else "")
    print(f"{len(hits)} words of the list in {len({hit.file for hit in hits})} files", file=sys.stderr)
    return int(bool(hits))


if __name__ == "__main__":
    sys.exit(main())
