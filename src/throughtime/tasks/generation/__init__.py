"""Generation: more of a text, or of music, from one symbol or none."""

from throughtime._errors import requires

with requires("text", "SequenceGenerator"):
    from throughtime.data.midi import read_midi as read_midi
    from throughtime.data.midi import write_midi as write_midi
    from throughtime.tasks.generation.estimator import SequenceGenerator as SequenceGenerator
    from throughtime.tasks.generation.materials import Scores as Scores
    from throughtime.tasks.generation.plots import plot_piano_roll as plot_piano_roll
