"""The page of speed, docs/speed.md, and its picture, from what `throughtime bench --json` has measured.

throughtime bench --json --seconds 1 > speed.json
python -m benchmarks.speed speed.json [--processor "AMD EPYC 9004"] [--onednn what benchmarks/onednn.cpp has printed]

The measurement is kept in benchmarks/results/speed.json; without a new one, page and picture are made from that again,
and a test compares them with it.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from pathlib import Path
from typing import Any

from throughtime.app import report
from throughtime.app.report.svg import tag

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = Path(__file__).parent / "results" / "speed.json"
STYLE = Path(report.__file__).with_name("chart.css")
LAYERS = {"RNN": "seasonal", "GRU": "network", "LSTM": "mean"}  # and the class that gives each its colour
MODES = {"training": "Forward and backward", "inference": "Forward, no gradient"}
LEFT, WIDTH, LINE, TOP = 150.0, 720.0, 22.0, 50.0
TICKS = (1, 2, 5, 10, 20, 50, 100)

TEXT = """# Speed

Whole calls of a layer and of torch.nn's with the same weights, measured alternately in one process with
{threads} threads on an {processor}, kernels for {isa}, torch {torch}, float32.
`throughtime bench --json --seconds 1` measures, and `python -m benchmarks.speed` writes this page. Ratios are medians
over rounds, times are the best of all rounds, in milliseconds; the share is relative to the {peak:.0f} GFLOP/s that
this processor reaches in registers. Rounds during which the processor was not fully available do not count; a row with
a question mark had no other rounds.

![How many times as fast as torch.nn each layer is, by shape](_static/speed.svg)
"""


ONEDNN = """\
The column oneDNN holds the times of its own primitives in a separate process, without Python and autograd; in
training they include the gradient of the inputs, which the other columns do not. Missing ones could not be run.
"""


def main() -> None:
    """Keep a new measurement if there is one, and write page and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measured", type=Path, nargs="?")
    parser.add_argument("--processor", default="processor that is not named")
    parser.add_argument("--onednn", type=Path)
    arguments = parser.parse_args()
    if arguments.measured:
        measured = json.loads(arguments.measured.read_text(encoding="utf-8"))
        measured["processor"] = arguments.processor
        if arguments.onednn:
            add_onednn(measured["rows"], arguments.onednn.read_text(encoding="utf-8"))
        RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    (DOCS / "_static" / "speed.svg").write_text(picture(results["rows"]), encoding="utf-8")
    (DOCS / "speed.md").write_text(page(results), encoding="utf-8")


def page(results: dict[str, Any]) -> str:
    """Return the page, whatever machine was measured."""
    head = TEXT.format(peak=results["peak_gflops"], **results)
    if any("onednn_ms" in row for row in results["rows"]):
        head += f"\n{ONEDNN}"
    tables = [table(title, [row for row in results["rows"] if row["mode"] == mode]) for mode, title in MODES.items()]
    return "\n".join([head, *tables, slower(results["rows"])])


def add_onednn(rows: list[dict[str, Any]], printed: str) -> None:
    """Add the times of oneDNN's primitives to the rows that have one."""
    for line in printed.splitlines()[1:]:
        layer, *numbers = re.findall(r"[A-Z]+|[\d.]+", line)
        times = dict(zip(("inference", "training"), map(float, numbers[-2:]), strict=True))
        for row in rows:
            if row["layer"] == layer and row["shape"] == list(map(int, numbers[:4])):
                row["onednn_ms"] = times[row["mode"]]


def table(title: str, rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table of one mode, a line for each shape and layer."""
    others = sorted({name for row in rows for name in row["others"]})
    names = ["batch, steps, inputs, hidden", "layer", "torch.nn", "oneDNN", "throughtime", "ratio", "share"]
    names += [f"× {other}" for other in others]
    lines = [f"## {title}", "", f"| {' | '.join(names)} |", f"|---|---|{'---:|' * (len(names) - 2)}"]
    for row in rows:
        shape = ", ".join(map(str, row["shape"])) if row["layer"] == "RNN" else ""
        layer = row["layer"] + "?" * row["contended"]
        onednn = f"{row['onednn_ms']:.3g}" if "onednn_ms" in row else "–"
        times = (
            f"{row['torch_ms']:.3g} | {onednn} | {row['ours_ms']:.3g} | {row['ratio']:.2g} | {row['peak_share']:.0%}"
        )
        ratios = "".join(f" {row['others'][o]:.2g} |" for o in others)
        lines.append(f"| {shape} | {layer} | {times} |{ratios}")
    return "\n".join([*lines, ""])


def slower(rows: list[dict[str, Any]]) -> str:
    """List where another library is as fast or faster."""
    cases = [
        f"{name} at {tuple(row['shape'])}, {row['layer']}, {row['mode']}: {ratio:.2g}"
        for row in rows
        for name, ratio in {"torch.nn": row["ratio"], **row["others"]}.items()
        if ratio <= 1
    ]
    if not cases:
        return "No other library is as fast at any of these shapes.\n"
    return "\n".join(
        ["As fast or faster, with the speed of throughtime relative to it:", "", *(f"- {c}" for c in cases), ""]
    )


def picture(rows: list[dict[str, Any]]) -> str:
    """Dots on a logarithmic axis, a row for each shape, one panel above the other."""
    shapes = list(dict.fromkeys(tuple(row["shape"]) for row in rows))
    height = len(shapes) * LINE + TOP
    panels = [
        panel(title, shapes, [row for row in rows if row["mode"] == mode], i * (height + 26))
        for i, (mode, title) in enumerate(MODES.items())
    ]
    ground = '<rect width="100%" height="100%" style="fill: var(--card)"/>'
    style = f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>"
    size = f'viewBox="0 0 {WIDTH:.0f} {2 * (height + 26):.0f}" role="img" aria-label="Times faster than torch.nn"'
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return "\n".join([opening, style, ground, *panels, "</svg>", ""])


def panel(title: str, shapes: list[tuple[int, ...]], rows: list[dict[str, Any]], top: float) -> str:
    """One mode."""

    def at(ratio: float) -> float:
        share = math.log(max(ratio, 1) / TICKS[0]) / math.log(TICKS[-1] / TICKS[0])
        return LEFT + share * (WIDTH - LEFT - 24)

    bottom = top + TOP + len(shapes) * LINE
    parts = [tag("text", f"{title}: times as fast as torch.nn", x=12, y=top + 22, class_="label")]
    for i, (layer, colour) in enumerate(LAYERS.items()):
        x = WIDTH - 190 + 62 * i
        parts += [
            tag("circle", cx=x, cy=top + 18, r=4.5, class_=f"dot {colour}"),
            tag("text", layer, x=x + 9, y=top + 22),
        ]
    for value in TICKS:
        parts.append(tag("line", x1=at(value), x2=at(value), y1=top + 34, y2=bottom - 8, class_="grid"))
        parts.append(tag("text", str(value), x=at(value), y=bottom + 8, text_anchor="middle"))
    for i, shape in enumerate(shapes):
        y = top + TOP + i * LINE
        parts.append(tag("text", ", ".join(map(str, shape)), x=LEFT - 14, y=y + 4, text_anchor="end"))
        for row in rows:
            if tuple(row["shape"]) == shape:
                parts.append(tag("circle", cx=at(row["ratio"]), cy=y, r=4.5, class_=f"dot {LAYERS[row['layer']]}"))
    return "\n".join(parts)


if __name__ == "__main__":
    main()
