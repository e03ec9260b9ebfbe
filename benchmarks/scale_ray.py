"""A Ray cluster on one machine that loses a part in the middle of a search.

python benchmarks/scale_ray.py --data DIR [--table pima] [--nodes 3] [--lose link raylet ...]

Each node is a network namespace of its own (Linux; `unshare` and `ip`, no privileges), all of them
on one bridge, with one processor each. When a few trials are done, the last node loses its link,
its raylet or a worker (SIGKILL), or the process that decides is killed and begun again. The search
must end with the trials, byte by byte, and the model of one by a single process, and count no trial
twice. Then others try to join with a wrong token.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from scale import begin, count_done, digests, end

CASES = ("none", "link", "raylet", "worker", "driver")
HEAD = "10.77.0.1:6379"
IN_HEAD = ("ip", "netns", "exec", "n1")
LEAST_S = 90.0  # that somebody with a wrong token is given to be let in
KEEP_ALIVES = """
export RAY_grpc_client_keepalive_time_ms=10000 RAY_grpc_client_keepalive_timeout_ms=5000
export RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=3000
export RAY_health_check_failure_threshold=3 RAY_AUTH_MODE=token JAX_PLATFORMS=cpu
export RAY_worker_niceness=0
"""
INSIDE = """
set -e
mount -t tmpfs none /run
mkdir -p /run/netns
ip link set lo up
ip link add hub type bridge
ip link set hub up
for n in $(seq 1 $NODES); do
  ip netns add n$n
  ip link add v$n type veth peer name e$n
  ip link set e$n netns n$n
  ip link set v$n master hub
  ip link set v$n up
  ip netns exec n$n ip link set lo up
  ip netns exec n$n ip addr add 10.77.0.$n/24 dev e$n
  ip netns exec n$n ip link set e$n up
done
START="$PYTHON -m ray.scripts.scripts start --num-cpus=1 --object-store-memory=100000000"
ip netns exec n1 $START --head --port=6379 --node-ip-address=10.77.0.1 \\
  --include-dashboard=false --temp-dir=$SCRATCH/r >$SCRATCH/start1.txt 2>&1 </dev/null
for n in $(seq 2 $NODES); do
  ip netns exec n$n $START --address=10.77.0.1:6379 --node-ip-address=10.77.0.$n \\
    >$SCRATCH/start$n.txt 2>&1 </dev/null
