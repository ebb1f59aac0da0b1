"""A classifier as a model directory, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from throughtime.io import saved_model
from throughtime.tasks.classification.estimator import SequenceClassifier
from throughtime.tasks.classification.inputs import encoder_from_json, plain
from throughtime.tasks.classification.network import NetworkSizes, SequenceNetwork
from throughtime.tasks.dataclass_json import dataclass_from_json
from throughtime.tasks.fingerprints import from_saved_model, to_tensors
from throughtime.tasks.saving import (
    check_layers,
    check_sizes,
    network_tensors,
    provenance,
    restore_history,
    restore_network,
    restore_notes,
)

if TYPE_CHECKING:
    import os

_MAX_MEMBERS = 100


def save(classifier: SequenceClassifier, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted classifier."""
    settings = classifier.get_params()
    if isinstance(classifier.class_weight, dict):  # whose keys may be numbers, which JSON would make text
        settings["class_weight"] = [[key, value] for key, value in classifier.class_weight.items()]
    config = {
        **provenance("classify", classifier),
        "settings": settings,
        "sizes": asdict(classifier.network_.sizes),
        "encoder": plain(classifier.encoder_),
        "classes": classifier.classes_.tolist(),
        "features": getattr(classifier, "n_features_in_", None),
    }
    tensors = network_tensors(classifier.network_) | to_tensors(classifier.fingerprints_)
    written = saved_model.SavedModel(config, tensors, classifier.history_.to_lines())
    saved_model.write(directory, written, overwrite=overwrite)


def restore(found: saved_model.SavedModel) -> SequenceClassifier:
    """Undo `save`.

    Raises:
        ValueError: where settings, sizes and weights do not fit together.
    """
    config = found.config
    settings = dict(config["settings"])
    if isinstance(settings["class_weight"], list):
        settings["class_weight"] = dict(settings["class_weight"])
    classifier = SequenceClassifier(**settings)
    classifier.check_params()
    if len({type(label) for label in config["classes"]}) > 1 or any(label != label for label in config["classes"]):  # noqa: PLR0124 - NaN
        raise ValueError("the classes are not all of one type")
    classifier.classes_ = np.array(config["classes"])
    if classifier.classes_.ndim != 1 or len(np.unique(classifier.classes_)) != len(config["classes"]) > 1:
        raise ValueError("the classes are not all different")
    encoder = encoder_from_json(config["encoder"])
    sizes = dataclass_from_json(NetworkSizes, config["sizes"])
    check_sizes(sizes)
    if sizes != classifier.sizes(encoder, sizes.members) or sizes.members > _MAX_MEMBERS:
        raise ValueError(f"the sizes do not fit the settings and what goes in: {sizes}")
    if config["features"] is not None:
        classifier.n_features_in_ = int(config["features"])
    check_layers(sizes.num_layers, found.tensors)
    network = restore_network(lambda: SequenceNetwork(sizes, dropout=classifier.dropout), found.tensors)
    classifier.notes_, classifier.fingerprints_ = restore_notes(found), from_saved_model(found)
    classifier._set_fitted(network, encoder, restore_history(found))
    return classifier
