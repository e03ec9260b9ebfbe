"""Every test runs with strict promotion of types and ranks, and never touches the user's cache."""

import os
from pathlib import Path

import jax
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True, scope="session")
def _strict():
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    os.environ["FATHOM_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def float64():
    """Compute in float64 inside the test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def shared():
    """Return the folder of real data, or skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data folder {SHARED}")
    return SHARED
