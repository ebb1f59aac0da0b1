"""Tagging around the network: words in, probabilities of tags out."""
