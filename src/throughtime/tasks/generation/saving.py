"""A generator as a model directory, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime.data.stream import UNITS, Alphabet
from throughtime.io import checkpoint
from throughtime.tasks.fingerprints import restore_fingerprints, tensors_of
from throughtime.tasks.generation.estimator import SequenceGenerator
from throughtime.tasks.generation.materials import PianoSymbols, Symbols, TextSymbols
from throughtime.tasks.generation.network import GeneratorNetwork
from throughtime.tasks.generation.recipes import PIANO_ROLL
from throughtime.tasks.saving import check_layers, origin, restore_history, restore_network, restore_notes, weights_of

if TYPE_CHECKING:
    import os


def save(generator: SequenceGenerator, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted generator."""
    symbols = generator.symbols_
    config = {
        **origin("generate", generator),
        "settings": generator.get_params(),
        "unit": generator.unit_,
        "sizes": generator.sizes(symbols.width),
        "symbols": list(symbols.vocabulary.symbols) if isinstance(symbols, TextSymbols) else None,
    }
    tensors = weights_of(generator.network_) | tensors_of(generator.fingerprints_)
    found = checkpoint.Checkpoint(config, tensors, generator.history_.to_lines())
    checkpoint.write(directory, found, overwrite=overwrite)


def restore(found: checkpoint.Checkpoint) -> SequenceGenerator:
    """Undo `save`.

    Raises:
        ValueError: where sizes, symbols and weights do not fit together.
    """
    config = found.config
    generator = SequenceGenerator(**config["settings"])
    generator.check_settings()
    generator.unit_ = config["unit"]
    generator.symbols_ = _symbols(config["unit"], config["symbols"])
    sizes = generator.sizes(generator.symbols_.width)
    if config["sizes"] != sizes:
        raise ValueError("the sizes of the network are not those of the settings")
    check_layers(generator.num_layers, found.tensors)
    generator.network_ = restore_network(lambda: GeneratorNetwork(**sizes), found.tensors)
    generator.history_, generator.notes_ = restore_history(found), restore_notes(found)
    generator.fingerprints_ = restore_fingerprints(found)
    return generator


def _symbols(unit: Any, symbols: Any) -> Symbols:
    if unit == PIANO_ROLL:
        return PianoSymbols()
    if unit not in UNITS or not all(isinstance(symbol, str) for symbol in symbols) or len(set(symbols)) < 2:
        raise ValueError(f"no vocabulary of {unit}")
    return TextSymbols(Alphabet(unit, tuple(symbols)))
