import threading

import jax
import jax.numpy

from fathom.nn import xla


def test_what_is_late_is_jax_itself():
    assert xla.jax.tree is jax.tree
    assert xla.jnp.float32 is jax.numpy.float32
    assert xla.is_loaded()


def test_a_function_is_compiled_once_and_keeps_its_name():
    traced = []

    @xla.jitted(static_argnames="n")
    def power(x, *, n):
        """Raise."""
        traced.append(n)
        return x**n

    assert (float(power(2.0, n=3)), float(power(4.0, n=3))) == (8.0, 64.0)
    assert traced == [3]
    assert (power.__name__, power.__doc__) == ("power", "Raise.")


def test_what_waits_for_jax_is_done_at_once_where_it_is_loaded():
    done = []
    xla.when_loaded(lambda: done.append(1))
    assert done == [1]


def test_threads_that_ask_at_once_find_everything_registered(monkeypatch):
    # as in a process that has not loaded it yet
    done, seen = threading.Event(), []
    monkeypatch.setattr(xla, "_found", {})
    monkeypatch.setattr(xla, "_is_ready", threading.Event())
    monkeypatch.setattr(xla, "_actions", [lambda: done.wait(5) and xla.jax.tree])

    def ask():
        xla.jax.numpy  # noqa: B018
        seen.append(done.is_set())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert not seen  # none goes on before what waits was done
    done.set()
    for thread in threads:
        thread.join(5)
    assert seen == [True] * 3
