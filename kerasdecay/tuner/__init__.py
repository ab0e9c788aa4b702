"""Let KerasTuner choose the decay, its rate and its parameters, for any hypermodel.

Needs the extra `tuner`: `pip install "kerasdecay[tuner]"`.
"""

from kerasdecay.records import SearchResult, TrialResult
from kerasdecay.tuner import _requirements  # noqa: F401 (first of all that import keras_tuner)
from kerasdecay.tuner.candidates import DECAYS, Candidate, Settings, choice, log_uniform
from kerasdecay.tuner.hyper_model import DecayHyperModel
from kerasdecay.tuner.search import best_decay, search_result
from kerasdecay.tuner.space import Space, decay_from_hp

__all__ = [
    "DECAYS",
    "Candidate",
    "DecayHyperModel",
    "SearchResult",
    "Settings",
    "Space",
    "TrialResult",
    "best_decay",
    "choice",
    "decay_from_hp",
    "log_uniform",
    "search_result",
]
