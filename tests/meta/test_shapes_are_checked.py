"""The shapes in annotations are checked, in every module that has some."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError
from tests.shapes import unchecked

import throughtime
from throughtime._core.segments import Segments

PACKAGE = Path(throughtime.__file__).parent
ANNOTATED = [path for path in sorted(PACKAGE.rglob("*.py")) if "from jaxtyping import" in path.read_text("utf-8")]
VALID = torch.ones(3, 2, dtype=torch.bool)


@pytest.mark.parametrize("path", ANNOTATED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_with_shapes_checks_them(path: Path) -> None:
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    assert hasattr(importlib.import_module(name), "_check_shapes_"), "the import hook did not see it"


def test_a_wrong_argument_is_found() -> None:
    with pytest.raises(TypeCheckError, match="parameter 'reset'"):
        Segments.of(VALID, VALID.T)


def test_a_wrong_field_is_found() -> None:
    segments = Segments.of(VALID, None)
    with pytest.raises(TypeCheckError, match="parameter 'rows'"):
        replace(segments, rows=segments.rows[1:])


def test_a_test_of_unchecked_shapes_may_turn_the_checks_off() -> None:
    with unchecked(), pytest.raises(IndexError):
        Segments.of(VALID, VALID.T)
