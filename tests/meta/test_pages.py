"""The pages at the root say what is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import throughtime

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "RELEASING.md", "SECURITY.md"]
TARGETS = {"help", "demo", "check", "nightly", "fmt", "bench", "types"}
STAGES = {"lint", "test", "test-all", "docs", "sanitize", "clang", "neon", "wheel"}
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # of Keep a Changelog
# Where the machines of those who work on this keep things.
PRIVATE_PATHS = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+|tmp/\w+)/")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_make_help_lists_every_target() -> None:
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^make ([a-z-]+) +\w", done.stdout, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", read("Makefile"), re.MULTILINE)
    assert phony
    assert listed == set(phony[1].split()) >= TARGETS | STAGES


def test_every_target_that_can_fail_is_a_stage_of_the_checks_or_of_the_night() -> None:
    run = re.findall(r"^make ([a-z-]+)$", read(".ci/run"), re.MULTILINE)
    night = re.search(r"^\t@\.ci/stage --keep-going (.*)$", read("Makefile"), re.MULTILINE)
    assert night
    assert {*run, *night[1].split()} == STAGES
    assert read("Makefile").count("\ncheck: lint test ") == 1


def test_a_stage_that_fails_is_named_and_stops_or_not(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    stage = shutil.copy(ROOT / ".ci/stage", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text("good:\n\t@true\nbad:\n\t@false\n")
    for options, rows in (([], []), (["--keep-going"], [["bad", "FAILED"], ["good", "passed"]])):
        run = subprocess.run([stage, *options, "bad", "good"], capture_output=True, text=True, check=False)
        assert run.returncode == 1, run.stderr
        assert re.findall(r"^(\w+) +(passed|FAILED) ", run.stdout, re.MULTILINE) == [tuple(row) for row in rows]
    assert subprocess.run([stage, "good"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("page", PAGES)
def test_the_make_commands_of_a_page_exist(page: str) -> None:
    commands = re.findall(r"(?:^|`)make ([a-z-]+)", read(page), re.MULTILINE)
    targets = re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE)
    assert set(commands) <= set(targets)


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", read(page)):
        assert (ROOT / link).exists(), f"{page} links to {link}"


@pytest.mark.usefixtures("brief_trainings")
@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))])
def test_the_snippets_of_a_page_run_in_order(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, snippet in enumerate(re.findall(r"^```python\n(.*?)^```", read(page), re.DOTALL | re.MULTILINE), 1):
        exec(compile(snippet, f"{page}, snippet {number}", "exec"), names)


def test_the_version_is_the_same_everywhere() -> None:
    settings = tomllib.loads(read("pyproject.toml"))
    source = read(settings["tool"]["scikit-build"]["metadata"]["version"]["input"])
    declared = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', source, re.MULTILINE)
    newest = re.findall(r"^## \[(\d[^\]]*)\]", read("CHANGELOG.md"), re.MULTILINE)
    assert declared
    assert declared[1] == throughtime.__version__
    assert not newest or newest[0] == declared[1]
    assert "version" not in settings["project"], "the version is written in one place"


def test_the_changelog_keeps_its_form() -> None:
    headings = re.findall(r"^(##+) (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == ("##", "[Unreleased]")
    for level, title in headings:
        if level == "##":
            assert re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", title), title
        else:
            assert title in CHANGES, title


def test_each_entry_of_the_changelog_is_one_line() -> None:
    lines = read("CHANGELOG.md").partition("## [Unreleased]")[2].splitlines()
    assert [line for line in lines if line and not line.startswith(("- ", "#"))] == []
    assert [line for line in lines if len(line) > 120] == []


def test_contributing_is_short() -> None:
    assert len(read("CONTRIBUTING.md").splitlines()) <= 50


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/engine.md", "docs/extending.md"])
def test_the_files_that_a_page_names_exist(page: str) -> None:
    names = re.findall(r"`((?:[\w.-]+/)+[\w.-]*|\w+\.(?:py|hpp|cpp))`", read(page))
    folders = (ROOT, ROOT / "src/throughtime", ROOT / "csrc/engine")
    assert len(names) > 3
    assert [name for name in names if not any((folder / name).exists() for folder in folders)] == []


def test_no_file_names_the_paths_of_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs the repository: this is an unpacked archive")
    texts = {name: (ROOT / name).read_bytes().decode(errors="ignore") for name in listed.stdout.split("\0") if name}
    assert texts
    result = {name: match[0] for name, text in texts.items() if (match := PRIVATE_PATHS.search(text))}
    assert not result
