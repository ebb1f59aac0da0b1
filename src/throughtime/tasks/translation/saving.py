"""A translator as a model directory, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import torch

from throughtime import __version__, _kernels, training
from throughtime.data.subwords import Subwords, SubwordSettings
from throughtime.io import checkpoint
from throughtime.tasks.translation.estimator import SequenceTranslator
from throughtime.tasks.translation.learning import TeacherForcing
from throughtime.tasks.translation.network import TranslatorNetwork
from throughtime.tasks.weights import fill

if TYPE_CHECKING:
    import os

_VALUES = {"vocabulary": SubwordSettings, "teacher_forcing": TeacherForcing}
"""Settings that are values of a type of their own."""


def save(translator: SequenceTranslator, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted translator."""
    settings = translator.get_params()
    config = {
        "task": "translate",
        "version": __version__,
        "isa": _kernels.isa,
        "threads": torch.get_num_threads(),
        "settings": settings | {name: asdict(settings[name]) for name in _VALUES},
        "source": translator.source_.content,
        "target": translator.target_.content,
        "stopped": translator.history_.stopped,
    }
    found = checkpoint.Checkpoint(config, dict(translator.network_.state_dict()), translator.history_.to_lines())
    checkpoint.write(directory, found, overwrite=overwrite)


def restore(found: checkpoint.Checkpoint) -> SequenceTranslator:
    """Undo `save`.

    Raises:
        ValueError: where vocabularies, sizes and weights do not fit together.
    """
    config = found.config
    settings = config["settings"]
    translator = SequenceTranslator(**settings | {name: make(**settings[name]) for name, make in _VALUES.items()})
    translator.check_settings()
    translator.source_, translator.target_ = Subwords(config["source"]), Subwords(config["target"])
    translator.network_ = fill(lambda: TranslatorNetwork(**translator.sizes()), found.tensors)
    translator.history_ = training.History.from_lines(found.history.splitlines())
    translator.history_.stopped = str(config["stopped"])
    return translator
