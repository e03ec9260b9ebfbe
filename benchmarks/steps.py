"""What a training step costs on this processor, and why the loop is cut the way it is.

    python benchmarks/steps.py

Times of one step, medians, for a small convolutional network (16×16, channels 32-64-64, batch 128)
inside and outside a scan, the augmentation of a batch inside and outside, and steps of one and of
two threads.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from fathom import Architecture, Augmentation, build
from fathom.nn.blocks import Flatten
from fathom.nn.convolution import Conv2D, MaxPool
from fathom.nn.dense import Dense
from fathom.training.augmentation import augment
from fathom.training.plan import Examples, Knobs, Plan
from fathom.training.program import make_program

BATCH = 128
RNG = np.random.default_rng(0)
IMAGES = jnp.asarray((RNG.random((2000, 16, 16, 1)) > 0.5).astype(np.float32))
EXAMPLES = Examples(
    IMAGES, jnp.asarray(RNG.integers(0, 10, 2000).astype(np.int32)), jnp.ones(2000, jnp.float32)
)
NETWORK = Architecture(
    input_shape=(16, 16, 1),
    layers=(
        Conv2D(channels=32), MaxPool(), Conv2D(channels=64), Conv2D(channels=64), MaxPool(),
        Flatten(), Dense(units=10, activation="softmax"),
    ),
    loss="cross_entropy",
)  # fmt: skip
MOVES = Augmentation(shift=1.5, rotate=12, scale=0.1, shear=0.1, bend=0.5, threshold=0.5)


def median_ms(call: Callable[[], object], repeats: int) -> float:
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        times.append(1e3 * (time.perf_counter() - began))
    return float(np.median(times))


def stepper(is_scanned: bool, n_steps: int) -> Callable[[], object]:
    plan = Plan(
        "cross_entropy", "mean", "softmax", "adamw", 0.9, 0.999, "equal", None, None, is_scanned
    )
    program = make_program(plan)
    state = program.start(build(NETWORK, jax.random.key(0)))
    rows = RNG.integers(0, 2000, (n_steps, BATCH)).astype(np.int32)
    rates = np.full(n_steps, 1e-3, np.float32)
    knobs = Knobs(jnp.float32(0), jnp.float32(0))
    return lambda: program.advance(state, EXAMPLES, rows, jax.random.key(1), rates, knobs)


def main() -> None:
    alone = stepper(False, 1)
    print("| what | ms |\n|---|---|")
    print(f"| convolutional step on its own | {median_ms(alone, 30):.1f} |", flush=True)
    print(
        f"| convolutional step in a scan | {median_ms(stepper(True, 2), 3) / 2:.1f} |", flush=True
    )

    def two() -> object:
        with ThreadPoolExecutor(2) as pool:
            run = lambda _: [jax.block_until_ready(alone()) for _ in range(10)]
            return list(pool.map(run, range(2)))

    print(f"| the same, two threads, per step | {median_ms(two, 3) / 20:.1f} |", flush=True)
    rows = RNG.integers(0, 2000, (15, BATCH))
    move = jax.jit(lambda images, key: augment(images, key, MOVES))
    flat = IMAGES[rows.reshape(-1)]
    outside = median_ms(lambda: move(flat, jax.random.key(0)), 20) / 15
    print(f"| augmenting a batch, 15 at once | {outside:.2f} |", flush=True)

    @jax.jit
    def scanned(images: jax.Array, key: jax.Array) -> jax.Array:
        body = lambda total, batch: (total + augment(batch, key, MOVES).sum(), None)
        return jax.lax.scan(body, jnp.float32(0), images)[0]

    inside = median_ms(lambda: scanned(IMAGES[rows], jax.random.key(0)), 20) / 15
    print(f"| augmenting a batch inside a scan | {inside:.2f} |")


if __name__ == "__main__":
    main()
