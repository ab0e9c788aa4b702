"""What has happened, as data: numbers and sentences, nothing shown, no framework."""

from kerasdecay.records.comparison import Comparison
from kerasdecay.records.range import LearningRateRange, Suggestion
from kerasdecay.records.run import OutputError, Run
from kerasdecay.records.steadiness import steadiness
from kerasdecay.records.trace import Event, Setup, Trace

__all__ = [
    "Comparison",
    "Event",
    "LearningRateRange",
    "OutputError",
    "Run",
    "Setup",
    "Suggestion",
    "Trace",
    "steadiness",
]
