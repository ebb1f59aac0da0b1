"""What the reports of all sequence models share: where the run comes from, and how the training went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughtime.app.report import plots
from throughtime.app.report.template import draw_both

if TYPE_CHECKING:
    from throughtime.training import History


@dataclass(frozen=True)
class RunSource:
    """The name of the data of a run, its command line, and the settings that were set."""

    name: str
    command: str
    settings: dict[str, Any]


def training_contents(history: History, notes: list[str], source: RunSource) -> dict[str, Any]:
    """Return what `base.html` and `training.html` show."""
    best = history.best
    return {
        "losses": draw_both(lambda width, height: plots.draw_losses(history, width, height)),
        "validated": best is not None and best.validation_loss is not None,
        "epochs": len(history),
        "best": 0 if best is None else best.epoch,
        "notes": notes,
        "command": source.command,
        "settings": source.settings,
    }


def capitalize_first(text: str) -> str:
    """Return a text with a capital letter at its beginning; the other letters stay as they are."""
    return text[0].upper() + text[1:]


def network_facts(cell: str, network: Any) -> dict[str, str]:
    """Return the cell and the size of a network."""
    return {"Network": f"{cell.upper()}, {sum(p.numel() for p in network.parameters()):,} weights"}
