"""What has happened, as data: numbers and sentences. Nothing is shown here; no framework."""

from kerasdecay.records.comparison import Comparison
from kerasdecay.records.paired import Difference
from kerasdecay.records.range import Choice, LearningRateRange, Suggestion
from kerasdecay.records.run import OutputError, Run
from kerasdecay.records.search import SearchResult, TrialResult
from kerasdecay.records.steadiness import steadiness
from kerasdecay.records.trace import Event, Setup, Trace

__all__ = [
    "Choice",
    "Comparison",
    "Difference",
    "Event",
    "LearningRateRange",
    "OutputError",
    "Run",
    "SearchResult",
    "Setup",
    "Suggestion",
    "Trace",
    "TrialResult",
    "steadiness",
]
