"""What the reports of all that learns from sequences have in common: where a run came from, and how it learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from throughtime.app.report import plots
from throughtime.app.report.template import both

if TYPE_CHECKING:
    from throughtime.training import History


@dataclass(frozen=True)
class Source:
    """Where a run came from: the name of the data, the command, and the settings that were given."""

    name: str
    command: str
    settings: dict[str, Any]


def rest(history: History, notes: list[str], source: Source) -> dict[str, Any]:
    """What the frame of the page shows."""
    best = history.best
    return {
        "losses": both(lambda w, h: plots.losses(history, w, h)),
        "watched": best is not None and best.validation_loss is not None,
        "epochs": len(history),
        "best": 0 if best is None else best.epoch,
        "notes": notes,
        "command": source.command,
        "settings": source.settings,
    }


def title(text: str) -> str:
    """A text as the beginning of a line."""
    return text[0].upper() + text[1:]


def network_facts(cell: str, network: Any) -> dict[str, str]:
    """The cell and the size of a network."""
    return {"Network": f"{cell.upper()}, {sum(p.numel() for p in network.parameters()):,} weights"}
