"""Files: model directories, and models for other runtimes."""
