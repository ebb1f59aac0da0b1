"""How modules show themselves in a notebook."""

from __future__ import annotations

from torch import nn


class NotebookReprMixin(nn.Module):
    """A module that a notebook shows as the table of its layers."""

    def _repr_html_(self) -> str:
        from throughtime.nn._summary import summary

        return summary(self)._repr_html_()
