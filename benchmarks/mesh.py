"""One network on many devices: the same weights, whoever dies, and what it costs and saves.

python benchmarks/mesh.py [--counts 1 2 4] [--width 64] [--depth 3] [--steps 100] [--kills 2]
    [--large 1000]

The weights after some steps, by 1, 2 and 4 processes and by as many devices that the processor is
made to have, beside those of one device; then by two processes of which one is killed (SIGKILL) now
and then, with ``--stop`` also by two of which one is stopped (SIGSTOP). With ``--large``: what a
device holds of a network of 20 layers so wide, and what a step takes, whatever is divided.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASE = """
import json, sys, time
import jax, numpy as np, jax.numpy as jnp
from fathom.nn.architecture import Architecture
from fathom.nn.blocks import Dropout
from fathom.nn.dense import Dense
from fathom.nn.normalization import BatchNorm
from fathom.training.devices import DataParallel
from fathom.training.loop import make_plan
from fathom.training.mesh import MeshProgram, make_mesh
from fathom.training.monitor import Monitor
from fathom.training.plan import Examples, Knobs
from fathom.training.program import make_program
from fathom.training.loop import train
from fathom.nn.network import build
from fathom.training.recipe import Recipe
from fathom.training.supervision import train_on_devices

class Told(Monitor):
    def on_epoch(self, start, epoch):
        print(json.dumps({"epoch": epoch.epoch}), flush=True)

def main():
    asked = json.loads(sys.argv[1])
    rng, width = np.random.default_rng(0), asked["width"]
    x = rng.normal(size=(1024, 32)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(np.int32)
    known = Examples(x, y, np.ones(len(y), np.float32))
    inner = [Dense(units=width, activation="relu"), BatchNorm(), Dropout(rate=0.1)]
    if asked["large"]:
        inner = [Dense(units=width, activation="relu")]
    layers = (*(inner * asked["depth"]), Dense(units=2, activation="softmax"))
    described = Architecture(input_shape=(32,), layers=layers, loss="cross_entropy")
    recipe = Recipe(batch_size=asked["batch"], epochs=asked["epochs"], learning_rate=0.003,
                    weight_decay=0.01, gradient_clip=1.0)
    if asked["large"]:
        return weigh(asked, described, recipe, known)
    began = time.monotonic()
    key = jax.random.fold_in(jax.random.key(0), 0)
    if asked["address"]:
        setting = DataParallel(**asked["setting"], address=asked["address"])
        (network,), history = train_on_devices(
            described, recipe, known, None, setting, monitor=Told())
    else:
        network, _ = train(build(described, key), described, recipe,
                           Examples(*map(jnp.asarray, known)), None,
                           program=make_program(make_plan(described, recipe)))
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(network)]
    np.save(asked["out"], np.concatenate(leaves))
    print(json.dumps({"seconds": time.monotonic() - began}))

def weigh(asked, described, recipe, known):
    program = MeshProgram(make_plan(described, recipe), make_mesh(),
                          sharded=asked["setting"]["sharded"],
                          rematerialize=asked["setting"]["rematerialize"])
    state = program.start(build(described, jax.random.key(0)))
    first = jax.devices()[0]
    held = sum(shard.data.nbytes for leaf in jax.tree.leaves(state)
               for shard in leaf.addressable_shards if shard.device == first)
    rows = np.arange(4 * asked["batch"], dtype=np.int32).reshape(4, -1) % len(known.weight)
    key, rates = program.draw(0, 0, 0), np.full(4, 1e-3, np.float32)
    knobs = Knobs(np.float32(0), np.float32(0))
    batches = Examples(*(program._deal(part, rows) for part in known))
    lowered = program._advance.lower(state, batches, key, rates, knobs).compile()
    work = lowered.memory_analysis().temp_size_in_bytes
    times = []
    for _ in range(4):
        began = time.monotonic()
        state, _, _ = program.advance(state, known, rows, key, rates, knobs)
        jax.block_until_ready(state)
        times.append((time.monotonic() - began) / 4)
    print(json.dumps({"held": held, "work": work, "step": sorted(times)[1]}))

if __name__ == "__main__":
    main()
