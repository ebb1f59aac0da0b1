"""A tagger as a model directory, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from throughtime.io import saved_model
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
from throughtime.tasks.tagging.estimator import SequenceTagger
from throughtime.tasks.tagging.inputs import WordEncoder
from throughtime.tasks.tagging.network import NetworkSizes, TaggingNetwork

if TYPE_CHECKING:
    import os


def save(tagger: SequenceTagger, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted tagger."""
    config = {
        **provenance("tag", tagger),
        "settings": tagger.get_params(),
        "sizes": asdict(tagger.network_.sizes),
        "encoder": asdict(tagger.encoder_),
        "tags": tagger.tags_,
    }
    tensors = network_tensors(tagger.network_) | to_tensors(tagger.fingerprints_)
    written = saved_model.SavedModel(config, tensors, tagger.history_.to_lines())
    saved_model.write(directory, written, overwrite=overwrite)


def restore(found: saved_model.SavedModel) -> SequenceTagger:
    """Undo `save`.

    Raises:
        ValueError: where settings, sizes and weights do not fit together.
    """
    config = found.config
    tagger = SequenceTagger(**config["settings"])
    tagger.check_params()
    tagger.tags_ = [str(tag) for tag in config["tags"]]
    if len(set(tagger.tags_)) != len(tagger.tags_):
        raise ValueError("the tags are not all different")
    encoder = dataclass_from_json(WordEncoder, config["encoder"])
    sizes = dataclass_from_json(NetworkSizes, config["sizes"])
    check_sizes(sizes)
    if sizes != tagger.sizes(encoder):
        raise ValueError(f"the sizes do not fit the settings and the vocabulary: {sizes}")
    check_layers(sizes.num_layers, found.tensors)
    network = restore_network(lambda: TaggingNetwork(sizes, dropout=tagger.dropout), found.tensors)
    tagger.notes_, tagger.fingerprints_ = restore_notes(found), from_saved_model(found)
    tagger._set_fitted(network, encoder, restore_history(found))
    return tagger
