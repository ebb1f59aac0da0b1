"""The help of every command: one line that begins with a verb, and two examples that parse."""

from __future__ import annotations

import inspect
import re
import shlex
from typing import Any

import pytest
import typer
from tests.app.process import run_in_process

from throughtime.app.command_group import EXAMPLES
from throughtime.app.commands import app
from throughtime.nn import LAYERS

ROOT: Any = typer.main.get_command(app)
COMMANDS: dict[str, Any] = {"throughtime": ROOT, **ROOT.commands}
VERBS = {"Compare", "Continue", "Forecast", "Measure", "Print", "Rank", "Search", "Serve", "Train", "Write"}
LONGEST_LINE = 78


def examples(command: Any) -> list[str]:
    title, *lines = command.epilog.split("\n")
    assert title == EXAMPLES
    return lines


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_one_line_that_begins_with_a_verb(name: str) -> None:
    text = inspect.cleandoc(COMMANDS[name].help)
    assert "\n" not in text
    assert text.endswith(".")
    assert text.count(". ") == 0
    assert text.split()[0].rstrip(",") in VERBS
    assert len(text) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_two_examples_that_parse(name: str) -> None:
    lines = examples(COMMANDS[name])
    assert len(lines) == len(set(lines)) == 2
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "throughtime"
        assert len(line) <= LONGEST_LINE
        if name == "throughtime":
            assert arguments[0] in COMMANDS
            continue
        assert arguments[0] == name
        COMMANDS[name].make_context(name, arguments[1:])  # raises for unknown options and for missing arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_that_is_a_sentence(name: str) -> None:
    for option in COMMANDS[name].params:
        help_text = getattr(option, "help", None)
        assert help_text, option.name
        assert help_text.endswith("."), help_text
        assert re.match(r"[A-Z\d]|-|\w+:|\w+[, ]", help_text), help_text


def test_the_examples_are_the_last_lines_of_the_help(tmp_path: Any) -> None:
    out, _ = run_in_process("backtest", "--help", cwd=tmp_path)
    lines = [line.strip() for line in out.splitlines() if line.strip()]
    assert lines[-3:] == [EXAMPLES, *examples(COMMANDS["backtest"])]


@pytest.mark.parametrize("layer", LAYERS)
def test_every_option_of_cells_names_every_layer(layer: str) -> None:
    options = [option for command in COMMANDS.values() for option in command.params if option.name == "cell"]
    assert len(options) > 1
    assert all(re.search(rf"\b{layer}\b", option.help) for option in options)
