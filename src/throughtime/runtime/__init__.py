"""Trained models without torch: load a model directory, and run it with numpy and the compiled kernels.

Its import takes a fraction of a second. `load` reads a directory of `throughtime.save`; a network of one direction is a
stream, which advances step by step in microseconds and keeps its state from call to call.

>>> from throughtime import runtime
>>> stream = runtime.load("model/")  # doctest: +SKIP
>>> y = stream.step(x)  # doctest: +SKIP
"""

from __future__ import annotations

from throughtime.runtime.graph import Graph
from throughtime.runtime.graph_network import GraphNetwork
from throughtime.runtime.loading import load
from throughtime.runtime.streaming import StreamingNetwork

__all__ = ["Graph", "GraphNetwork", "StreamingNetwork", "load"]
