"""A Ray cluster as an executor. Ray is imported here alone, and only when asked for."""

import importlib
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fathom.errors import ExecutorError, InputError
from fathom.parallel.executor import Executor, Node, Outcome, Placed, Result, Task, call

KEEP_ALIVES = {
    "RAY_grpc_client_keepalive_time_ms": "10000",
    "RAY_grpc_client_keepalive_timeout_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "3",
}
"""With these a cut link is noticed in 10 to 20 s instead of a minute; `ray start` on every node has
to see them too."""
GET_S = 60.0  # that a result which is there may take to come over
_KNOWN: dict[str, Any] = {}  # of a worker: the data it was given last


class RayCluster(Executor):
    """Tasks of a Ray cluster: tasks only, no actors, no retries of Ray's own.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of a cluster; ``auto`` for the one this machine belongs to; ``local`` for
        one of this machine alone, begun and ended with the executor.

    Raises
    ------
    InputError
        If Ray is not installed, there is no such cluster, or it has several nodes and no token.

    References
    ----------
    Moritz et al. (2018). Ray: a distributed framework for emerging AI applications. OSDI.

    Notes
    -----
    Whoever reaches the ports of a cluster can run code on it. So several nodes without Ray's token
    are refused; the token is not encrypted, and wants a network that is trusted.
    """

    def __init__(self, address: str) -> None:
        self._ray = _import_ray()
        for name, value in KEEP_ALIVES.items():
            os.environ.setdefault(name, value)
        try:
            self._ray.init(
                address=address, log_to_driver=False, configure_logging=False,
                include_dashboard=False if address == "local" else None,
            )  # fmt: skip
        except Exception as error:  # of whatever kind; Ray raises plain ones too
            raise InputError(
                "the address of a Ray cluster that is up", got=f"{address}: {_first_line(error)}",
                hint="start one with ray start --head --port=6379, or use --cluster processes; "
                "if it has a token, RAY_AUTH_MODE=token and its ~/.ray/auth_token belong here too",
            ) from None  # fmt: skip
        try:
            require_token(len(self.nodes()), os.environ)
        except InputError:
            self._ray.shutdown()
            raise
        self._remote = self._ray.remote(num_cpus=1, max_retries=0)(run_on_node)
        self._placed: dict[str, Any] = {}
        self._beside: dict[str, Any] = {}
        self._tickets: dict[Any, tuple[int, float]] = {}
        self._references: dict[int, Any] = {}
        self._n_submitted = 0

    def submit(self, task: Task, placed: Placed) -> int:
        """Hand a task to Ray; the data goes into its store once, and from there to each node."""
        if placed.key not in self._placed:
            self._placed[placed.key] = self._ray.put(placed.value)
        places = [self._placed[placed.key]]
        if task.beside is not None:
            if task.beside.key not in self._beside:  # the one before is in nobody's way any more
                self._beside = {task.beside.key: self._ray.put(task.beside.value)}
            places.append(self._beside[task.beside.key])
            task = replace(task, beside=Placed(task.beside.key, None))
        self._n_submitted += 1
        reference = self._remote.remote(task, places)
        self._tickets[reference] = self._n_submitted, time.monotonic()
        self._references[self._n_submitted] = reference
        return self._n_submitted

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Return what Ray has answers to."""
        if not self._tickets:
            time.sleep(timeout_s)
            return []
        ready, others = self._ray.wait(list(self._tickets), num_returns=1, timeout=timeout_s)
        if ready and others:  # what came together is told together
            ready += self._ray.wait(others, num_returns=len(others), timeout=0)[0]
        return [self._outcome(reference) for reference in ready]

    def _outcome(self, reference: Any) -> Outcome:
        ticket, began = self._tickets.pop(reference)
        del self._references[ticket]
        errors = self._ray.exceptions
        try:
            result, failure, seconds, node = self._ray.get(reference, timeout=GET_S)
        except errors.RayTaskError as error:  # before the task began: `call` catches the others
            return Outcome(ticket, failure=_last_line(error), node="ray")
        except errors.RayError:  # its worker, its node or its data is gone, or it was canceled
            return Outcome(ticket, node="ray", seconds=time.monotonic() - began)
        return Outcome(ticket, result, failure, node, seconds)

    def cancel(self, ticket: int) -> None:
        """Ask Ray to end a task by force."""
        if ticket in self._references:
            self._ray.cancel(self._references[ticket], force=True)

    def nodes(self) -> tuple[Node, ...]:
        """Return the nodes Ray takes for alive, with their processors."""
        try:
            found = self._ray.nodes()
        except Exception as error:  # Ray raises whatever the connection did
            raise ExecutorError(
                "a Ray cluster that answers", got=_first_line(error),
                hint="see to the cluster; the same command goes on from the journal",
            ) from None  # fmt: skip
        return tuple(
            Node(str(one["NodeManagerAddress"]), int(one.get("Resources", {}).get("CPU", 0)))
            for one in found if one["Alive"]
        )  # fmt: skip

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()


def run_on_node(task: Task, place: list[Any]) -> tuple[Result | None, str, float, str]:
    """Do a task on a node, whose worker keeps the data for the next one."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    ray = importlib.import_module("ray")
    if task.data not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[task.data] = ray.get(place[0])
    if task.beside is not None:
        task = replace(task, beside=Placed(task.beside.key, ray.get(place[1])))
    return *call(task, _KNOWN[task.data]), str(ray.util.get_node_ip_address())


def require_token(n_nodes: int, environment: Mapping[str, str]) -> None:
    """Refuse a cluster of several nodes whose doors stand open.

    Raises
    ------
    InputError
        If Ray is not told to ask for a token.
    """
    if n_nodes > 1 and environment.get("RAY_AUTH_MODE") != "token":
        raise InputError(
            "RAY_AUTH_MODE=token for a cluster of several nodes",
            got=f"{n_nodes} nodes that let in whoever reaches them",
            hint="make one with ray get-auth-token --generate, copy ~/.ray/auth_token to every "
            "node, set RAY_AUTH_MODE=token there and here, and start the cluster again",
        )


def _import_ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise InputError(
            "Ray, for a cluster", got="none installed",
            hint="pip install 'fathom-dnn[cluster]', or --cluster processes for this machine",
        ) from None  # fmt: skip


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _last_line(error: BaseException) -> str:
    """Return what a traceback that Ray carried over ends with."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip()[:300] if lines else type(error).__name__