"""


def begin(folder: Path, name: str, asked: argparse.Namespace, address: str, devices: int = 1,
          **more: object) -> subprocess.Popen[str]:  # fmt: skip
    """Begin a training in a process of its own, which has so many devices."""
    told = {
        "address": address, "width": asked.width, "depth": asked.depth, "batch": 128,
        "epochs": -(-asked.steps // 8), "out": str(folder / f"{name}.npy"), "large": False,
        "setting": {}, **more,
    }  # fmt: skip
    flags = f"--xla_force_host_platform_device_count={devices}"
    script = folder / "case.py"
    script.write_text(CASE)
    return subprocess.Popen(
        [sys.executable, str(script), json.dumps(told)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "XLA_FLAGS": flags if devices > 1 else ""},
    )  # fmt: skip


def end(process: subprocess.Popen[str]) -> dict[str, float]:
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"the training ended with exit code {process.returncode}")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def compare(folder: Path, asked: argparse.Namespace) -> None:
    """Train by different numbers of devices and processes."""
    import numpy as np

    print(f"{asked.depth} × {asked.width}, batch normalization, dropout; {asked.steps} steps of "
          f"128 examples; load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print("trained by             seconds  largest difference of a weight")
    seconds = end(begin(folder, "one", asked, ""))["seconds"]
    print(f"{'one device':22} {seconds:7.1f}")
    first = np.load(folder / "one.npy")
    cases = [(f"devices:{n}", n, "nothing") for n in asked.counts]
    cases += [(f"processes:{n}", 1, "nothing") for n in asked.counts]
    most = asked.counts[-1]
    cases += [(f"devices:{most}", most, kind) for kind in ("optimizer", "weights")]
    cases += [(f"processes:{most}", 1, kind) for kind in ("optimizer", "weights")]
    for address, devices, sharded in cases:
        name = address + (f" {sharded}" if sharded != "nothing" else "")
        found = end(begin(folder, name, asked, address, devices, setting={"sharded": sharded}))
        difference = np.abs(np.load(folder / f"{name}.npy") - first).max()
        print(f"{name:22} {found['seconds']:7.1f}  {difference:.1e}", flush=True)
    for kills, signal_ in ((asked.kills, signal.SIGKILL), (int(asked.stop), signal.SIGSTOP)):
        if kills:
            run_killed(folder, asked, first, kills, signal_)


def run_killed(folder: Path, asked: argparse.Namespace, first: object, kills: int,
               how: signal.Signals) -> None:  # fmt: skip
    """Train by two processes, one of which is killed now and then."""
    import numpy as np

    setting = {"checkpoints": str(folder / how.name), "checkpoint_seconds": 0.0}
    began, rng, lost = time.monotonic(), random.Random(0), 0
    driver = begin(folder, how.name, asked, "processes:2", setting=setting)
    n_epochs, last = -(-asked.steps // 8), ""
    assert driver.stdout is not None
    for line in driver.stdout:
        last = line
        epoch = json.loads(line).get("epoch", 0)
        if lost < kills and epoch > (lost + 1) * n_epochs // (kills + 2):
            victim = rng.choice(children(driver.pid))
            os.kill(victim, how)
            lost += 1
            print(f"  {how.name} to one of two after epoch {epoch} of {n_epochs}", flush=True)
    if driver.wait():
        raise SystemExit(f"the training ended with exit code {driver.returncode}, after {last!r}")
    difference = np.abs(np.load(folder / f"{how.name}.npy") - first).max()
    print(f"{f'{how.name} × {lost}':22} {time.monotonic() - began:7.1f}  {difference:.1e}")


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def weigh(folder: Path, asked: argparse.Namespace) -> None:
    """Say what a device holds of a large network, and what a step takes."""
    print(f"\n20 × {asked.large}, Adam, batches of 512; load {os.getloadavg()[0]:.1f}")
    print("devices  divided    rematerialized  MB held  MB for a step  ms a step")
    for devices, sharded, again in (
        (1, "nothing", False), (1, "nothing", True), (4, "nothing", False), (4, "nothing", True),
        (4, "optimizer", False), (4, "weights", True),
    ):  # fmt: skip
        found = end(begin(
            folder, "large", asked, "", devices, large=True, width=asked.large, depth=20, batch=512,
            setting={"sharded": sharded, "rematerialize": again},
        ))  # fmt: skip
        twice, held, work = "yes" if again else "no", found["held"] / 1e6, found["work"] / 1e6
        print(f"{devices:7}  {sharded:9}  {twice:14}  {held:7.1f}  {work:13.1f}  "
              f"{1e3 * found['step']:9.1f}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--stop", action="store_true", help="stop one too, which is noticed late")
    parser.add_argument("--large", type=int, default=0, help="width of a network to be weighed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.large:
            weigh(Path(folder), asked)
        else:
            compare(Path(folder), asked)


if __name__ == "__main__":
    main()
