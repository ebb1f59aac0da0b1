"""What commands write: whole files, one form of JSON and of CSV, and no other way to write a file."""

from __future__ import annotations

import ast
import json
import math
import os
from pathlib import Path

import pytest

import throughtime
from throughtime import InputError
from throughtime.app.output import csv_file, format_csv, format_json, json_file, text_file, write_output

APP = Path(throughtime.__file__).parent / "app"
WRITES = {"write_text", "write_bytes", "write_csv", "write_parquet", "savefig", "dump", "replace_file", "mkstemp"}
# Each writes to the path of a `FileWriter`, which is temporary or in the directory of a run.
WRITERS = {
    "output.text_file",
    "output.format_frame",  # returns text
    "jobs.explain._picture_file",
    "jobs.generate.sample_file",
    "tables.table_words.format_table",  # returns text
    "tables.results.write_table",
    "tables.results._write_excel",
    "jobs.tune._TuningSteps._evaluate",  # moves the trials into the directory of the run
}


@pytest.mark.parametrize(
    "write", [text_file("new"), csv_file(["a"], [[1]]), json_file({"a": 1})], ids=["text", "csv", "json"]
)
def test_a_file_that_cannot_be_written_stays_as_it_was(
    write: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=r"--out: .*out cannot be written: No space left on device"):
        write_output(path, write)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_json_has_no_numbers_that_it_does_not_know_and_no_terminal_commands() -> None:
    value = {"a": [math.nan, (1, -math.inf)], "b": {"c": math.inf}, "d": "\x1b[2J"}
    text = format_json(value)
    assert json.loads(text) == {"a": [None, [1, None]], "b": {"c": None}, "d": "\x1b[2J"}
    assert "\x1b" not in text
    assert "\n" not in text


def test_csv_quotes_what_needs_quotes() -> None:
    assert format_csv(["a", "b"], [[1, 'x,"y"'], [0.5, "line\nbreak"]]) == 'a,b\n1,"x,""y"""\n0.5,"line\nbreak"\n'


def test_commands_write_files_in_no_other_way() -> None:
    writers = {
        f"{'.'.join(path.relative_to(APP).with_suffix('').parts)}.{function}"
        for path in sorted(APP.rglob("*.py"))
        for function in writing_functions(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert writers == WRITERS


def writing_functions(tree: ast.AST, prefix: str = "") -> set[str]:
    """Return the outermost functions and methods with a call that writes a file."""
    names = set()
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.ClassDef(name=name):
                names |= writing_functions(node, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) if any(map(writes_file, ast.walk(node))):
                names.add(f"{prefix}{name}")
            case _:
                pass
    return names


def writes_file(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="replace" | "rename"):
            return True
        case ast.Attribute(attr=name):
            return name in WRITES
        case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open"), args=arguments):
            modes = [
                argument.value
                for argument in arguments
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            ]
            return any(set("wax+") & set(mode) and set(mode) <= set("rwaxbt+") for mode in modes)
        case _:
            return False