done
exec $PYTHON $SCRIPT --inside "$@"
"""


def run_inside(asked: argparse.Namespace) -> None:
    """Run the search within the namespaces, and take a part away."""
    table, scratch = table_of(asked), Path(os.environ["SCRATCH"])
    journal, case, started = scratch / "ray", asked.lose[0], time.monotonic()
    driver = begin(table, asked.data, asked, HEAD, journal, IN_HEAD)
    while driver.poll() is None and count_done(journal) < asked.after:
        time.sleep(0.05)
    lost, n_before = time.monotonic(), count_done(journal)
    lose(case, asked.nodes, driver)
    print(f"  {n_before} trials in {lost - started:.1f} s, then: {case}", flush=True)
    if case == "driver":
        driver = begin(table, asked.data, asked, HEAD, journal, IN_HEAD)
    noticed = watch(driver, journal, case, lost)
    found = end(driver)
    print(f"  ended {time.monotonic() - lost:.1f} s later{noticed}")
    print("  " + ("; ".join(map(str, found["notes"])) or "nothing to note"))  # type: ignore[call-overload]
    say_same(found, journal, json.loads((scratch / "alone.json").read_text()))
    if asked.intrude:
        intrude(table, asked.data, scratch)


def lose(case: str, n_nodes: int, driver: subprocess.Popen[str]) -> None:
    """Take a part of the last node away, or the process that decides."""
    if case == "driver":
        driver.kill()
        driver.communicate()
    elif case == "link":
        subprocess.run(["ip", "link", "set", f"v{n_nodes}", "down"], check=True)
    elif case in ("raylet", "worker"):
        wanted = {"raylet": b"/raylet/raylet", "worker": b"ray::run_on_node"}[case]
        listed = subprocess.run(
            ["ip", "netns", "pids", f"n{n_nodes}"], capture_output=True, text=True, check=True
        ).stdout.split()
        found = [pid for pid in listed if wanted in command_of(pid).split(b" ")[0]]
        if not found:
            raise SystemExit(f"expected a {case} on node {n_nodes} — got none")
        os.kill(int(found[0]), 9)


def command_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:  # gone meanwhile
        return b""


def watch(driver: subprocess.Popen[str], journal: Path, case: str, since: float) -> str:
    """Wait until the loss of a trial stands in the journal; say when that was."""
    if case in ("none", "driver"):
        return ""
    while driver.poll() is None:
        if '"what": "lost"' in (journal / "journal.jsonl").read_text():
            return f"; the loss was noticed after {time.monotonic() - since:.1f} s"
        time.sleep(0.05)
    return "; no trial was lost"


def say_same(found: dict[str, object], journal: Path, alone: dict[str, object]) -> None:
    """Compare trials and model with those of the search alone."""
    lines = map(json.loads, (journal / "journal.jsonl").read_text().splitlines())
    counted = Counter(line["task"] for line in lines if line["what"] == "done")
    trials = digests(journal)
    answers = {
        f"{len(trials)} trials, the same bytes as alone": trials == alone["trials"],
        "the same model": found["says"] == alone["says"],
        "each counted once": set(counted) == set(trials) and max(counted.values()) == 1,
    }
    print("  " + "; ".join(f"{what}: {'yes' if so else 'NO'}" for what, so in answers.items()),
          flush=True)  # fmt: skip
    if not all(answers.values()):
        raise SystemExit(1)


def intrude(table: dict[str, str], data: Path, scratch: Path) -> None:
    """Have a search and a node try to join with a wrong token, and with none."""
    wrong = {**os.environ, "RAY_AUTH_TOKEN": "0" * 64}
    none = {name: value for name, value in wrong.items() if not name.startswith("RAY_AUTH")}
    train = [sys.executable, "-m", "fathom", "train", str(data / table["file"]), "--target",
             table["target"], "--output", str(scratch / "m.fathom"), "--cluster", HEAD]  # fmt: skip
    node = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={HEAD}",
            "--node-ip-address=10.77.0.1", "--num-cpus=1"]  # fmt: skip
    for who, command in (("a search", train), ("a node", node)):
        for what, environment in (("a wrong token", wrong), ("no token", none)):
            began = time.monotonic()
            try:
                run = subprocess.run(
                    [*IN_HEAD, *command], env=environment, capture_output=True, text=True,
                    check=False, timeout=LEAST_S, stdin=subprocess.DEVNULL,
                )  # fmt: skip
                said = (run.stderr + run.stdout).strip().splitlines() or [""]
                became = "JOINED" if run.returncode == 0 else f"exit code {run.returncode}"
            except subprocess.TimeoutExpired:
                said, became = [""], f"not let in within {LEAST_S:.0f} s"
            print(f"  {who} with {what}: {became}, {time.monotonic() - began:.1f} s; {said[-1]}",
                  flush=True)  # fmt: skip


def table_of(asked: argparse.Namespace) -> dict[str, str]:
    suite = json.loads((asked.data / "suite.json").read_text())
    return next(one for one in suite if Path(one["file"]).stem == asked.table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with tables/suite.json")
    parser.add_argument("--table", default="pima")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=120, help="of the table, the first")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--after", type=int, default=6, help="trials before something is lost")
    parser.add_argument("--lose", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--intrude", action="store_true", help="try to join without the token")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        run_inside(asked)
        return
    asked.data = asked.data / "tables"
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="fs-") as folder:
        alone = Path(folder) / "alone"
        found = end(begin(table_of(asked), asked.data, asked, "here", alone))
        known = json.dumps({"trials": digests(alone), "says": found["says"]})
        print(f"{asked.table}, {asked.rows} rows, alone: {found['seconds']:.1f} s, "
              f"loss {found['loss']:.8f}; load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
        for case in asked.lose:
            scratch = Path(folder) / case
            scratch.mkdir()
            (scratch / "alone.json").write_text(known)
            print(f"{asked.nodes} nodes; load {os.getloadavg()[0]:.1f}", flush=True)
            run_case(asked, case, scratch)


def run_case(asked: argparse.Namespace, case: str, scratch: Path) -> None:
    """Make the namespaces with a cluster in them, and run this file inside."""
    told = ["--data", str(asked.data), "--lose", case, *["--intrude"] * asked.intrude]
    for name in ("table", "rounds", "rows", "nodes", "after"):
        told += [f"--{name}", str(getattr(asked, name))]
    run_in_cluster(__file__, told, case, asked.nodes, scratch)


def run_in_cluster(script: str, told: list[str], case: str, n_nodes: int, scratch: Path) -> None:
    """Run a file with --inside in the namespaces of a cluster, which end with it."""
    known = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {
        **os.environ, "SCRATCH": str(scratch), "PYTHON": sys.executable, "PYTHONPATH": known,
        "SCRIPT": str(Path(script).resolve()), "NODES": str(n_nodes),
        "RAY_AUTH_TOKEN": os.urandom(32).hex(),
    }  # fmt: skip
    made = subprocess.run(
        ["unshare", "-Urnmp", "--fork", "--mount-proc", "--kill-child", "bash", "-c",
         KEEP_ALIVES + INSIDE, "bash", *told],
        env=environment, check=False,
    )  # fmt: skip
    if made.returncode:
        said = [place.read_text()[-2000:] for place in sorted(scratch.glob("start*.txt"))]
        raise SystemExit(f"{case} failed with exit code {made.returncode}\n" + "\n".join(said))


if __name__ == "__main__":
    main()
