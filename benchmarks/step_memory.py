"""Memory of a step: what training takes at most, beside what is estimated before it begins.

    python benchmarks/step_memory.py [--cases dense_values,...] [--engines xla loops]

Each network takes a few steps, trained as every network is, in a process of its own, which warms
its engine up first on a network of two neurons. Told is by how much its memory grew at most since
then (the peak that Linux keeps for the process, begun anew before the network is made), and what
`fathom.training.machine.step_bytes` estimates. An estimate below the truth is a fault: the process
would be killed where a batch should have been divided. What XLA needs to compile is in the peak.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

RIGHT = 1.05  # of the estimate, that a step may take
STEPS = 2


def described(name: str) -> tuple[Any, int]:
    """Return a network and the examples of a step."""
    from fathom import (
        Activation,
        Architecture,
        BatchNorm,
        Conv2D,
        Dense,
        GlobalAveragePool,
        MaxPool,
        Residual,
    )
    from fathom.nn.blocks import Flatten

    softmax, relu = Dense(units=10, activation="softmax"), Activation(activation="relu")
    wide = Dense(units=1024, activation="relu")
    plain = Dense(units=768, activation="identity", has_bias=False)
    conv = [
        Conv2D(channels=n, kernel=(3, 3), activation="identity", has_bias=False)
        for n in (32, 64, 64)
    ]
    block = Residual(layers=(conv[1], BatchNorm(), relu, conv[2], BatchNorm()))
    layers, shape, batch = {
        # values outweigh parameters, or the reverse; one layer alone; each hidden layer as three
        "dense_values": ((wide, wide, wide), (64,), 6144),
        "dense_parameters": ((Dense(units=4096), Dense(units=4096)), (2048,), 32),
        "dense_one": ((Dense(units=8192),), (32,), 4096),
        "dense_normalized": (3 * (plain, BatchNorm(), relu), (256,), 4096),
        # pictures of 64 × 64 as convolutions alone, and of 32 × 32 with shortcuts
        "convolutions": (
            (Conv2D(channels=16), Conv2D(channels=32), MaxPool(size=2), Conv2D(channels=64),
             GlobalAveragePool()), (64, 64, 3), 128,
        ),
        "shortcuts": (
            (conv[0], BatchNorm(), relu, conv[1], BatchNorm(), relu, MaxPool(size=2), block, relu,
             block, relu, Flatten(), Dense(units=64, activation="relu")), (32, 32, 1), 96,
        ),
    }[name]  # fmt: skip
    network = Architecture(input_shape=shape, layers=(*layers, softmax), loss="cross_entropy")
    return network, batch


CASES = (
    "dense_values", "dense_parameters", "dense_one", "dense_normalized", "convolutions",
    "shortcuts",
)  # fmt: skip


def memory(field: str) -> int:
    """Return a field of what Linux says of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise SystemExit(f"this system does not say {field}")


def train_alone(name: str, engine: str) -> None:
    """Train a network, and print by how much memory grew."""
    import jax
    import jax.numpy as jnp

    from fathom.nn.network import build
    from fathom.training.engines import cores_each, loops_for, warm_up
    from fathom.training.loop import train
    from fathom.training.machine import PER_PARAMETER, PER_VALUE, _values, step_bytes
    from fathom.training.plan import Examples
    from fathom.training.recipe import Recipe

    architecture, batch = described(name)
    rng = np.random.default_rng(0)
    recipe = Recipe(batch_size=batch, epochs=STEPS)

    def make(architecture: Any, n: int) -> Examples:
        x = rng.normal(size=(n, *architecture.input_shape)).astype(np.float32)
        y = rng.integers(0, 10, n, np.int32)
        return Examples(jnp.asarray(x), jnp.asarray(y), jnp.ones(n, jnp.float32))

    network = build(architecture, jax.random.key(0))
    if engine == "loops":
        warm_up(loops_for(network))
    small = architecture.model_copy(
        update={"input_shape": (2,), "layers": (architecture.layers[-1],)}
    )
    train(build(small, jax.random.key(0)), small, recipe, make(small, 2), None, engine=engine)
    del network
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    network = build(architecture, jax.random.key(0))
    examples = make(architecture, batch)
    with cores_each(1):
        _, history = train(network, architecture, recipe, examples, None, engine=engine)
    values = batch * _values(architecture)
    print(json.dumps({
        "case": name, "engine": history.steps.engine, "batch": batch, "values": values,
        "parameters": architecture.n_parameters, "factors": [PER_VALUE, PER_PARAMETER],
        "estimated": step_bytes(architecture, batch), "taken": memory("VmHWM") - before,
        "parts": history.steps.parts,
    }))  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--engines", nargs="+", default=["xla", "loops"])
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        train_alone(*asked.alone)
        return 0
    print(
        "| network | engine | values | parameters | estimated MB | taken MB | taken / estimated |"
    )
    print("|---|---|---|---|---|---|---|")
    worst = 0.0
    for name in asked.cases.split(","):
        for engine in asked.engines:
            command = [sys.executable, __file__, "--alone", name, engine]
            found = subprocess.run(command, stdout=subprocess.PIPE, check=False)
            if found.returncode:
                print(f"| {name} | {engine} | ended with {found.returncode} |", flush=True)
                continue
            told = json.loads(found.stdout.splitlines()[-1])
            share = told["taken"] / told["estimated"]
            worst = max(worst, share)
            print(
                f"| {name} | {told['engine']} | {told['values']:,} | {told['parameters']:,} | "
                f"{told['estimated'] / 1e6:,.0f} | {told['taken'] / 1e6:,.0f} | {share:.2f} |",
                flush=True,
            )
    print(f"at most {worst:.2f} of what was estimated")
    return int(worst > RIGHT)


if __name__ == "__main__":
    sys.exit(main())
