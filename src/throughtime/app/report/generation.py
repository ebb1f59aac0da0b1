"""The reports of what writes: a generator with its samples, a translator with its translations and where it looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.app.report.chart import Axis, Chart, fit_axis
from throughtime.app.report.template import both, render
from throughtime.app.report.training import Source, network_facts, rest, title
from throughtime.data.text.symbols import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from throughtime import SequenceGenerator, SequenceTranslator
    from throughtime.tasks.generation import GenerationEvaluation
    from throughtime.tasks.translation import Alignment

_TEMPERATURES = (1.0, 0.7)  # of the samples; the first one is also left in a file
_STEPS = {True: 600, False: 96}  # of a sample of text, of music
_ALIGNED = 3  # translations whose alignment is shown
_LONGEST = 24  # parts of a sentence whose alignment is shown


@dataclass(frozen=True)
class AlignmentTable:
    """An alignment for a page: the parts of the source, and for each part written the shares that it took of them."""

    source: list[str]
    rows: list[tuple[str, list[float]]]

    @classmethod
    def of(cls, alignment: Alignment) -> AlignmentTable:
        """The same numbers."""
        return cls(alignment.source, list(zip(alignment.target, alignment.weights.tolist(), strict=True)))


def generator_verdict(scores: GenerationEvaluation) -> str:
    """How well a generator foresees, in a sentence."""
    said = [f"{scores.nats:.4g} nats per step on {scores.steps:,} {scores.qualify('steps')}"]
    if scores.perplexity is not None:
        said.append(f"perplexity {scores.perplexity:.4g}")
        said.append(f"{scores.bits_per_character:.4g} bits per character")
    return ", ".join(said)


def translator_verdict(bleu: float, pairs: int, what: str) -> str:
    """How good a translator is, in a sentence; `what` names the pairs."""
    return f"BLEU {bleu} on {pairs:,} {what}"


def sample(generator: SequenceGenerator, temperature: float = _TEMPERATURES[0]) -> Any:
    """A text or a piece from nothing: the first one that the generator's own seed draws."""
    steps = _STEPS[generator.unit_ in UNITS]
    return generator.sample(steps, temperature=temperature, random_state=generator.random_state)


def generator_page(
    generator: SequenceGenerator, scores: GenerationEvaluation, notes: list[str], source: Source, file: str
) -> str:
    """The report of a generator as HTML; `file` holds the first sample."""
    texts = generator.unit_ in UNITS
    samples = [(temperature, sample(generator, temperature)) for temperature in _TEMPERATURES]
    kind = {"StepCodec": f"{generator.codec_.width:,} {generator.unit_}"} if texts else {}
    steps = {title(scores.qualify("steps")): f"{scores.steps:,}"}
    return render(
        "generator.html",
        title=f"{source.name}: {generator.unit_ if texts else 'music'}",
        verdict=f"{generator_verdict(scores)}.",
        facts=kind | steps | network_facts(generator.cell, generator.network_),
        texts=samples if texts else [],
        rolls=[] if texts else [(temperature, _roll(piece)) for temperature, piece in samples],
        file=file,
        **rest(generator.history_, notes, source),
    )


def translator_page(
    translator: SequenceTranslator,
    examples: Sequence[tuple[str, str, str]],
    pairs: int,
    bleu: float,
    notes: list[str],
    source: Source,
    *,
    what: str,
) -> str:
    """The report of a translator as HTML, with some of the pairs that it was judged by and what it made of them."""
    facts = {title(what): f"{pairs:,}", "BLEU": f"{bleu}"}
    facts["Subwords"] = f"{len(translator.source_):,} and {len(translator.target_):,}"
    looks: list[AlignmentTable] = []
    if translator.attention is not None:
        aligned = (translator.align(given, translation) for given, _, translation in examples if given.strip())
        looks = [AlignmentTable.of(a) for a in aligned if max(len(a.source), len(a.target)) <= _LONGEST][:_ALIGNED]
    return render(
        "translator.html",
        title=f"{source.name}: translation",
        verdict=f"{translator_verdict(bleu, pairs, what)}; 100 would be the references word for word.",
        facts=facts | network_facts(translator.cell, translator.network_),
        examples=examples,
        what=what,
        alignments=looks,
        **rest(translator.history_, notes, source),
    )


def _roll(piece: list[list[int]]) -> Any:
    """A piece: a block for each note as long as it sounds."""
    notes = np.array([note for step in piece for note in step] or [60])

    def draw(width: int, height: int) -> Markup:
        pitches = Axis(float(notes.min()) - 2, float(notes.max()) + 2, "notes")
        chart = Chart("A piano roll", fit_axis([0, len(piece)], kind="whole", margin=0), pitches, width, height)
        for start, stop, note in held(piece):
            chart.block((start + 0.08, stop - 0.08), (note - 0.42, note + 0.42), "network")
        return chart.svg("step")

    return both(draw)


def held(piece: list[list[int]]) -> list[tuple[int, int, int]]:
    """From which step to which a note sounds without a break, note by note."""
    found: list[tuple[int, int, int]] = []
    since: dict[int, int] = {}
    for step, notes in enumerate([*piece, []]):
        ended = [note for note in since if note not in notes]
        found += [(since.pop(note), step, note) for note in ended]
        for note in notes:
            since.setdefault(note, step)
    return found
