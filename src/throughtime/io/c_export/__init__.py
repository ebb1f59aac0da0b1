"""Networks as C99."""

from throughtime.io.c_export.exporter import CExport as CExport
from throughtime.io.c_export.exporter import export_c as export_c
