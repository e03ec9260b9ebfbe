"""Settings of the compiler that a command may make and a library may not."""

from typing import TYPE_CHECKING

from fathom.nn.xla import jax, when_loaded

if TYPE_CHECKING:
    from fathom.training.engines import LoopsName

XLA_CACHE_BYTES = 256 * 2**20


def prepare_engine() -> None:
    """Let compiled programs be found again by the next command, in the user's cache folder."""
    when_loaded(_keep_programs)


def _keep_programs() -> None:
    from fathom.data.cache import cache_folder

    folder = cache_folder() / "xla"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # without a cache everything works, only later
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", XLA_CACHE_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def prepare_training(name: "LoopsName") -> None:
    """Prepare the engine, and have loops compiled while data are read, once a machine."""
    from fathom.training.engines import prepare

    prepare_engine()
    prepare(name)
