"""Texts: labelled texts, tagged sentences, and vocabularies."""
