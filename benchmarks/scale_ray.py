"""A Ray cluster on one machine that loses a part in the middle of a search.

python benchmarks/scale_ray.py --data DIR [--table pima] [--nodes 2] --lose link|raylet|worker|none

Each node is a network namespace of its own (Linux; `unshare` and `ip`, no privileges), all of them
on one bridge. When a few trials are done the last node loses its link, its raylet (SIGKILL) or one
of its workers. The search must end with the trials, byte by byte, of one by this process alone.
Then a client with a wrong token tries to join.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scale import begin, count_done, digests, end

HEAD = "10.77.0.1:6379"
KEEP_ALIVES = """
export RAY_grpc_client_keepalive_time_ms=10000 RAY_grpc_client_keepalive_timeout_ms=5000
export RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=3000
export RAY_health_check_failure_threshold=3 RAY_AUTH_MODE=token JAX_PLATFORMS=cpu
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
RAY="$PYTHON -m ray.scripts.scripts"
ip netns exec n1 $RAY start --head --port=6379 --node-ip-address=10.77.0.1 --num-cpus=1 \\
  --include-dashboard=false --temp-dir=$SCRATCH/r1 >$SCRATCH/start1.txt 2>&1
for n in $(seq 2 $NODES); do
  ip netns exec n$n $RAY start --address=10.77.0.1:6379 --node-ip-address=10.77.0.$n --num-cpus=1 \\
    >$SCRATCH/start$n.txt 2>&1
done
exec $PYTHON $SCRIPT --inside "$@"
"""


def run_inside(asked: argparse.Namespace) -> None:
    """Run the search within the namespaces, and take a part away."""
    table, scratch = _table(asked), Path(os.environ["SCRATCH"])
    journal, last = scratch / "ray", f"n{asked.nodes}"
    sys.executable = os.environ["PYTHON"]
    began = time.monotonic()
    driver = begin(table, asked.data, asked, HEAD, journal, ("ip", "netns", "exec", "n1"))
    while driver.poll() is None and count_done(journal) < asked.after:
        time.sleep(0.1)
    lost = time.monotonic()
    print(
        f"  {count_done(journal)} trials after {lost - began:.1f} s; losing: {asked.lose}",
        flush=True,
    )
    _lose(asked.lose, last)
    found = end(driver)
    print(
        f"  the rest after {time.monotonic() - lost:.1f} s; {'; '.join(map(str, found['notes']))}"
    )
    same = digests(journal) == json.loads((scratch / "alone.json").read_text())
    print(f"  {len(digests(journal))} trials, the same bytes as alone: {'yes' if same else 'NO'}")
    environment = {**os.environ, "RAY_AUTH_TOKEN": "0" * 64}
    probe = "import ray; ray.init(address='10.77.0.1:6379', log_to_driver=False); print('joined')"
    wrong = subprocess.run(
        ["ip", "netns", "exec", "n1", sys.executable, "-c", probe], env=environment,
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    said = "JOINED" if "joined" in wrong.stdout else "refused"
    print(f"  a client with a wrong token: {said}")


def _lose(what: str, node: str) -> None:
    """Take a part of a node away."""
    if what == "link":
        subprocess.run(["ip", "link", "set", f"v{node[1:]}", "down"], check=True)
        return
    if what == "none":
        return
    listed = subprocess.run(
        ["ip", "netns", "pids", node], capture_output=True, text=True, check=True
    ).stdout.split()
    for pid in listed:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        is_raylet = b"/raylet/raylet" in command.split(b" ")[0]
        is_worker = command.startswith(b"ray::run_on_node")
        if (what == "raylet" and is_raylet) or (what == "worker" and is_worker):
            os.kill(int(pid), 9)
            return
    print(f"  no {what} found on {node}")


def _table(asked: argparse.Namespace) -> dict[str, str]:
    suite = json.loads((asked.data / "suite.json").read_text())
    return next(one for one in suite if Path(one["file"]).stem == asked.table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with suite.json")
    parser.add_argument("--table", default="pima")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=10**6, help="of the table, the first")
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--after", type=int, default=6, help="trials before something is lost")
    parser.add_argument("--lose", choices=("link", "raylet", "worker", "none"), default="link")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        run_inside(asked)
        return
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="fs-") as folder:
        print(f"{asked.table}, {asked.nodes} nodes; load {os.getloadavg()[0]:.1f}", flush=True)
        found = end(begin(_table(asked), asked.data, asked, "here", Path(folder) / "alone"))
        (Path(folder) / "alone.json").write_text(json.dumps(digests(Path(folder) / "alone")))
        print(f"  alone: {found['seconds']:.1f} s, loss {found['loss']:.8f}", flush=True)
        token = os.urandom(32).hex()
        environment = {
            **os.environ, "SCRATCH": folder, "PYTHON": sys.executable, "SCRIPT": __file__,
            "NODES": str(asked.nodes), "RAY_AUTH_TOKEN": token,
        }  # fmt: skip
        subprocess.run(
            ["unshare", "-Urnmp", "--fork", "--mount-proc", "--kill-child", "bash", "-c",
             KEEP_ALIVES + INSIDE, "bash", *sys.argv[1:]],
            env=environment, check=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
