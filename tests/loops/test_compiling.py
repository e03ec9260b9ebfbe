"""How loops are compiled: for whole vector registers, wherever they are."""

import numpy as np
import pytest

from fathom.loops.compiling import exact, loop


def double(row):
    for i in range(len(row)):
        row[i] *= np.float32(2)


@pytest.mark.parametrize("how", [loop, exact])
def test_every_loop_asks_for_whole_registers(how):
    compiled, row = how(double), np.arange(5, dtype=np.float32)
    compiled(row)
    assert row.tolist() == [0, 2, 4, 6, 8]
    compiled.recompile()  # as of what was kept no text is to be had
    (text,) = compiled.inspect_llvm().values()
    assert '"prefer-vector-width"="512"' in text
