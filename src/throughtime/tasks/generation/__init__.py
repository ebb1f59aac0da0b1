"""Generation: more of a text, or of music, from one symbol or none."""

from throughtime._core.errors import requires

with requires("text", "SequenceGenerator"):
    from throughtime.data.music.midi import read_midi as read_midi
    from throughtime.data.music.midi import write_midi as write_midi
    from throughtime.tasks.generation.codec import GenerationEvaluation as GenerationEvaluation
    from throughtime.tasks.generation.estimator import SequenceGenerator as SequenceGenerator
    from throughtime.tasks.generation.plots import plot_piano_roll as plot_piano_roll
