"""A training on four devices the processor is made to have, beside that on one; differences out.

Run by `test_mesh.py` as a program of its own: how many devices there are is fixed with JAX loaded.
"""

import json
import os
import sys

os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=1"
)

import jax
import jax.numpy as jnp
import numpy as np

from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm
from fathom.training import mesh
from fathom.training.loop import make_plan, train
from fathom.training.plan import Examples
from fathom.training.recipe import Recipe

STEPS = 100
RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 8)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int32)
KNOWN = Examples(X[:200], Y[:200], RNG.uniform(0.5, 1.5, 200).astype(np.float32))
LAYERS = (
    Dense(units=12, activation="tanh"), BatchNorm(), Dropout(rate=0.2),
    Dense(units=2, activation="softmax"),
)  # fmt: skip
DESCRIBED = Architecture(input_shape=(8,), layers=LAYERS, loss="cross_entropy")
RECIPE = Recipe(
    optimizer="adamw", learning_rate=0.02, batch_size=40, epochs=STEPS // 5, weight_decay=0.1,
    gradient_clip=1.0,
)  # fmt: skip


def distance(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


def held_by_the_first(arrays):
    """Return how many numbers of arrays the first device has."""
    first = jax.devices()[0]
    shards = [s for leaf in jax.tree.leaves(arrays) for s in leaf.addressable_shards]
    return sum(shard.data.size for shard in shards if shard.device == first)


def main():
    start = build(DESCRIBED, jax.random.key(0))
    usual, _ = train(start, DESCRIBED, RECIPE, Examples(*map(jnp.asarray, KNOWN)), None,
                     engine="xla")  # fmt: skip
    found = {"moved": distance(start, usual)}
    for n_devices, sharded in [(4, "nothing"), (2, "optimizer"), (4, "weights")]:
        program = mesh.MeshProgram(
            make_plan(DESCRIBED, RECIPE), mesh.make_mesh(n_devices), sharded=sharded
        )
        state = program.start(start)
        found[sharded] = {
            "weights": held_by_the_first(state.network),
            "memory": held_by_the_first(state.optimizer),
        }
    trained, _ = train(start, DESCRIBED, RECIPE, KNOWN, None, program=program)
    found["distance"] = distance(usual, trained)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
