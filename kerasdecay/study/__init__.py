"""Train several decays on equal terms, and keep what happened as data.

Nothing here loads a framework before the first training: finished runs are read, tabulated and
plotted without one.
"""

from kerasdecay.study.compare import compare
from kerasdecay.study.comparison import Comparison
from kerasdecay.study.runs import OutputError, Run
from kerasdecay.study.steadiness import steadiness

__all__ = ["Comparison", "OutputError", "Run", "compare", "steadiness"]
