"""The reports of generators, with samples, and of translators, with translations and attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.app.report.chart import Axis, Chart, fit_axis
from throughtime.app.report.template import Picture, draw_both, render
from throughtime.app.report.training import RunSource, capitalize_first, network_facts, training_contents
from throughtime.data.text.symbols import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from throughtime import SequenceGenerator, SequenceTranslator
    from throughtime.tasks.generation import GenerationEvaluation
    from throughtime.tasks.translation import Alignment

_TEMPERATURES = (1.0, 0.7)  # of the samples; the first one is also written to a file
_SAMPLE_STEPS = {True: 600, False: 96}  # of a text, of music
_MAX_ALIGNMENTS = 3
_MAX_SUBWORDS = 24  # of a sentence whose alignment is shown


@dataclass(frozen=True)
class AlignmentTable:
    """The attention of a translation: the subwords of the source, and for each written subword its weights on them."""

    source: list[str]
    rows: list[tuple[str, list[float]]]

    @classmethod
    def of(cls, alignment: Alignment) -> AlignmentTable:
        """Return an alignment as a table."""
        return cls(alignment.source, list(zip(alignment.target, alignment.weights.tolist(), strict=True)))


def generator_verdict(evaluation: GenerationEvaluation) -> str:
    """Return the scores of a generator as a sentence."""
    scores = [f"{evaluation.nats:.4g} nats per step on {evaluation.steps:,} {evaluation.qualify('steps')}"]
    if evaluation.perplexity is not None:
        scores.append(f"perplexity {evaluation.perplexity:.4g}")
        scores.append(f"{evaluation.bits_per_character:.4g} bits per character")
    return ", ".join(scores)


def translator_verdict(bleu: float, pairs: int, what: str) -> str:
    """Return the score of a translator as a sentence; `what` names the pairs."""
    return f"BLEU {bleu} on {pairs:,} {what}"


def draw_sample(generator: SequenceGenerator, temperature: float = _TEMPERATURES[0]) -> Any:
    """Generate a text or a piece without a prompt: the first one of the generator's own seed."""
    steps = _SAMPLE_STEPS[generator.unit_ in UNITS]
    return generator.sample(steps, temperature=temperature, random_state=generator.seed())


def generator_page(
    generator: SequenceGenerator, evaluation: GenerationEvaluation, notes: list[str], source: RunSource, file: str
) -> str:
    """Return the report of a generator as HTML; `file` holds the first sample."""
    is_text = generator.unit_ in UNITS
    samples = [(temperature, draw_sample(generator, temperature)) for temperature in _TEMPERATURES]
    symbols = {"Symbols": f"{generator.codec_.width:,} {generator.unit_}"} if is_text else {}
    steps = {capitalize_first(evaluation.qualify("steps")): f"{evaluation.steps:,}"}
    return render(
        "generator.html",
        title=f"{source.name}: {generator.unit_ if is_text else 'music'}",
        verdict=f"{generator_verdict(evaluation)}.",
        facts=symbols | steps | network_facts(generator.cell, generator.network_),
        texts=samples if is_text else [],
        rolls=[] if is_text else [(temperature, _draw_piano_roll(piece)) for temperature, piece in samples],
        file=file,
        **training_contents(generator.history_, notes, source),
    )


def translator_page(
    translator: SequenceTranslator,
    examples: Sequence[tuple[str, str, str]],
    pairs: int,
    bleu: float,
    notes: list[str],
    source: RunSource,
    *,
    what: str,
) -> str:
    """Return the report of a translator as HTML.

    Args:
        translator: fitted.
        examples: source, reference and translation of some test pairs.
        pairs: number of test pairs.
        bleu: score on them.
        notes: on the data and the training.
        source: of the run.
        what: names the pairs.
    """
    facts = {capitalize_first(what): f"{pairs:,}", "BLEU": f"{bleu}"}
    facts["Subwords"] = f"{len(translator.source_):,} and {len(translator.target_):,}"
    return render(
        "translator.html",
        title=f"{source.name}: translation",
        verdict=f"{translator_verdict(bleu, pairs, what)}; 100 would be the references word for word.",
        facts=facts | network_facts(translator.cell, translator.network_),
        examples=examples,
        what=what,
        alignments=_align(translator, examples),
        **training_contents(translator.history_, notes, source),
    )


def _align(translator: SequenceTranslator, examples: Sequence[tuple[str, str, str]]) -> list[AlignmentTable]:
    """Return the alignments of the first short translations, if the translator has attention."""
    if translator.attention is None:
        return []
    alignments = (translator.align(source, translation) for source, _, translation in examples if source.strip())
    short = [one for one in alignments if max(len(one.source), len(one.target)) <= _MAX_SUBWORDS]
    return [AlignmentTable.of(alignment) for alignment in short[:_MAX_ALIGNMENTS]]


def _draw_piano_roll(piece: list[list[int]]) -> Picture:
    """Draw a block for each note, as long as it sounds."""
    notes = np.array([note for step in piece for note in step] or [60])

    def draw(width: int, height: int) -> Markup:
        pitches = Axis(float(notes.min()) - 2, float(notes.max()) + 2, "notes")
        chart = Chart("A piano roll", fit_axis([0, len(piece)], kind="whole", margin=0), pitches, width, height)
        for start, stop, note in held_notes(piece):
            chart.block((start + 0.08, stop - 0.08), (note - 0.42, note + 0.42), "network")
        return chart.svg("step")

    return draw_both(draw)


def held_notes(piece: list[list[int]]) -> list[tuple[int, int, int]]:
    """Return the first step of each note, the step after its last one, and the note."""
    notes: list[tuple[int, int, int]] = []
    starts: dict[int, int] = {}
    for step, sounding in enumerate([*piece, []]):
        ended = [note for note in starts if note not in sounding]
        notes += [(starts.pop(note), step, note) for note in ended]
        for note in sounding:
            starts.setdefault(note, step)
    return notes
