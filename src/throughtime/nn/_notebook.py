"""The view of a module in a notebook."""

from __future__ import annotations

from torch import nn

from throughtime.nn._summary import summary


class NotebookReprMixin(nn.Module):
    """Show a module in a notebook as the table of its layers."""

    def _repr_html_(self) -> str:
        return summary(self)._repr_html_()
