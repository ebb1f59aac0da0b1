"""Classification: one class for a whole sequence, of words or of numbers."""

from throughtime._core.errors import requires

with requires("text", "SequenceClassifier"):
    from throughtime.tasks.classification.estimator import SequenceClassifier as SequenceClassifier
