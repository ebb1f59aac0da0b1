"""A generator as a model directory, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime.data.text.symbols import UNITS, SymbolVocabulary
from throughtime.io import saved_model
from throughtime.tasks.fingerprints import from_saved_model, to_tensors
from throughtime.tasks.generation.codec import PianoRollCodec, StepCodec, TextCodec
from throughtime.tasks.generation.estimator import SequenceGenerator
from throughtime.tasks.generation.network import GeneratorNetwork
from throughtime.tasks.generation.recipes import PIANO_ROLL
from throughtime.tasks.saving import (
    check_layers,
    network_tensors,
    provenance,
    restore_history,
    restore_network,
    restore_notes,
)

if TYPE_CHECKING:
    import os


def save(generator: SequenceGenerator, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted generator."""
    symbols = generator.codec_
    config = {
        **provenance("generate", generator),
        "settings": generator.get_params(),
        "unit": generator.unit_,
        "sizes": generator.sizes(symbols.width),
        "symbols": list(symbols.vocabulary.symbols) if isinstance(symbols, TextCodec) else None,
    }
    tensors = network_tensors(generator.network_) | to_tensors(generator.fingerprints_)
    found = saved_model.SavedModel(config, tensors, generator.history_.to_lines())
    saved_model.write(directory, found, overwrite=overwrite)


def restore(found: saved_model.SavedModel) -> SequenceGenerator:
    """Undo `save`.

    Raises:
        ValueError: where sizes, symbols and weights do not fit together.
    """
    config = found.config
    generator = SequenceGenerator(**config["settings"])
    generator.check_params()
    generator.unit_ = config["unit"]
    generator.codec_ = _symbols(config["unit"], config["symbols"])
    sizes = generator.sizes(generator.codec_.width)
    if config["sizes"] != sizes:
        raise ValueError("the sizes of the network are not those of the settings")
    check_layers(generator.num_layers, found.tensors)
    generator.network_ = restore_network(lambda: GeneratorNetwork(**sizes), found.tensors)
    generator.history_, generator.notes_ = restore_history(found), restore_notes(found)
    generator.fingerprints_ = from_saved_model(found)
    return generator


def _symbols(unit: Any, symbols: Any) -> StepCodec:
    if unit == PIANO_ROLL:
        return PianoRollCodec()
    if unit not in UNITS or not all(isinstance(symbol, str) for symbol in symbols) or len(set(symbols)) < 2:
        raise ValueError(f"no vocabulary of {unit}")
    return TextCodec(SymbolVocabulary(unit, tuple(symbols)))
