"""The results of all runs so far, in a file; a run replaces the earlier one of its problem and network."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from examples.experiments.networks import NETWORKS
from examples.experiments.problems import PROBLEMS
from examples.experiments.runs import Run

if TYPE_CHECKING:
    from pathlib import Path

_DIGITS = 4  # of what is written

Runs = dict[tuple[str, str], Run]  # by problem and network


def read(path: Path) -> Runs:
    """Read the runs in a file; none if the file does not exist."""
    if not path.exists():
        return {}
    runs = [Run(**values) for values in json.loads(path.read_text(encoding="utf-8"))]
    return {(run.problem, run.network): run for run in runs if run.problem in PROBLEMS and run.network in NETWORKS}


def write(path: Path, runs: Runs) -> None:
    """Write the runs in the order of the problems and networks, a line for each."""
    ordered = [runs[pair] for pair in ((p, n) for p in PROBLEMS for n in NETWORKS) if pair in runs]
    lines = [json.dumps({name: _rounded(value) for name, value in asdict(run).items()}) for run in ordered]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _rounded(value: object) -> object:
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
