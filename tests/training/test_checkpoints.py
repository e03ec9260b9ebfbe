"""Checkpoints: whole or absent, and a training goes on from one as if nothing had been."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fathom.errors import InputError
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout
from fathom.nn.dense import Dense
from fathom.training import loop, peers
from fathom.training.checkpoints import read_checkpoint, read_notes, write_checkpoint
from fathom.training.council import Council
from fathom.training.devices import DataParallel
from fathom.training.mesh import make_mesh
from fathom.training.monitor import Deadline, Monitor
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe
from fathom.training.rows import RowStream

RNG = np.random.default_rng(0)
ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7, np.int32), np.zeros((0, 4), np.uint8),
    np.array([True, False]),
]  # fmt: skip
LIKE = [(array.shape, array.dtype) for array in ARRAYS]


def test_what_is_read_is_what_was_written(tmp_path):
    place = tmp_path / "kept.bin"
    assert read_notes(place) is None
    write_checkpoint(place, "not this", ARRAYS[:1])
    write_checkpoint(place, "a note\nof two lines", iter(ARRAYS))
    assert read_notes(place) == "a note\nof two lines"
    notes, found = read_checkpoint(place, lambda notes: LIKE if "note" in notes else [])
    assert notes == "a note\nof two lines"
    for array, known in zip(found, ARRAYS, strict=True):
        assert array.dtype == known.dtype
        np.testing.assert_array_equal(array, known)
    assert [one.name for one in tmp_path.iterdir()] == ["kept.bin"]


@pytest.mark.parametrize("change", ["a byte", "cut off", "longer", "empty"])
def test_what_was_damaged_is_refused(tmp_path, change):
    place = tmp_path / "kept.bin"
    write_checkpoint(place, "a note", ARRAYS)
    data = bytearray(place.read_bytes())
    if change == "a byte":
        data[len(data) // 2] ^= 1
    place.write_bytes({"cut off": data[:-9], "longer": data + b"0", "empty": b""}.get(change, data))
    with pytest.raises(InputError, match="one that was damaged"):
        read_checkpoint(place, lambda _: LIKE)


def test_arrays_of_another_network_are_refused(tmp_path):
    place = tmp_path / "kept.bin"
    write_checkpoint(place, "a note", ARRAYS)
    for like in ([((3, 2), np.dtype(np.float32))], [*LIKE, LIKE[0]], LIKE[:-1], []):
        with pytest.raises(InputError, match="one of another network"):
            read_checkpoint(place, lambda _, like=like: like)


@pytest.mark.parametrize("n", [1, 2, 7, 12])
@pytest.mark.parametrize("takes", [(), (7,), (12, 12), (1, 2, 3), (5, 2, 23), (40, 2)])
def test_a_stream_of_rows_goes_on_from_where_another_was(n, takes):
    first, second = (RowStream(np.arange(n), np.random.default_rng(5)) for _ in range(2))
    for count in takes:
        first.take(count)
    second.go_to(first.place())
    np.testing.assert_array_equal(first.take(31), second.take(31))


class Breaking(Monitor):
    """Cuts a training off in the middle of an epoch, as a killed process would."""

    def __init__(self, n):
        self.n = n

    def should_stop(self):
        self.n -= 1
        if self.n == 0:
            raise KeyboardInterrupt
        return False


@pytest.mark.parametrize("n", [3, 11], ids=["in the first epoch", "in a later one"])
def test_a_training_that_was_cut_off_comes_to_the_same_bits(tmp_path, monkeypatch, n):
    monkeypatch.setattr(loop, "CALL_FLOP", 1.0)  # a step a call
    layers = (
        Dense(units=4, activation="tanh"),
        Dropout(rate=0.3),
        Dense(units=1, activation="identity"),
    )
    described = Architecture(input_shape=(3,), layers=layers, loss="squared_error")
    x = RNG.normal(size=(25, 3)).astype(np.float32)
    known, judged = (
        Examples(part, part[:, :1] * part[:, 1:2], np.ones(len(part), np.float32))
        for part in (x[:15], x[15:])
    )  # fmt: skip
    recipe = Recipe(batch_size=4, epochs=5, learning_rate=0.05, patience=4)
    setting = DataParallel(checkpoint_seconds=0)

    def run(folder, monitor):
        folder and folder.mkdir(exist_ok=True)
        work = peers.Work(described, recipe, setting, "", "")
        return peers.train_as_one(
            described, recipe, known, judged, setting, peers.mesh_program(work, make_mesh(1)),
            council=Council(), folder=folder, monitor=monitor, deadline=Deadline(None),
        )  # fmt: skip

    network, history = run(None, Monitor())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "kept", Breaking(n))
    assert read_notes(tmp_path / "kept" / peers.UNDER_WAY) is not None
    resumed, after = run(tmp_path / "kept", Monitor())
    assert jax.tree.all(jax.tree.map(jnp.array_equal, network, resumed))
    assert (after.best_epoch, after.events, after.steps) == (
        history.best_epoch, history.events, history.steps,
    )  # fmt: skip
    assert [e.model_copy(update={"seconds": 0.0}) for e in after.epochs] == [
        e.model_copy(update={"seconds": 0.0}) for e in history.epochs
    ]
