"""A translator as a model directory, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from throughtime.data.text.subwords import SubwordSettings, SubwordVocabulary
from throughtime.io import saved_model
from throughtime.tasks.dataclass_json import dataclass_from_json
from throughtime.tasks.fingerprints import from_saved_model, to_tensors
from throughtime.tasks.saving import (
    check_layers,
    network_tensors,
    provenance,
    restore_history,
    restore_network,
    restore_notes,
)
from throughtime.tasks.translation.estimator import SequenceTranslator
from throughtime.tasks.translation.network import TranslatorNetwork
from throughtime.tasks.translation.trainer import TeacherForcing

if TYPE_CHECKING:
    import os

_VALUES = {"vocabulary": SubwordSettings, "teacher_forcing": TeacherForcing}
"""Settings that are values of a type of their own."""


def save(translator: SequenceTranslator, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted translator."""
    settings = translator.get_params()
    config = {
        **provenance("translate", translator),
        "settings": settings | {name: asdict(settings[name]) for name in _VALUES},
        "source": translator.source_.content,
        "target": translator.target_.content,
    }
    tensors = network_tensors(translator.network_) | to_tensors(translator.fingerprints_)
    found = saved_model.SavedModel(config, tensors, translator.history_.to_lines())
    saved_model.write(directory, found, overwrite=overwrite)


def restore(found: saved_model.SavedModel) -> SequenceTranslator:
    """Undo `save`.

    Raises:
        ValueError: where vocabularies, sizes and weights do not fit together.
    """
    config = found.config
    settings = config["settings"]
    translator = SequenceTranslator(
        **settings | {name: dataclass_from_json(make, settings[name]) for name, make in _VALUES.items()}
    )
    translator.check_params()
    translator.source_, translator.target_ = SubwordVocabulary(config["source"]), SubwordVocabulary(config["target"])
    translator.source_.check()
    translator.target_.check()
    check_layers(translator.num_layers, found.tensors)
    translator.network_ = restore_network(lambda: TranslatorNetwork(**translator.sizes()), found.tensors)
    translator.history_, translator.notes_ = restore_history(found), restore_notes(found)
    translator.fingerprints_ = from_saved_model(found)
    return translator
