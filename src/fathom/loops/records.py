"""A network as the loops see it: one record a layer, one long row of parameters.

Every layer's parameters lie one after another in the row; `weight`, `bias` and the others say
where; what an optimizer may not touch lies in a row of statistics. A layer's activations a and
slopes f′ for a batch lie in a working row, at so many places an example.
"""

import numpy as np

COLUMNS, GAIN, DENSE, ACTIVATION, CONVOLUTION, POOL, NORM, JOIN = range(8)
AS_IS, PIECEWISE, THERMOMETER, PERIODIC = range(4)
CROSS_ENTROPY, BINARY_CROSS_ENTROPY, SQUARED_ERROR = range(3)

LAYER = np.dtype(
    [
        ("kind", np.int64),
        ("activation", np.int64),
        ("n_in", np.int64),
        ("n_out", np.int64),
        ("a", np.int64),  # places an example before its activations in the working row
        ("slope", np.int64),  # the same for its slopes
        ("passes_back", np.int64),  # whether a layer before it has parameters
        ("begin", np.int64),  # first parameter
        ("end", np.int64),
        ("weight", np.int64),
        ("bias", np.int64),  # -1: none
        ("splits", np.int64),  # whether a matrix unit multiplies, see `fathom.loops.halves`
        ("keep", np.float64),  # share of its activations that a dropout behind it keeps, or 1
        # columns only
        ("form", np.int64),
        ("n_numbers", np.int64),
        ("n_plain", np.int64),
        ("parts", np.int64),  # bins, or waves
        ("units", np.int64),  # mixtures a number
        ("frequency", np.int64),
        ("phase", np.int64),
        ("mix", np.int64),
        ("shift", np.int64),
        ("table", np.int64),
        ("category_units", np.int64),
        # pictures only; of a pool the kernel is the square
        ("height", np.int64),
        ("width", np.int64),
        ("channels", np.int64),  # of a normalization, its features
        ("height_out", np.int64),
        ("width_out", np.int64),
        ("channels_out", np.int64),
        ("kernel_height", np.int64),
        ("kernel_width", np.int64),
        ("stride", np.int64),
        ("top", np.int64),  # rows of zeros above the picture
        ("left", np.int64),
        ("is_max", np.int64),
        ("for_norm", np.int64),  # whether it finds the gradient of what normalizes its inputs, too
        # normalization only
        ("running", np.int64),  # first of its statistics
        ("scale", np.int64),
        ("offset", np.int64),
        ("momentum", np.float64),
        ("epsilon", np.float64),
        # blocks with a shortcut: of the join at the end of one, and of its first layer
        ("source", np.int64),  # places an example before what the block takes; -1: the inputs
        ("n_source", np.int64),
        ("join", np.int64),  # number of the block's join, 0: this layer begins none
    ],
    align=True,
)

PIECE = np.dtype(
    [("begin", np.int64), ("end", np.int64), ("rate", np.float64), ("decays", np.float64)],
    align=True,
)
"""Parameters that take steps of one size: from where to where, the factor of their learning rate,
and 1 where they decay."""

CODE = np.dtype([("column", np.int64), ("code", np.int64)], align=True)
"""A column of codes, and a code of it (one-hot) or its first row in the table (embedded)."""
