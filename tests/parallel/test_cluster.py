"""A Ray cluster: only where Ray is installed, and only behind a token where others may reach it."""

import importlib.util
import os

import pytest

from fathom.errors import InputError
from fathom.parallel import cluster
from fathom.parallel.cluster import require_token
from fathom.parallel.controller import Controller
from fathom.parallel.journal import Journal
from fathom.parallel.opening import open_executor

HAS_RAY = importlib.util.find_spec("ray") is not None


def test_several_nodes_without_a_token_are_refused():
    require_token(1, {})
    require_token(3, {"RAY_AUTH_MODE": "token"})
    for environment in ({}, {"RAY_AUTH_MODE": "disabled"}):
        with pytest.raises(InputError, match=r"RAY_AUTH_MODE=token for a cluster.*2 nodes"):
            require_token(2, environment)


def test_without_ray_the_line_that_installs_it_is_said(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(cluster.importlib, "import_module", absent)
    with pytest.raises(InputError, match=r"pip install 'fathom-dnn\[cluster\]'"):
        open_executor("auto")


@pytest.mark.skipif(not HAS_RAY, reason="needs Ray: pip install 'fathom-dnn[cluster]'")
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_cluster_does_what_this_process_does(make, works, monkeypatch):
    known = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(works), known]))
    placed, tasks = make("double", range(6))
    journal = Journal(None, placed.key)
    with open_executor("local") as executor:
        assert sum(node.slots for node in executor.nodes()) >= 1
        assert Controller(executor, placed, journal).run(tasks) == tuple(tasks)
    assert [journal.find(task.key).payload for task in tasks] == [
        str(20 + n).encode() for n in range(6)
    ]
