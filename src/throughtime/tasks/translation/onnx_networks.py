"""A translator for ONNX: its encoder, and one step of its decoder. The caller chooses the words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from throughtime.data.text.special_symbols import BEGIN, END, PAD, UNKNOWN
from throughtime.io.onnx_graph import Defaults
from throughtime.io.onnx_networks import OnnxNetwork

if TYPE_CHECKING:
    from throughtime.tasks.translation.estimator import SequenceTranslator

_FREE = {
    "source": {0: "steps", 1: "batch"},
    "words": {0: "batch"},
    "memory": {0: "steps", 1: "batch"},
    "state": {2: "batch"},
    "lengths": {0: "batch"},
}
_OUTPUTS = {"encoder": ["memory", "state"], "decoder": ["logits", "state_n"]}
_SYMBOLS = {"pad": PAD, "unknown": UNKNOWN, "begin": BEGIN, "end": END}


def translator_networks(estimator: SequenceTranslator) -> tuple[dict[str, OnnxNetwork], dict[str, str]]:
    """Return the encoder and a step of the decoder, and what their files say about them."""
    network = estimator.network_
    below = {"source": network.sizes.source_size, "words": network.sizes.target_size}
    networks = {}
    for name, (module, inputs) in network.parts().items():
        free = {i: _FREE[i] for i in inputs}
        defaults = Defaults((), "lengths", "source" if name == "encoder" else "memory", 1, 0)
        networks[name] = OnnxNetwork(module, inputs, free, _OUTPUTS[name], defaults, below)
    vocabularies = {"source_vocabulary": estimator.source_.content, "target_vocabulary": estimator.target_.content}
    return networks, {"task": "translate", "symbols": json.dumps(_SYMBOLS), **vocabularies}
