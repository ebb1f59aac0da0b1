"""The report of a run: one HTML page with its pictures, which opens from disk without network."""

from throughtime.app.report.forecast import page as page
from throughtime.app.report.forecast_run import Run as Run
