"""The picture of the README, docs/_static/forecast.svg: the forecast in the report that `examples/demo.py` writes."""

from __future__ import annotations

import re
from pathlib import Path

from throughtime.app import report

REPORT = Path("demo/co2/report.html")
STYLE = Path(report.__file__).with_name("chart.css")
PICTURE = Path(__file__).parents[1] / "docs" / "_static" / "forecast.svg"


def main() -> None:
    """Cut the first picture out of the report and give it its colours."""
    page = REPORT.read_text(encoding="utf-8")
    svg = re.search(r"<svg ([^>]*role=[^>]*)>(.*?)</svg>", page, re.DOTALL)
    assert svg, f"{REPORT} holds no picture"
    ground = '<rect width="100%" height="100%" style="fill: var(--card)"/>'
    style = f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>"
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {svg[1]}>'
    PICTURE.write_text("\n".join([opening, style, ground, svg[2], "</svg>\n"]), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
