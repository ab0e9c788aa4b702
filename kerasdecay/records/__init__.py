"""What has happened, as data: numbers and sentences. Nothing is shown here; no framework."""

from kerasdecay.records.search import SearchResult, TrialResult
from kerasdecay.records.trace import Event, Setup, Trace

__all__ = ["Event", "SearchResult", "Setup", "Trace", "TrialResult"]
