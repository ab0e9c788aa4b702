"""The controller: what every rate should be, from schedules and rules alone. No framework."""

from kerasdecay.control.bookmark import Bookmark, TrackBookmark
from kerasdecay.control.controller import Controller
from kerasdecay.control.store import StateFile
from kerasdecay.control.track import FunctionRates, ScheduledRates, Track

__all__ = [
    "Bookmark",
    "Controller",
    "FunctionRates",
    "ScheduledRates",
    "StateFile",
    "Track",
    "TrackBookmark",
]
