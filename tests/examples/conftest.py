import pytest

from kerasdecay.study import Comparison
from kerasdecay.tuner import SearchResult


@pytest.fixture
def titles(monkeypatch):
    """Return the titles of what is drawn, by the names of the files."""
    found = {}

    def noting(plot):
        def noted(self, path, **options):
            figure = plot(self, path, **options)
            found[path.name] = figure.get_suptitle()
            return figure

        return noted

    for kind in (Comparison, SearchResult):
        monkeypatch.setattr(kind, "plot", noting(kind.plot))
    return found
