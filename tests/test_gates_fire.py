"""Checks can fail: each row breaks the package in one place, and requires that the named test then fails.

The rows are data in `tests/mutations`: add one with each new check. The package is copied, one file of the copy is
changed, and the test runs in a process that imports the copy.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.copies import copy_package, run
from tests.mutations import Mutation, all_mutations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MUTATIONS = all_mutations()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the compiled kernels."""
    return copy_package(tmp_path_factory.mktemp("copy"))


@pytest.fixture
def change(copy: Path, tmp_path: Path) -> Iterator[Callable[[Mutation], None]]:
    """Changes one file of the copy until the end of the test, which puts it back with its time of modification."""
    restore = ExitStack()

    def change(mutation: Mutation) -> None:
        changed, kept = copy / mutation.file, tmp_path / "kept.py"
        text = changed.read_text(encoding="utf-8")
        assert mutation.old in text, f"{mutation.file} no longer holds {mutation.old!r}: update the row"
        shutil.copy2(changed, kept)
        restore.callback(shutil.copy2, kept, changed)
        changed.write_text(text.replace(mutation.old, mutation.new, 1), encoding="utf-8")

    with restore:
        yield change


@pytest.mark.slow
def test_the_tests_named_pass_on_the_copy_as_it_is(copy: Path) -> None:
    outcome = run(copy, sorted({mutation.test for mutation in MUTATIONS}))
    assert outcome.code == pytest.ExitCode.OK, outcome.output


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.file}: {m.old}")
def test_a_fault_turns_its_test_red(mutation: Mutation, copy: Path, change: Callable[[Mutation], None]) -> None:
    change(mutation)
    outcome = run(copy, [mutation.test])
    assert outcome.code == pytest.ExitCode.TESTS_FAILED, outcome.output
