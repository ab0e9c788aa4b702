"""How records and schedules show themselves: the reports that draw them load only then."""

from __future__ import annotations

import abc
from typing import Any


class InNotebook:
    """Mixin of what a notebook shows as a picture, or as text where matplotlib is missing."""

    def _repr_html_(self) -> str:
        from kerasdecay.report.notebook import html_of

        return html_of(self)


class Tabular(abc.ABC):
    """Mixin of what is a table for rich and for `print`: that of its method `table`."""

    @abc.abstractmethod
    def table(self) -> Any:
        """Return the rich table."""

    def __rich__(self) -> Any:
        return self.table()

    def __str__(self) -> str:
        from kerasdecay.report.console import printed

        return printed(self.table())
