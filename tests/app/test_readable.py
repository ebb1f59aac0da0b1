"""Names from data and files do not command a terminal, and are text in reports."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import sys
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from rich.table import Table

from throughtime import InputError
from throughtime._core.escaping import escape_controls, escape_json, escape_line
from throughtime.app.cli import main
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import print_json
from throughtime.app.report.chart import Axis, Chart
from throughtime.app.report.template import Picture, render

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b2J", "a\rb", "a\x08b", "\x7f", "\x00",
    "a\u202eb", "a\u2066b\u2069", "\u2028", "\ud800",
]  # fmt: skip
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
TAGS = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><script>alert(1)</script>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_commands_a_terminal_is_written_out_everywhere(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    screen, table = ConsoleOutput(), Table(title=f"t{text}")
    table.add_column(f"c{text}")
    table.add_row(f"[bold]{text}[/]")
    screen.say(f"note {text}\nforged line")
    screen.show(f"line {text}")
    screen.table(table)
    print_json({"id": text})
    out, err = capsys.readouterr()
    assert not COMMANDS.search(out + err)
    assert "[bold]" in out  # a name, not a style
    assert err.count("\n") == 1
    assert json.loads(out.splitlines()[-1])["id"] == text  # JSON keeps it
    assert not COMMANDS.search(str(InputError(f"series {text}")))


@pytest.mark.parametrize("text", ["plain", "Zürich", "東京", "a\tb", "🎵", "שלום", "naïve"])
def test_other_text_stays(text: str) -> None:
    assert escape_controls(text) == text
    assert json.loads(escape_json(json.dumps(text, ensure_ascii=False))) == text
    assert escape_line("a\nb") == r"a\nb"


def test_tables_are_exact_in_a_file_and_safe_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_terminal, expected in ((False, "\x1b[2J,1\n"), (True, "\\x1b[2J,1\n")):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr(sys, "stdout", stream)
        ConsoleOutput().write("\x1b[2J,1\n")
        assert stream.getvalue() == expected


def test_a_file_name_in_an_error_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["throughtime", "predict", str(tmp_path / "\x1b[2J"), "data.csv"])
    with pytest.raises(SystemExit):
        main()
    assert "\\x1b[2J does not exist" in capsys.readouterr().err


class Elements(HTMLParser):
    """The elements of a page, their attributes, and the style sheet."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


@pytest.mark.parametrize("name", [*TAGS, *HOSTILE[:-1]])
def test_names_are_text_in_a_report(name: str) -> None:
    chart = Chart(name, Axis(0, 1, name), Axis(0, 1, name), 300, 200).svg(name)
    contents = {
        "title": name,
        "verdict": name,
        "facts": {name: name},
        "texts": [(1.0, name)],
        "rolls": [],
        "file": "",
        "notes": [name],
        "command": name,
        "settings": {name: name},
        "losses": Picture(chart, chart),
        "epochs": 1,
        "best": 1,
        "validated": False,
    }
    page = render("generator.html", **contents)
    assert not COMMANDS.search(page)
    parser = Elements(page)
    assert not {"script", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in parser.elements}
    assert not [
        attribute for _, attributes in parser.elements for attribute in attributes if attribute.startswith("on")
    ]


def test_a_report_may_show_its_style_sheet_and_do_nothing_else() -> None:
    contents = {"title": "", "verdict": "", "facts": {}, "texts": [], "rolls": [], "file": "", "notes": []}
    chart = Picture(*[Chart("", Axis(0, 1, "number"), Axis(0, 1, "number"), 300, 200).svg("")] * 2)
    contents |= {"command": "", "settings": {}, "losses": chart, "epochs": 1, "best": 1, "validated": False}
    page = render("generator.html", **contents)
    policies = [a["content"] for tag, a in Elements(page).elements if tag == "meta" and "http-equiv" in a]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert len(policies) == 1
    policy = dict(rule.strip().split(" ", 1) for rule in (policies[0] or "").split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["style-src-elem"] == f"'sha256-{digest}'"
    assert not {name for name in policy if name.startswith(("script", "connect", "frame"))}
    assert page.index("Content-Security-Policy") < page.index("<style>")
