"""Train several decays under equal conditions, and find a learning rate.

Importing this loads no framework; Keras is loaded when the first training starts. The records that
the functions return come from `kerasdecay.records`.
"""

from kerasdecay.records.comparison import Comparison
from kerasdecay.records.range import LearningRateRange
from kerasdecay.records.run import OutputError, Run
from kerasdecay.records.steadiness import steadiness
from kerasdecay.study.compare import compare
from kerasdecay.study.execution import LostRunsError
from kerasdecay.study.finder import find_learning_rate

__all__ = [
    "Comparison",
    "LearningRateRange",
    "LostRunsError",
    "OutputError",
    "Run",
    "compare",
    "find_learning_rate",
    "steadiness",
]
