"""What has happened, as data: numbers and sentences. Nothing is shown here; no framework."""

from kerasdecay.records.trace import Event, Setup, Trace

__all__ = ["Event", "Setup", "Trace"]
