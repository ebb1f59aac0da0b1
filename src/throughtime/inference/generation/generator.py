"""A trained generator around its network: one step at a time, each at the same cost, whatever lies before it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.inference.generation.sampling import Sampling
from throughtime.inference.generation.steps import PianoRollSteps, TextSteps, vocabulary_from_json
from throughtime.runtime.streaming import StreamingNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throughtime.inference.generation.steps import StepCodec
    from throughtime.runtime.model_directory import ModelDirectory


@dataclass(frozen=True)
class GeneratorModel:
    """A trained generator: a prompt in, more of it out.

    Attributes:
        codec: of the steps.
        new_stream: makes a stream of the network's recurrent and output layers.
        embedding: what the network reads for each symbol; None where a step is a vector already.
    """

    codec: StepCodec
    new_stream: Callable[[], StreamingNetwork]
    embedding: np.ndarray | None = None

    @classmethod
    def from_directory(cls, model: ModelDirectory) -> GeneratorModel:
        """Build a generator from what `SequenceGenerator.save` wrote.

        Raises:
            ValueError: for what does not fit together.
        """
        vocabulary = vocabulary_from_json(model.config["unit"], model.config["symbols"])
        codec = PianoRollSteps() if vocabulary is None else TextSteps(vocabulary)
        description, weights = model.layers("layers")
        embedding = model.arrays.get("network.embedding.weight")
        shape = (codec.width, description["options"]["input_size"])
        if (embedding is None and shape[0] != shape[1]) or (embedding is not None and embedding.shape != shape):
            raise ValueError(f"the network does not fit: expected it to read {codec.width} symbols or keys")

        def new_stream() -> StreamingNetwork:
            return StreamingNetwork(description, weights)

        if new_stream().output_size != codec.width:
            raise ValueError(f"the network does not fit: expected it to predict {codec.width} symbols or keys")
        return cls(codec, new_stream, embedding)

    def sample(
        self,
        length: int = 200,
        prompt: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: int | None = None,
    ) -> Any:
        """Write something new; the same as `SequenceGenerator.sample` for the same `random_state`.

        Args:
            length: steps to draw after the prompt: characters, bytes, words, or steps of music.
            prompt: what it begins with, as text or as steps such as [[60]], and what the result begins with.
            temperature: of the distribution, which 0 turns into its mode.
            top_k: symbols, or notes of a step, that are drawn from.
            top_p: probability that the symbols which are drawn from reach together.
            random_state: makes it reproducible.

        Returns:
            A text, or a piece: a list of steps, each a list of MIDI notes.

        Raises:
            InputError: for settings or a prompt that cannot be used.
        """
        if isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 0:
            raise InputError(f"length: expected a whole number of 0 or more, got {length!r}")
        steps = self._draw(prompt, Sampling(temperature, top_k, top_p), random_state)
        return self.codec.join(prompt, self.codec.write(itertools.islice(steps, length), prompt))

    def stream(
        self,
        prompt: Any = None,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        random_state: int | None = None,
    ) -> Iterator[Any]:
        """Generate without end, a step at a time, each at the same cost: pieces of text, or lists of notes.

        Args:
            prompt: as for `sample`; it is not repeated.
            temperature: as for `sample`.
            top_k: as for `sample`.
            top_p: as for `sample`.
            random_state: makes it reproducible.
        """
        return self.codec.write(self._draw(prompt, Sampling(temperature, top_k, top_p), random_state), prompt)

    def _draw(self, prompt: Any, sampling: Sampling, random_state: int | None) -> Iterator[Any]:
        """Draw without end what follows a prompt. Only the state is carried from step to step, inside the engine."""
        return self._steps_after(self.codec.prompt(prompt), sampling, np.random.default_rng(random_state))

    def _steps_after(self, prompt: np.ndarray, sampling: Sampling, random: np.random.Generator) -> Iterator[Any]:
        stream = self.new_stream()
        logits = stream.run(self._features(prompt))[-1]
        while True:
            step = self.codec.draw(logits, sampling, random)
            yield step
            logits = stream.step(self._features(step))

    def _features(self, steps: Any) -> np.ndarray:
        """Return what the recurrent layer reads for symbols (…), or vectors (…, V)."""
        return steps if self.embedding is None else self.embedding[steps]
