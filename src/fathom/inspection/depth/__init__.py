"""Depth: what more hidden layers buy, measured."""

from fathom.inspection.depth.laboratory import DepthMonitor
from fathom.inspection.depth.material import DepthData, from_arrays, from_digits, from_table
from fathom.inspection.depth.rows import DepthRow
from fathom.inspection.depth.run import study_depth
from fathom.inspection.depth.study import DepthStudy
from fathom.inspection.depth.verdict import Comparison

__all__ = [
    "Comparison", "DepthData", "DepthMonitor", "DepthRow", "DepthStudy", "from_arrays",
    "from_digits", "from_table", "study_depth",
]  # fmt: skip
