"""Classification: one class for a whole sequence, of words or of numbers."""

from throughtime.tasks.classification.estimator import SequenceClassifier as SequenceClassifier
