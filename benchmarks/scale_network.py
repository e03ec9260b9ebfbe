"""One network trained by the machines of a Ray cluster, which loses a part in the middle of it.

python benchmarks/scale_network.py [--nodes 3] [--lose none link worker driver] [--width 256]

Each node is a network namespace of its own, as in `scale_ray.py`. After some epochs the last node
loses its link, its raylet or a worker (SIGKILL), or the process that decides is killed and the same
call made again. The weights must be those of this process alone, whoever was lost: to the bit
beside the same parts done here, and to 1e-5 beside one device.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from scale_ray import CASES, HEAD, IN_HEAD, lose, run_in_cluster

ROWS, COLUMNS, BATCH, PARTS = 4096, 64, 512, 4
FIND_S = 60.0  # in which a worker has to be seen at work, to be killed


def train(asked: argparse.Namespace) -> None:
    """Train the network, tell of every epoch, leave the weights in a file."""
    import jax

    from fathom.nn.architecture import Architecture
    from fathom.nn.dense import Dense
    from fathom.nn.network import build
    from fathom.training.devices import DataParallel
    from fathom.training.history import Epoch
    from fathom.training.loop import make_plan
    from fathom.training.loop import train as train_alone
    from fathom.training.monitor import Monitor
    from fathom.training.plan import Examples
    from fathom.training.program import make_program
    from fathom.training.recipe import Recipe
    from fathom.training.supervision import train_on_devices

    class Told(Monitor):
        def on_epoch(self, start: int, epoch: Epoch) -> None:
            print(json.dumps({"epoch": epoch.epoch, "loss": epoch.train_loss}), flush=True)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    known = Examples(x, (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(np.int32), np.ones(ROWS, "f4"))
    inner = [Dense(units=asked.width, activation="relu")] * 3
    layers = (*inner, Dense(units=2, activation="softmax"))
    described = Architecture(input_shape=(COLUMNS,), layers=layers, loss="cross_entropy")
    recipe = Recipe(batch_size=BATCH, epochs=asked.epochs, learning_rate=1e-3, gradient_clip=1.0)
    began = time.monotonic()
    if asked.train == "one":
        start = build(described, jax.random.fold_in(jax.random.key(0), 0))
        program = make_program(make_plan(described, recipe))
        network, _ = train_alone(
            start, described, recipe, known, None, program=program, monitor=Told()
        )
    else:
        setting = DataParallel(
            address=f"workers:{asked.train}", n_parts=PARTS, checkpoint_seconds=0,
            checkpoints=str(asked.folder / "kept") if asked.train == HEAD else None,
        )  # fmt: skip
        (network,), _ = train_on_devices(described, recipe, known, None, setting, monitor=Told())
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(network)]
    np.save(asked.folder / f"{asked.train.split(':')[0]}.npy", np.concatenate(leaves))
    print(json.dumps({"seconds": time.monotonic() - began, "numbers": sum(map(len, leaves))}))


def begin(asked: argparse.Namespace, how: str, folder: Path, *within: str) -> subprocess.Popen[str]:
    """Begin a training in a process of its own."""
    told = ["--train", how, "--folder", str(folder), "--width", str(asked.width)]
    return subprocess.Popen(
        [*within, sys.executable, str(Path(__file__).resolve()), *told, "--epochs",
         str(asked.epochs)], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def follow(
    process: subprocess.Popen[str], until: int | None = None
) -> tuple[dict[str, float], float]:
    """Return what a training told last, and how long it was silent at most, in seconds."""
    assert process.stdout is not None
    last, mark, pause = {}, time.monotonic(), 0.0
    for line in process.stdout:
        if not line.startswith("{"):
            continue
        last, now = json.loads(line), time.monotonic()
        pause, mark = max(pause, now - mark), now
        if until is not None and last.get("epoch", 0) >= until:
            return last, pause
    if process.wait():
        raise SystemExit(f"the training ended with exit code {process.returncode}")
    return last, pause


def run_inside(asked: argparse.Namespace) -> None:
    """Train within the namespaces, and take a part away."""
    folder, case = Path(os.environ["SCRATCH"]), asked.lose[0]
    began = time.monotonic()
    driver = begin(asked, HEAD, folder, *IN_HEAD)
    follow(driver, until=asked.after)
    until = time.monotonic() + FIND_S
    while True:  # a worker is at a part only now and then
        try:
            lose(case, asked.nodes, driver)
            break
        except SystemExit:
            if time.monotonic() > until:
                raise
    if case == "driver":
        driver = begin(asked, HEAD, folder, *IN_HEAD)
    _, pause = follow(driver)
    seconds = time.monotonic() - began
    found = np.load(folder / "10.77.0.1.npy")
    one, parts = (np.load(folder.parent / f"{name}.npy") for name in ("one", "here"))
    print(
        f"  {case:7} {seconds:6.1f} s, silent for {pause:5.1f} s at most; beside the "
        f"same parts here {np.abs(found - parts).max():.1e}, beside one device "
        f"{np.abs(found - one).max():.1e}", flush=True,
    )  # fmt: skip
    if np.abs(found - one).max() > 1e-5:
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=13)
    parser.add_argument("--after", type=int, default=4, help="epochs before something is lost")
    parser.add_argument("--lose", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.train:
        train(asked)
        return
    if asked.inside:
        run_inside(asked)
        return
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="fs-") as place:
        folder = Path(place)
        for how in ("one", "here"):
            last, _ = follow(begin(asked, how, folder))
            print(f"{how}: {last['seconds']:.1f} s, {last['numbers']:,} numbers; "
                  f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
        for case in asked.lose:
            (folder / case).mkdir()
            run_case(asked, case, folder / case)


def run_case(asked: argparse.Namespace, case: str, scratch: Path) -> None:
    """Make the namespaces with a cluster in them, and run this file inside."""
    told = ["--lose", case]
    for name in ("nodes", "width", "epochs", "after"):
        told += [f"--{name}", str(getattr(asked, name))]
    run_in_cluster(__file__, told, case, asked.nodes, scratch)


if __name__ == "__main__":
    main()
