"""What has happened, as data: numbers and sentences, nothing shown, no framework."""

from kerasdecay.records.trace import Event, Setup, Trace

__all__ = ["Event", "Setup", "Trace"]
