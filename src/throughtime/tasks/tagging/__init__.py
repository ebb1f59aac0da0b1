"""Tagging: a tag for each word of a sentence."""

from throughtime._core.errors import requires

with requires("text", "SequenceTagger"):
    from throughtime.tasks.tagging.entities import EntityScore as EntityScore
    from throughtime.tasks.tagging.estimator import SequenceTagger as SequenceTagger
    from throughtime.tasks.tagging.estimator import TagEvaluation as TagEvaluation
