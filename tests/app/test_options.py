"""Options that messages and pages name: each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

import throughtime
from throughtime.app.commands import app
from throughtime.app.jobs import setting_errors

ROOT = Path(throughtime.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
OTHERS = re.compile(
    r"pip install|index-url|torchrun|for \(|benchmarks[./]|examples\.|var\(--|style="
)  # whose options are not ours


def options() -> set[str]:
    """All options of all commands."""
    commands = typer.main.get_command(app)
    every = [commands, *commands.commands.values()]  # type: ignore[attr-defined]
    return {name for command in every for option in command.params for name in (*option.opts, "--help")}


def named_in(folder: Path, *patterns: str) -> list[tuple[str, str]]:
    """The options that files name, each with its place."""
    locations = []
    for path in sorted(path for pattern in patterns for path in folder.rglob(pattern)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not OTHERS.search(line):
                names = re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", line)
                locations += [(f"{path.relative_to(folder)}:{number}", name) for name in names]
    return locations


def test_every_option_that_a_message_names_exists() -> None:
    locations = named_in(ROOT, "*.py")
    assert len(locations) > 50
    assert [location for location in locations if location[1] not in options()] == []


@pytest.mark.skipif(not DOCS.is_dir(), reason="needs the repository: this is an unpacked archive")
def test_every_option_that_a_page_names_exists() -> None:
    locations = [
        *named_in(DOCS, "*.md"),
        *(location for location in named_in(DOCS.parent, "README.md") if location[0].startswith("README")),
    ]
    assert locations
    assert [location for location in locations if location[1] not in options()] == []


def test_settings_are_named_by_options_that_exist() -> None:
    assert set(setting_errors.OPTIONS.values()) <= options()


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("random_state: expected a number", "--seed: expected a number"),
        ("hidden_size: expected a number", "--set hidden_size: expected a number"),
        ("top_k: expected a number", "--top-k: expected a number"),
        ("ray is not installed: pip install it", "ray is not installed: pip install it"),
    ],
)
def test_a_setting_is_called_as_it_is_set_on_the_command_line(sentence: str, expected: str) -> None:
    assert setting_errors.name_option(sentence) == expected
