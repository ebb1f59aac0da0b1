"""The report of a run: one HTML page with its charts, which opens from disk without network."""
