"""Finished jobs: an estimator for each kind of task."""
