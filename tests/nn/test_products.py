"""Products in blocks of rows are the product."""

import sys

import numpy as np
import pytest

from fathom.nn.pointwise import ALIASED, Space
from fathom.nn.products import BLOCK, MOST_IN_PLACE, plan_product, rows_at_once
from fathom.nn.spread import TILE


@pytest.mark.parametrize("n_rows", [BLOCK, 3 * BLOCK, 3 * BLOCK + TILE, 8 * BLOCK - TILE])
def test_blocks_are_the_product_and_nothing_beside_it(n_rows):
    rng = np.random.default_rng(n_rows)
    weight, x = rng.normal(size=(60, 50)), rng.normal(size=(50, n_rows))
    room = np.full((63, n_rows), 5, np.float32)
    calls = plan_product(weight.astype(np.float32), x.astype(np.float32), room[1:61])
    in_blocks = n_rows > rows_at_once(weight)
    assert len(calls) == 1 + (in_blocks and n_rows % BLOCK > 0)
    for call in calls:
        call()
    np.testing.assert_allclose(room[1:61], weight @ x, rtol=1e-4, atol=1e-4)
    assert (room[[0, 61, 62]] == 5).all()


def test_few_neurons_take_rows_in_blocks_and_many_take_all():
    most = rows_at_once(np.empty((60, 50), np.float32))
    assert most * 60 * 50 <= MOST_IN_PLACE < (most + 1) * 60 * 50
    assert rows_at_once(np.empty((200, 100), np.float32)) == sys.maxsize


@pytest.mark.parametrize("n_rows", [0, 1, TILE, TILE + 1, ALIASED - 3, ALIASED, 4 * ALIASED])
def test_rows_are_filled_up_to_whole_tiles_that_lie_well(n_rows):
    space, rows = Space(), np.ones((n_rows, 3))
    space.take(-1, 3, 5000)[:] = np.nan
    held = space.hold(rows)
    assert held.shape[1] % TILE == 0
    assert held.shape[1] % ALIASED != 0
    assert n_rows <= held.shape[1] <= n_rows + 2 * TILE
    assert (held[:, :n_rows] == 1).all()
    assert (held[:, n_rows:] == 0).all()
