"""The report of a run: one HTML page with its pictures, which opens from disk without network."""

from throughtime.app.report.page import page as page
from throughtime.app.report.run import Run as Run
