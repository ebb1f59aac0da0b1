"""The generator: it learns from text or music and generates more of it."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_choice, check_fraction, check_int, check_positive
from throughtime._core.rng import PrivateRandom
from throughtime.data.text.symbols import UNITS, SymbolVocabulary, check_text
from throughtime.inference.generation.generator import GeneratorModel
from throughtime.inference.generation.steps import vocabulary_from_json
from throughtime.io.network import describe, make_stream
from throughtime.tasks.base import AbstractEstimator, LearnedState, held_out_notes
from throughtime.tasks.fingerprints import Fingerprints
from throughtime.tasks.generation.codec import GenerationEvaluation, PianoRollCodec, TextCodec, TrainingCodec
from throughtime.tasks.generation.network import GeneratorNetwork, GeneratorSizes
from throughtime.tasks.generation.recipes import PIANO_ROLL, RECIPES, Recipe
from throughtime.tasks.generation.trainer import train_generator
from throughtime.tasks.schedules import PRESETS, parse_budget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure

    from throughtime.io.saved_model import SavedModel
    from throughtime.tasks.trainer import Callback


class SequenceGenerator(AbstractEstimator):
    """Learn how sequences continue, and generate new ones: text by characters, bytes or words, music as piano rolls.

    At every step the network predicts the probability of each symbol, or for music that of each key of the piano; what
    is drawn from it is what the network reads at the next step.

    Args:
        unit: 'characters', 'bytes', 'words' or 'piano_roll'; None decides by the data: characters for a string.
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H; None chooses what suits the unit, as it does for all below.
        num_layers: L.
        dropout: probability with which a feature that the output reads is left out in training.
        steps: of a window of truncated backpropagation.
        batch_size: streams of a text, or pieces, that are trained on at once.
        learning_rate: at the top of its cycle.
        preset: work put into learning: 'fast', 'balanced' or 'best'.
        epochs: passes over the data; None decides by the preset and by how much data there are.
        budget: of time for learning: seconds, or such as '5m'; None for as long as it takes.
        random_state: makes all of it reproducible.

    Attributes:
        unit_: what was decided.
        notes_: what was found in the data and decided about it, in plain sentences.
        history_: of the training.
        network_: the torch module.

    >>> import throughtime as tt
    >>> tune = [[60], [62], [64], [65], [67], [65], [64], [62]] * 4
    >>> generator = tt.SequenceGenerator(hidden_size=16, epochs=60, batch_size=1).fit([tune])
    >>> piece = generator.sample(8, prompt=[[60]], random_state=0)
    >>> len(piece), piece[0]
    (9, [60])
    """

    task = "generate"
    network_type = GeneratorNetwork
    network_params = ("unit", "cell", "hidden_size", "num_layers")

    unit_: str
    codec_: TrainingCodec
    fingerprints_: Fingerprints
    network_: GeneratorNetwork

    def __init__(
        self,
        unit: str | None = None,
        *,
        cell: str = "lstm",
        hidden_size: int | None = None,
        num_layers: int = 1,
        dropout: float | None = None,
        steps: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        preset: str = "balanced",
        epochs: int | None = None,
        budget: float | str | None = None,
        random_state: int = 0,
    ) -> None:
        self.unit = unit
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.preset = preset
        self.epochs = epochs
        self.budget = budget
        self.random_state = random_state

    def fit(self, data: Any, validation: Any = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Learn from data, and keep the weights of the epoch with the lowest loss on the validation data.

        Args:
            data: a text; or pieces, each a list of steps, each a list of MIDI notes from 21 to 108.
            validation: data of the same kind; by default the last tenth of a text, or a tenth of the pieces.
            callbacks: are called with the progress.

        Raises:
            InputError: for settings or data that cannot be used.
            Interrupted: on Ctrl-C; the generator is usable and holds the best so far.
        """
        self.check_params()
        seed, seconds = self.seed(), parse_budget(self.budget)
        unit, codec = self._choose_codec(data, validation)
        recipe = self._recipe(unit)
        train, held_out, steps = codec.split(data, validation, seed)
        with PrivateRandom(seed):
            network = GeneratorNetwork(self._network_sizes(recipe, codec.width), **_dropouts(recipe))
            training_data = codec.training_data(train, held_out, recipe)
        epochs = self.epochs or max(round(recipe.epochs_for(steps) * PRESETS[self.preset]), 1)
        kinds = f"{codec.width:,} different {unit}" if unit in UNITS else f"music for {codec.width} keys"
        notes = [f"{steps:,} steps to learn from: {kinds}."]
        if validation is None and held_out is not None:
            notes += held_out_notes(len(held_out), f"other {unit if unit in UNITS else 'pieces'}")
        learned = {
            "unit_": unit,
            "codec_": codec,
            "fingerprints_": codec.fingerprints([data] if validation is None else [data, validation]),
        }
        options = {"epochs": epochs, "seconds": seconds, "callbacks": callbacks, "seed": seed}
        return self._fit(
            lambda: train_generator(network, training_data, recipe, **options),
            lambda history: self._set_fitted(network, history, notes, **learned),
        )

    def score(self, data: Any) -> float:
        """Return the mean log-likelihood of a step of data in nats: higher is better, at most 0."""
        return -self.evaluate(data).nats

    def evaluate(self, data: Any) -> GenerationEvaluation:
        """Return the negative log-likelihood of a step, and for a text perplexity and bits per character.

        Characters or pieces that were learned from are not scored, unless all were: `overlap` of the result says which.

        Raises:
            InputError: for data of another kind.
        """
        self._check_fitted()
        overlap = self.codec_.overlap(self.fingerprints_, data)
        if overlap.in_training.any() and not overlap.all_in_training:
            kept = [data[i] for i in overlap.scored.tolist()]
            data = "".join(kept) if isinstance(data, str) else kept
        return replace(self.codec_.score(self.network_, data), overlap=overlap)

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
        """Write something new.

        Args:
            length: steps to draw after the prompt: characters, bytes, words, or steps of music.
            prompt: what it begins with, which is part of the result: a text, or steps such as [[60]]; None for
                nothing.
            temperature: below 1 more cautious, above 1 more surprising, 0 always takes the likeliest.
            top_k: only the k likeliest symbols; on a piano, at most k notes at a time.
            top_p: only the likeliest symbols that together reach this probability.
            random_state: makes it reproducible.

        Returns:
            A text, or a piece: a list of steps, each a list of MIDI notes.

        Raises:
            InputError: for settings or a prompt that cannot be used.
        """
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "random_state": random_state}
        return self._model().sample(length, prompt, **options)

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
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "random_state": random_state}
        return self._model().stream(prompt, **options)

    def plot(self) -> Figure:
        """Plot the loss over the epochs of the training."""
        from throughtime.tasks.generation.plots import plot_learning

        self._check_fitted()
        return plot_learning(self.history_)

    def _check_task_params(self) -> None:
        if self.unit is not None:
            check_choice("unit", self.unit, RECIPES)
        check_choice("preset", self.preset, PRESETS)
        check_int("num_layers", self.num_layers)
        for name in ("hidden_size", "steps", "batch_size", "epochs"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name))
        if self.dropout is not None:
            check_fraction("dropout", self.dropout)
        if self.learning_rate is not None:
            check_positive("learning_rate", self.learning_rate)

    def _recipe(self, unit: str) -> Recipe:
        """Return the recipe of a unit with the parameters that were set."""
        names = ("hidden_size", "dropout", "steps", "batch_size", "learning_rate")
        params = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return replace(RECIPES[unit], **params)

    def _network_sizes(self, recipe: Recipe, width: int) -> GeneratorSizes:
        return GeneratorSizes(
            width=width,
            cell=self.cell,
            hidden_size=int(recipe.hidden_size),
            num_layers=int(self.num_layers),
            embedding_size=recipe.embedding_size,
        )

    def _learned_state(self) -> LearnedState:
        symbols = list(self.codec_.vocabulary.symbols) if isinstance(self.codec_, TextCodec) else None
        config = {"sizes": asdict(self.network_.sizes), "unit": self.unit_, "symbols": symbols}
        layers = {"layers": describe(self.network_.layers)}  # a stream of which the runtime makes
        return LearnedState(config | layers, self.fingerprints_.to_tensors())

    def _restore(self, saved: SavedModel) -> tuple[GeneratorNetwork, dict[str, Any]]:
        unit = saved.config["unit"]
        vocabulary = vocabulary_from_json(unit, saved.config["symbols"])
        codec = PianoRollCodec() if vocabulary is None else TextCodec(vocabulary)
        recipe = self._recipe(unit)
        network = self._restore_network(saved, self._network_sizes(recipe, codec.width), **_dropouts(recipe))
        return network, {"unit_": unit, "codec_": codec, "fingerprints_": Fingerprints.from_tensors(saved.tensors)}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but lists of texts, of words or of notes
        tags.input_tags.string = True
        return tags

    def _choose_codec(self, data: Any, validation: Any) -> tuple[str, TrainingCodec]:
        """Return the unit, and what a step is made of."""
        if isinstance(data, bytes | os.PathLike):
            what = "bytes: decode them" if isinstance(data, bytes) else "a path: read the file"
            raise InputError(f"data: expected a text or pieces, got {what} first")
        unit = self.unit or ("characters" if isinstance(data, str) else PIANO_ROLL)
        if unit not in UNITS:
            return unit, PianoRollCodec()
        whole = check_text(data)
        if validation is not None and unit == "characters":
            whole += check_text(validation)
        return unit, TextCodec(SymbolVocabulary.of(whole, unit))

    def _model(self) -> GeneratorModel:
        self._check_fitted()
        embedding = self.network_.embedding
        weight = None if embedding is None else embedding.weight.detach().numpy()
        return GeneratorModel(self.codec_, partial(make_stream, self.network_.layers), weight)


def _dropouts(recipe: Recipe) -> dict[str, float]:
    return {"dropout": recipe.dropout, "input_dropout": min(recipe.input_dropout, recipe.dropout)}
