"""A picture for each problem: the loss on held-out sequences by updates; and one of gradients by lag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from examples.experiments.networks import NETWORKS
from examples.experiments.problems import PROBLEMS
from examples.experiments.runs import SHOWN
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from pathlib import Path

    from examples.experiments.results import Runs
    from matplotlib.figure import Figure

_COLORS = dict(zip(NETWORKS, ("#c2452d", "#d99a2b", "#2f7d5b", "#2d5fa8", "#8a8a8a"), strict=True))
_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "throughtime",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_LEAST = 1e-12  # below this a gradient is drawn as none


def draw(runs: Runs, directory: Path) -> list[str]:
    """Write the pictures as SVG. Returns the names of the files: those of the problems, and that of the gradients."""
    with mpl.rc_context(_SETTINGS):
        names = [_save(_losses(name, runs), directory, name) for name in PROBLEMS if any(p == name for p, _ in runs)]
        if any(run.before for run in runs.values()):
            names.append(_save(_gradients(runs), directory, "gradients"))
    return names


def _losses(name: str, runs: Runs) -> Figure:
    problem = PROBLEMS[name]
    figure, axes = plt.subplots(figsize=(6.4, 3.0), layout="constrained")
    for network, chosen in NETWORKS.items():
        run = runs.get((name, network))
        if run is not None:
            axes.plot(run.updates, run.losses, color=_COLORS[network], label=chosen.title, linewidth=1.3)
            if run.solved is not None:
                axes.plot([run.updates[-1]], [run.losses[-1]], "o", color=_COLORS[network], markersize=4)
    axes.axhline(problem.chance, color="#999", linewidth=0.8, linestyle=":", label="chance")
    axes.axhline(problem.solved, color="#999", linewidth=0.8, linestyle="--", label="solved")
    axes.set_yscale("log")
    axes.set_title(problem.title, loc="left", fontsize="medium")
    axes.set_xlabel("updates")
    axes.set_ylabel("loss, held out")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _gradients(runs: Runs) -> Figure:
    figure, panels = plt.subplots(1, 2, figsize=(6.4, 3.0), layout="constrained", sharey=True)
    for axes, when in zip(panels, ("before", "after"), strict=True):
        for network, chosen in NETWORKS.items():
            run = runs.get((SHOWN, network))
            norms = [] if run is None else getattr(run, when)
            if norms:
                largest = max(norms)
                shown = [max(norm / largest, _LEAST) for norm in norms]
                axes.plot(shown, color=_COLORS[network], label=chosen.title, linewidth=1.3)
        axes.set_yscale("log")
        axes.set_title(f"{when} training", loc="left", fontsize="medium")
        axes.set_xlabel("lag (steps before the last)")
    panels[0].set_ylabel("‖∂L/∂h‖, share of its largest")
    panels[1].legend(frameon=False)
    return figure


def _save(figure: Figure, directory: Path, name: str) -> str:
    path = directory / f"experiment-{name}.svg"
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path.name
