"""Tests run against a copy of the package, each time in a fresh process.

The processes are forks of one that has loaded the libraries, whose import takes longer than most tests do, and nothing
of the package, which is imported from the copy. They load this module first, so it does not import the package either.
"""

from __future__ import annotations

import gc
import importlib.util
import multiprocessing
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

TESTS = Path(__file__).parent
LIBRARIES = [
    "numpy",
    "torch",
    "torch.distributed.tensor",
    "pandas",
    "polars",
    "sklearn.base",
    "jaxtyping",
    "beartype",
    "pytest",
]
SECONDS = 300  # after which a process counts as hung

# An editable installation uses a finder that precedes the path; the copy must take precedence.
SITECUSTOMIZE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "ScikitBuildRedirectingFinder"]
"""

_fork_context = multiprocessing.get_context("forkserver")
_fork_context.set_forkserver_preload(LIBRARIES)


class Outcome(NamedTuple):
    code: int | None  # pytest's; below 0 where a signal ended the process, None where it hung
    output: str


def copy_package(directory: Path) -> Path:
    """Copy the package, with its compiled kernels and what Python compiled of it, into a directory."""
    names = "throughtime", "throughtime._kernels._engine"
    package, engine = (spec.origin for name in names if (spec := importlib.util.find_spec(name)) is not None)
    assert package is not None
    assert engine is not None
    copy = directory / "throughtime"
    shutil.copytree(Path(package).parent, copy, ignore=shutil.ignore_patterns("*.so"))
    shutil.copy(engine, copy / "_kernels")
    return copy


def run(package: Path, tests: list[str]) -> Outcome:
    """Run tests in a process that imports the package from there."""
    log = package.parent / "output.txt"
    process = _fork_context.Process(target=_run, args=(package.parent, tests, log))
    process.start()
    process.join(SECONDS)
    code = process.exitcode
    process.kill()
    return Outcome(code, log.read_text(encoding="utf-8", errors="replace"))


def _run(path: Path, tests: list[str], log: Path) -> None:
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    gc.freeze()  # pytest collects garbage several times; this excludes the libraries
    exec(SITECUSTOMIZE)
    sys.path.insert(0, str(path))
    sys.dont_write_bytecode = True
    # The same for processes that a test starts. No test needs a plugin of pytest, and they are slow to load.
    (path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    os.environ |= {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    os.chdir(TESTS)
    sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests]))
