"""The files of the benchmarks, which are no package: imported as when one of them is run."""

import importlib
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="session", autouse=True)
def _importable():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield


@pytest.fixture(scope="session")
def tables():
    return importlib.import_module("tables")


@pytest.fixture(scope="session")
def ranks():
    return importlib.import_module("tables_ranks")


@pytest.fixture(scope="session")
def scale():
    return importlib.import_module("scale_model")


@pytest.fixture(scope="session")
def simulated():
    return importlib.import_module("scale_simulated")
