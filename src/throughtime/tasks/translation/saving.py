"""A translator as a model directory, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from throughtime.data.subwords import Subwords, SubwordSettings
from throughtime.io import checkpoint
from throughtime.tasks.fingerprints import restore_fingerprints, tensors_of
from throughtime.tasks.saving import check_layers, origin, restore_history, restore_network, restore_notes, weights_of
from throughtime.tasks.translation.estimator import SequenceTranslator
from throughtime.tasks.translation.learning import TeacherForcing
from throughtime.tasks.translation.network import TranslatorNetwork
from throughtime.tasks.typed import build

if TYPE_CHECKING:
    import os

_VALUES = {"vocabulary": SubwordSettings, "teacher_forcing": TeacherForcing}
"""Settings that are values of a type of their own."""


def save(translator: SequenceTranslator, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted translator."""
    settings = translator.get_params()
    config = {
        **origin("translate", translator),
        "settings": settings | {name: asdict(settings[name]) for name in _VALUES},
        "source": translator.source_.content,
        "target": translator.target_.content,
    }
    tensors = weights_of(translator.network_) | tensors_of(translator.fingerprints_)
    found = checkpoint.Checkpoint(config, tensors, translator.history_.to_lines())
    checkpoint.write(directory, found, overwrite=overwrite)


def restore(found: checkpoint.Checkpoint) -> SequenceTranslator:
    """Undo `save`.

    Raises:
        ValueError: where vocabularies, sizes and weights do not fit together.
    """
    config = found.config
    settings = config["settings"]
    translator = SequenceTranslator(**settings | {name: build(make, settings[name]) for name, make in _VALUES.items()})
    translator.check_settings()
    translator.source_, translator.target_ = Subwords(config["source"]), Subwords(config["target"])
    translator.source_.check()
    translator.target_.check()
    check_layers(translator.num_layers, found.tensors)
    translator.network_ = restore_network(lambda: TranslatorNetwork(**translator.sizes()), found.tensors)
    translator.history_, translator.notes_ = restore_history(found), restore_notes(found)
    translator.fingerprints_ = restore_fingerprints(found)
    return translator
