"""A classifier as a model directory, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from throughtime.io import checkpoint
from throughtime.tasks.classification.estimator import SequenceClassifier
from throughtime.tasks.classification.inputs import plain, restored
from throughtime.tasks.classification.network import SequenceNetwork, Sizes
from throughtime.tasks.fingerprints import restore_fingerprints, tensors_of
from throughtime.tasks.saving import (
    check_layers,
    check_sizes,
    origin,
    restore_history,
    restore_network,
    restore_notes,
    weights_of,
)
from throughtime.tasks.typed import build

if TYPE_CHECKING:
    import os

_MOST_MEMBERS = 100


def save(classifier: SequenceClassifier, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted classifier."""
    settings = classifier.get_params()
    if isinstance(classifier.class_weight, dict):  # whose keys may be numbers, which JSON would make text
        settings["class_weight"] = [[key, value] for key, value in classifier.class_weight.items()]
    config = {
        **origin("classify", classifier),
        "settings": settings,
        "sizes": asdict(classifier.network_.sizes),
        "encoder": plain(classifier.encoder_),
        "classes": classifier.classes_.tolist(),
        "features": getattr(classifier, "n_features_in_", None),
    }
    tensors = weights_of(classifier.network_) | tensors_of(classifier.fingerprints_)
    written = checkpoint.Checkpoint(config, tensors, classifier.history_.to_lines())
    checkpoint.write(directory, written, overwrite=overwrite)


def restore(found: checkpoint.Checkpoint) -> SequenceClassifier:
    """Undo `save`.

    Raises:
        ValueError: where settings, sizes and weights do not fit together.
    """
    config = found.config
    settings = dict(config["settings"])
    if isinstance(settings["class_weight"], list):
        settings["class_weight"] = dict(settings["class_weight"])
    classifier = SequenceClassifier(**settings)
    classifier.check_settings()
    if len({type(label) for label in config["classes"]}) > 1 or any(label != label for label in config["classes"]):  # noqa: PLR0124 - NaN
        raise ValueError("the classes are not all of one type")
    classifier.classes_ = np.array(config["classes"])
    if classifier.classes_.ndim != 1 or len(np.unique(classifier.classes_)) != len(config["classes"]) > 1:
        raise ValueError("the classes are not all different")
    encoder = restored(config["encoder"])
    sizes = build(Sizes, config["sizes"])
    check_sizes(sizes)
    if sizes != classifier.sizes(encoder, sizes.members) or sizes.members > _MOST_MEMBERS:
        raise ValueError(f"the sizes do not fit the settings and what goes in: {sizes}")
    if config["features"] is not None:
        classifier.n_features_in_ = int(config["features"])
    check_layers(sizes.num_layers, found.tensors)
    network = restore_network(lambda: SequenceNetwork(sizes, dropout=classifier.dropout), found.tensors)
    classifier.notes_, classifier.fingerprints_ = restore_notes(found), restore_fingerprints(found)
    classifier.take(network, encoder, restore_history(found))
    return classifier
