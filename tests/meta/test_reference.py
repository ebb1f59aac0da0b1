"""docs/api.md documents every name that a public package exports, once, and nothing that is gone."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.meta.test_public_names import PACKAGES, public_names

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
DOCUMENTED = re.findall(
    r"^\.\. (?:py:data|auto(?:class|exception|function|data|module)):: ([\w.]+)$", PAGE, re.MULTILINE
)
INTERNAL = ("throughtime.app", "throughtime.io", "throughtime.runtime.operators")  # other interfaces lead to them


def resolve(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def exported() -> list[tuple[str, Any]]:
    names = [(f"{p}.{n}", getattr(importlib.import_module(p), n)) for p in PACKAGES for n in public_names(resolve(p))]
    return [(name, value) for name, value in names if not name.startswith(INTERNAL) and is_documentable(value)]


def is_documentable(value: Any) -> bool:
    return not isinstance(value, ModuleType | str) and getattr(value, "__name__", "") != "requires"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_what_the_page_documents_exists(name: str) -> None:
    assert resolve(name).__doc__


def test_every_exported_name_is_documented_once() -> None:
    assert sorted(set(DOCUMENTED)) == sorted(DOCUMENTED)
    objects = [resolve(name) for name in DOCUMENTED]
    missing = [name for name, value in exported() if not any(value is documented for documented in objects)]
    assert not missing, f"docs/api.md: no directive for {', '.join(missing)}"
