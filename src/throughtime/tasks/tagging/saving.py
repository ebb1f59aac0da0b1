"""A tagger as a model directory, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from throughtime.io import checkpoint
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
from throughtime.tasks.tagging.estimator import SequenceTagger
from throughtime.tasks.tagging.inputs import WordEncoder
from throughtime.tasks.tagging.network import Sizes, TaggingNetwork
from throughtime.tasks.typed import build

if TYPE_CHECKING:
    import os


def save(tagger: SequenceTagger, directory: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Write a fitted tagger."""
    config = {
        **origin("tag", tagger),
        "settings": tagger.get_params(),
        "sizes": asdict(tagger.network_.sizes),
        "encoder": asdict(tagger.encoder_),
        "tags": tagger.tags_,
    }
    tensors = weights_of(tagger.network_) | tensors_of(tagger.fingerprints_)
    written = checkpoint.Checkpoint(config, tensors, tagger.history_.to_lines())
    checkpoint.write(directory, written, overwrite=overwrite)


def restore(found: checkpoint.Checkpoint) -> SequenceTagger:
    """Undo `save`.

    Raises:
        ValueError: where settings, sizes and weights do not fit together.
    """
    config = found.config
    tagger = SequenceTagger(**config["settings"])
    tagger.check_settings()
    tagger.tags_ = [str(tag) for tag in config["tags"]]
    if len(set(tagger.tags_)) != len(tagger.tags_):
        raise ValueError("the tags are not all different")
    encoder = build(WordEncoder, config["encoder"])
    sizes = build(Sizes, config["sizes"])
    check_sizes(sizes)
    if sizes != tagger.sizes(encoder):
        raise ValueError(f"the sizes do not fit the settings and the vocabulary: {sizes}")
    check_layers(sizes.num_layers, found.tensors)
    network = restore_network(lambda: TaggingNetwork(sizes, dropout=tagger.dropout), found.tensors)
    tagger.notes_, tagger.fingerprints_ = restore_notes(found), restore_fingerprints(found)
    tagger.take(network, encoder, restore_history(found))
    return tagger
