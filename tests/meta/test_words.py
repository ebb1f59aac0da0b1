"""The words of tools/words.toml do not come back: in names, comments, docstrings, messages and pages."""

from __future__ import annotations

import pytest
from tools import words


def test_no_word_of_the_list_comes_back() -> None:
    hits = [
        hit
        for file in words.repository_files()
        for hit in words.find(file, (words.ROOT / file).read_bytes().decode(errors="replace"))
    ]
    assert not hits, "\n".join(map(str, hits))


# -- each entry of the list fires where it should

NAME_PLACES = {
    "a.py": ["{} = 1\n", "def f(_{}):\n    pass\n", "x.{}(1)\n", '"""Return `{}`."""\n', "# see `x.{}`\n"],
    "a.hpp": ["int {} = 1;\n", "// `{}` holds it\n", "f(/* unused */ {});\n"],
    "a.md": ["Set `{}`.\n", "```python\nx = {}\n```\n"],
}
PROSE_PLACES = {
    "a.py": ["# {}\n", '"""{}."""\n', 'raise E("{}")\n', 'print(f"{} {{x}}")\n'],
    "a.hpp": ["// {}\n", "/* {} */\n", 'throw E("{}");\n'],
    "a.md": ["{}.\n", "- {}\n"],
    "a.html": ["<p>{}</p>\n"],
}


@pytest.mark.parametrize("name", words.word_list().names)
def test_a_name_of_the_list_is_reported_wherever_it_occurs(name: str) -> None:
    for file, templates in NAME_PLACES.items():
        for template in templates:
            text = template.format(name)
            assert [hit.word.lstrip("_") for hit in words.find(file, text)] == [name], f"{file}: {text}"
    assert not list(words.find("a.py", f"{name}_x = x{name} = 1\n")), "only whole names count"


@pytest.mark.parametrize("phrase", words.word_list().prose, ids=lambda phrase: phrase.pattern)
def test_a_phrase_of_the_list_is_reported_wherever_it_occurs(phrase: words.Prose) -> None:
    for file, templates in PROSE_PLACES.items():
        for template in templates:
            before, after = template.format(phrase.before), template.format(phrase.after)
            assert phrase.regex.search(phrase.before)
            assert list(words.find(file, before)), f"{file}: {before}"
            assert not list(words.find(file, after)), f"{file}: {after}"


def test_a_phrase_is_reported_across_the_end_of_a_line_and_by_its_line() -> None:
    assert [hit.line for hit in words.find("a.py", "x = 1\n# the value is\n# no number\n")] == [2]
    assert [hit.line for hit in words.find("a.hpp", "int x;\n// the value is\n// no number\n")] == [2]
    assert [hit.line for hit in words.find("a.md", "```console\nmend\n```\n\nthe value is\nno number\n")] == [5]
    assert [hit.line for hit in words.find("a.py", '"""Return.\n\nFirst.\nThe value is\nno number.\n"""\n')] == [4]
    assert [hit.line for hit in words.find("a.md", "text\n\n```python\nx = 1\ntold = 2\n```\n")] == [5]


def test_words_are_allowed_only_where_the_list_says_so() -> None:
    text = f"# {words.word_list().prose[0].before}\n"
    assert list(words.find("src/throughtime/x.py", text))
    assert not list(words.find("tools/words.py", text))
    for glob, _ in words.word_list().allowed:
        assert any(words.ROOT.glob(glob)), f"{glob} matches no file"
