"""The tagger: sentences in, a tag for each word out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch.nn.functional import cross_entropy

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime._core.param_checks import check_bool, check_choice, check_fraction, check_int
from throughtime.data.bucket_batches import BucketBatches
from throughtime.data.jagged import JaggedSequences
from throughtime.inference.tagging.inputs import WordEncoder, check_sentences, check_tags, unique_tags
from throughtime.inference.tagging.tagger import TaggerModel, tags_from_json
from throughtime.tasks.base import AbstractEstimator, LearnedState, draw_seed, held_out_notes
from throughtime.tasks.classification_metrics import Evaluation
from throughtime.tasks.fingerprints import Fingerprints, Overlap, duplicate_notes
from throughtime.tasks.saving import network_graphs
from throughtime.tasks.tagging import entities
from throughtime.tasks.tagging.network import TaggerSizes, TaggingNetwork
from throughtime.tasks.trainer import TrainingBudget, train_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from throughtime.io.saved_model import SavedModel
    from throughtime.tasks.tagging.entities import EntityScore
    from throughtime.tasks.trainer import Callback

PRESETS = {
    "fast": TrainingBudget(500, 2, 15),
    "balanced": TrainingBudget(3500, 6, 60),
    "best": TrainingBudget(8000, 12, 200),
}
"""Work of each preset."""

_BATCH_SIZE = 32  # sentences, where there are enough
_MIN_HELD_OUT = 20  # sentences; fewer say too little about which weights are best
_LARGE_DATA = 1000  # sentences, beyond which a word that comes only once is taken as unknown
_EVAL_BATCH_SIZE = 128  # sentences
_IGNORE_INDEX = -1  # number of a tag that is not known


@dataclass(frozen=True)
class TagEvaluation:
    """Scores on sentences whose tags are known.

    Attributes:
        words: accuracy over words, and which tag was taken for which.
        entities: precision, recall and F1 of whole entities; None for tags that mark none.
        overlap: which of the sentences given were learned from; None where that was not looked at.
    """

    words: Evaluation
    entities: EntityScore | None
    overlap: Overlap | None = None

    def qualify(self, noun: str) -> str:
        """Name what is scored: unseen only where it was not learned from."""
        return noun if self.overlap is None else self.overlap.qualify(noun)


class SequenceTagger(AbstractEstimator):
    """Give each word of a sentence its tag: its part of speech, or the entity that it belongs to.

    Each word is read as a word and as the characters that it is written with; a recurrent layer reads the sentence,
    from both ends, and a linear layer gives each tag a score at every word.

    Args:
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H.
        num_layers: L.
        bidirectional: whether sentences are read from both ends.
        dropout: share of the numbers that are hidden between layers in training.
        preset: 'fast', 'balanced' or 'best'.
        validation_fraction: share of the sentences that is held out to choose the weights by.
        budget: of time for learning: seconds, or such as '5m'; None for as long as it takes.
        random_state: makes all of it reproducible.

    Attributes:
        tags_: in the order of the columns of `predict_proba`.
        notes_: what was found in the data and decided about it, in plain sentences.
        history_: of the training.
        network_: the torch module.

    >>> import throughtime as tt
    >>> sentences = [["a", "dog"], ["the", "cat"], ["dogs"]] * 20
    >>> tags = [["DET", "NOUN"], ["DET", "NOUN"], ["NOUN"]] * 20
    >>> tt.SequenceTagger(preset="fast", hidden_size=8).fit(sentences, tags).predict([["the", "dog"]])
    [['DET', 'NOUN']]
    """

    task = "tag"
    network_type = TaggingNetwork
    network_params = ("cell", "hidden_size", "num_layers", "bidirectional")

    tags_: list[str]
    encoder_: WordEncoder
    fingerprints_: Fingerprints
    network_: TaggingNetwork

    def __init__(
        self,
        *,
        cell: str = "lstm",
        hidden_size: int = 160,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.4,
        preset: str = "balanced",
        validation_fraction: float = 0.05,
        budget: float | str | None = None,
        random_state: int | None = 0,
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.preset = preset
        self.validation_fraction = validation_fraction
        self.budget = budget
        self.random_state = random_state

    def fit(
        self,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str | None]],
        validation: tuple[Any, Any] | None = None,
        *,
        callbacks: Sequence[Callback] = (),
    ) -> Self:
        """Learn from sentences and the tags of their words; where a tag is None, the word is read but not learned from.

        Args:
            sentences: lists of words.
            tags: of each word.
            validation: other sentences and their tags to choose the weights by; some are held out if None.
            callbacks: are called with the progress.

        Raises:
            InputError: for settings or data that cannot be used.
            Interrupted: on Ctrl-C; the tagger is usable and holds the best so far.
        """
        self.check_params()
        sentences = check_sentences(sentences)
        all_tags = check_tags(tags, sentences)
        known_tags = unique_tags(all_tags)
        random = check_random_state(self.random_state)
        seed = draw_seed(random)
        order = random.permutation(len(sentences)).tolist()
        n_held = 0 if validation is not None else round(self.validation_fraction * len(sentences))
        n_held = n_held if n_held >= _MIN_HELD_OUT else 0
        held_rows, train_rows = sorted(order[:n_held]), sorted(order[n_held:])
        train, train_tags = [sentences[i] for i in train_rows], [all_tags[i] for i in train_rows]
        held_out, held_tags = [sentences[i] for i in held_rows], [all_tags[i] for i in held_rows]
        if validation is not None:
            held_out = check_sentences(validation[0])
            held_tags = check_tags(validation[1], held_out, name="validation")
        encoder = WordEncoder.learn(train, rare=2 if len(sentences) > _LARGE_DATA else 1)
        network = self._new_network(self._network_sizes(encoder, known_tags), seed, dropout=self.dropout)
        counts = f"{len(sentences)} sentences, {sum(map(len, sentences))} words, {len(known_tags)} tags"
        notes = [
            f"{counts}; {len(encoder.words) - 1} known words.",
            *held_out_notes(n_held, "sentences"),
            *duplicate_notes(train, held_out, "sentences"),
        ]
        learned = {
            "tags_": known_tags,
            "encoder_": encoder,
            "fingerprints_": Fingerprints.from_sequences([*train, *held_out]),
        }
        x, y = encoder.encode(train), _encode_tags(train_tags, known_tags)
        batches = BucketBatches(x, y, batch_size=min(_BATCH_SIZE, max(8, len(x) // 10)))
        held_x = encoder.encode(held_out) if held_out else None
        return self._fit(
            lambda: train_network(
                network,
                batches,
                PRESETS[self.preset].options(len(batches), self.budget),
                loss=_loss,
                validation=None if held_x is None else _validation_batches(held_x, _encode_tags(held_tags, known_tags)),
                callbacks=callbacks,
                seed=seed,
            ),
            lambda history: self._set_fitted(network, history, notes, **learned),
        )

    def predict(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the most probable tag of each word."""
        self._check_fitted()
        return self._model().predict(sentences)

    def predict_proba(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Return the probability of each tag for each word, (T, C) for each sentence, in the order of `tags_`."""
        self._check_fitted()
        return self._model().predict_proba(sentences)

    def score(self, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str | None]]) -> float:
        """F1 of entities where the tags mark some (B-, I-, O), else accuracy over words."""
        evaluation = self.evaluate(sentences, tags)
        return evaluation.words.accuracy if evaluation.entities is None else evaluation.entities.f1

    def evaluate(self, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str | None]]) -> TagEvaluation:
        """Accuracy, which tag was taken for which, and F1 of entities.

        A sentence that was learned from is not scored, unless all were: `overlap` of the result says which.

        Args:
            sentences: lists of words.
            tags: of each word; where one is None, the word does not count. One never seen in training counts as missed.
        """
        self._check_fitted()
        sentences = check_sentences(sentences)
        actual, overlap = check_tags(tags, sentences), self.overlap(sentences)
        rows = overlap.scored.tolist()
        predicted = self.predict([sentences[i] for i in rows])
        return replace(score_tags([actual[i] for i in rows], predicted, self.tags_), overlap=overlap)

    def overlap(self, sentences: Sequence[Sequence[str]]) -> Overlap:
        """Which sentences were part of the training data, also to choose the weights by."""
        self._check_fitted()
        return self.fingerprints_.overlap(check_sentences(sentences), "sentences")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but lists of texts, of words or of notes
        tags.input_tags.string = True
        tags.target_tags.required = True
        return tags

    def _check_task_params(self) -> None:
        for name in ("hidden_size", "num_layers"):
            check_int(name, getattr(self, name))
        check_bool("bidirectional", self.bidirectional)
        for name in ("dropout", "validation_fraction"):
            check_fraction(name, getattr(self, name))
        check_choice("preset", self.preset, PRESETS)

    def _network_sizes(self, encoder: WordEncoder, tags: Sequence[str]) -> TaggerSizes:
        words, characters = encoder.size
        return TaggerSizes(
            tags=len(tags),
            words=words,
            characters=characters,
            cell=self.cell,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            bidirectional=bool(self.bidirectional),
        )

    def _model(self) -> TaggerModel:
        return TaggerModel(self.tags_, self.encoder_, self._scores)

    @torch.no_grad()
    def _scores(self, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return self.network_(torch.from_numpy(x), lengths=torch.from_numpy(lengths)).numpy()

    def _learned_state(self) -> LearnedState:
        config = {
            "sizes": asdict(self.network_.sizes),
            "encoder": asdict(self.encoder_),
            "tags": self.tags_,
            "graphs": network_graphs(self.network_),
        }
        return LearnedState(config, self.fingerprints_.to_tensors())

    def _restore(self, saved: SavedModel) -> tuple[TaggingNetwork, dict[str, Any]]:
        tags = tags_from_json(saved.config["tags"])
        encoder = dataclass_from_json(WordEncoder, saved.config["encoder"])
        network = self._restore_network(saved, self._network_sizes(encoder, tags), dropout=self.dropout)
        fingerprints = Fingerprints.from_tensors(saved.tensors)
        return network, {"tags_": tags, "encoder_": encoder, "fingerprints_": fingerprints}


def score_tags(
    actual: Sequence[Sequence[Any]], predicted: Sequence[Sequence[str]], tags: Sequence[str]
) -> TagEvaluation:
    """Compare predicted tags with the actual ones; words whose actual tag is None do not count."""
    pairs = [(a, g) for ours, theirs in zip(actual, predicted, strict=True) for a, g in zip(ours, theirs, strict=True)]
    pairs = [(a, g) for a, g in pairs if a is not None]
    every = [*tags, *sorted({a for a, _ in pairs} - set(tags))]
    numbers = {tag: number for number, tag in enumerate(every)}
    words = Evaluation.from_predictions([numbers[a] for a, _ in pairs], [numbers[g] for _, g in pairs], every)
    marked = entities.is_bio(every) and all(tag is not None for row in actual for tag in row)
    return TagEvaluation(words, entities.score(actual, predicted) if marked else None)


def _loss(scores: Tensor, target: Tensor) -> Tensor:
    """Mean over the words whose tag is known."""
    total = cross_entropy(scores, target, ignore_index=_IGNORE_INDEX, reduction="sum")
    return total / (target != _IGNORE_INDEX).sum().clamp(min=1)


def _encode_tags(tags: Sequence[Sequence[Any]], vocabulary: Sequence[str]) -> JaggedSequences:
    """Return the index of each tag among the known ones."""
    indices = {tag: index for index, tag in enumerate(vocabulary)}
    return JaggedSequences.of([np.array([indices.get(tag, _IGNORE_INDEX) for tag in row]) for row in tags])


def _validation_batches(x: JaggedSequences, y: JaggedSequences) -> BucketBatches:
    return BucketBatches(x, y, batch_size=_EVAL_BATCH_SIZE, shuffle=False)
