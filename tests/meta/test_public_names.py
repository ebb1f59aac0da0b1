"""Every public name can be imported, is documented, and shows an example that runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import throughtime

if TYPE_CHECKING:
    from types import ModuleType

PACKAGE = Path(throughtime.__file__).parent
PACKAGES = [
    ".".join(path.parent.relative_to(PACKAGE.parent).parts)
    for path in sorted(PACKAGE.glob("**/__init__.py"))
    if not any(folder.startswith("_") for folder in path.parent.relative_to(PACKAGE).parts)
]
WITH_EXAMPLES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", throughtime.__all__)
def test_a_name_of_the_root_can_be_imported(name: str) -> None:
    assert getattr(throughtime, name) is not None


def test_an_unknown_name_of_the_root_is_refused() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'forecaster'"):
        throughtime.forecaster  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_documented(package: str) -> None:
    module = importlib.import_module(package)
    values = [getattr(module, name) for name in public_names(module)]
    silent = [name for value in values if is_ours(value) for name in undocumented(value)]
    assert module.__doc__, f"{package} has no docstring"
    assert not silent, f"without a docstring: {', '.join(silent)}"


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder().find(importlib.import_module(module)):
        runner.run(example, out=message.append)
    assert runner.tries, f"{module} shows examples that doctest does not find"
    assert not runner.failures, "".join(message)


def public_names(module: ModuleType) -> list[str]:
    declared: list[str] | None = getattr(module, "__all__", None)
    return declared if declared is not None else [name for name in vars(module) if not name.startswith("_")]


def is_ours(value: Any) -> bool:
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return False  # constants, and what is written in C
    return value.__module__.startswith("throughtime")


def undocumented(value: Any) -> list[str]:
    """The names of a function, or of a class and its public methods, that say nothing about themselves."""
    names = [] if _speaks(value) else [value.__qualname__]
    if inspect.isclass(value):
        methods = [member for name, member in inspect.getmembers(value) if not name.startswith("_") and is_ours(member)]
        names += [method.__qualname__ for method in methods if not _speaks(method)]
    return names


def _speaks(value: Any) -> bool:
    text = (value.__doc__ if inspect.isclass(value) else inspect.getdoc(value)) or ""
    return bool(text) and not text.startswith(
        f"{value.__name__}("
    )  # which dataclasses and named tuples write themselves
