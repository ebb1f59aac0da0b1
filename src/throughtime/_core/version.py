"""The version of the package. Builds, docs and model files read it here."""

__version__ = "0.1.0"
