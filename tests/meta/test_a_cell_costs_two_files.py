"""Adding a cell takes one Python file and one C++ file, and a line where a layer offers it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import throughtime.nn  # noqa: F401  (registers the cells)
from throughtime._core.reference import CELLS

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "csrc").rglob("*.[ch]pp")]


@pytest.mark.parametrize("cell", ["peephole_lstm", "coupled_lstm"])
def test_a_cell_stands_in_its_two_files_and_in_its_layer(cell: str) -> None:
    assert cell in CELLS
    named = {str(p.relative_to(ROOT)) for p in SOURCES if re.search(rf"\b{cell}\b", p.read_text(encoding="utf-8"))}
    assert named == {f"src/throughtime/nn/{cell}.py", f"csrc/cells/{cell}.cpp", "src/throughtime/nn/lstm.py"}
    layer = (ROOT / "src/throughtime/nn/lstm.py").read_text(encoding="utf-8")
    assert len(re.findall(rf"\b{cell}\b", layer)) == 1, "the import"
