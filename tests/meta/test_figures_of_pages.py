"""Figures and rows of the pages are those of the files and of the registry that they come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from benchmarks import speed
from examples.experiments import figures, results
from examples.experiments.page import page

from throughtime import nn

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MEASURED = json.loads(speed.RESULTS.read_text(encoding="utf-8"))


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table after a heading, without those of the header."""
    table = re.search(r"^\|.*\n\|[-:| ]+\n((?:\|.*\n)+)", text.partition(heading)[2], re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def test_the_page_of_speed_is_that_of_its_measurement() -> None:
    assert (DOCS / "speed.md").read_text(encoding="utf-8") == speed.page(MEASURED), "run python -m benchmarks.speed"


def test_the_picture_of_speed_is_that_of_its_measurement() -> None:
    actual, expected = (DOCS / "_static/speed.svg").read_text(encoding="utf-8"), speed.picture(MEASURED["rows"])
    assert actual.partition("</style>")[2] == expected.partition("</style>")[2] != "", "run python -m benchmarks.speed"


def test_the_speed_on_the_first_page_is_that_of_its_measurement() -> None:
    shown = rows((ROOT / "README.md").read_text(encoding="utf-8"), "## How fast the layers are")
    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in MEASURED["rows"]))
    for shape, (name, *cells) in zip(shapes, shown, strict=True):
        assert name == ", ".join(map(str, shape))
        for mode, cell in zip(speed.MODES, cells, strict=True):
            ratios = [r["ratio"] for r in MEASURED["rows"] if r["mode"] == mode and tuple(r["shape"]) == shape]
            assert [f"{float(value):.2g}" for value in cell.split(" / ")] == [f"{ratio:.2g}" for ratio in ratios]


@pytest.mark.parametrize("cell", nn.LAYERS)
def test_every_layer_has_its_row_with_its_paper(cell: str) -> None:
    layer = nn.LAYERS[cell]
    papers = ", ".join(paper.partition(",")[0].strip() for paper in layer.cell.paper.split(";"))
    classes = [f"{{py:class}}`throughtime.nn.{name}`" for name in (layer.__name__, f"{layer.__name__}Cell")]
    table = rows((DOCS / "layers.md").read_text(encoding="utf-8"), "# Layers")
    assert [*classes, papers] in table
    assert len(table) == len(nn.LAYERS)


def test_the_page_of_experiments_is_that_of_its_results(tmp_path: Path) -> None:
    runs = results.read(DOCS / "_static/experiments.json")
    expected = page(runs, figures.draw(runs, tmp_path))
    assert (DOCS / "experiments.md").read_text(encoding="utf-8") == expected, (
        "run python -m examples.experiments --draw"
    )
    for picture in tmp_path.iterdir():
        assert (DOCS / "_static" / picture.name).exists()
