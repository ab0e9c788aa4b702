"""Train several decays on equal terms, find a learning rate, and keep what happened as data.

Nothing here loads a framework before the first training: finished runs are read, tabulated and
plotted without one.
"""

from kerasdecay.study.compare import compare
from kerasdecay.study.comparison import Comparison
from kerasdecay.study.execution import LostRunsError
from kerasdecay.study.finder import find_learning_rate
from kerasdecay.study.learning_rate_range import LearningRateRange
from kerasdecay.study.runs import OutputError, Run
from kerasdecay.study.steadiness import steadiness

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
