"""Engines: which one trains what, and how the loops come to be compiled."""

import os
import subprocess
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import threadpoolctl

from fathom.loops.descent import advance
from fathom.nn.architecture import Architecture
from fathom.nn.dense import Dense
from fathom.nn.network import build
from fathom.nn.normalization import BatchNorm, LayerNorm
from fathom.training import engines
from fathom.training.engines import choose_program, cores_each, prepare, warm_up
from fathom.training.loop import make_plan
from fathom.training.monitor import Deadline
from fathom.training.recipe import Recipe

SOFTMAX = Dense(units=2, activation="softmax")
X = jnp.zeros((5, 3))


def chosen(*hidden, **how):
    architecture = Architecture(input_shape=(3,), layers=(*hidden, SOFTMAX), loss="cross_entropy")
    network = build(architecture, jax.random.key(0))
    return choose_program(make_plan(architecture, Recipe()), network, X, **how).name


def forget(monkeypatch):
    """Have this process know nothing of what is compiled."""
    found = {name: engines._Preparation() for name in ("rows", "pictures")}
    monkeypatch.setattr(engines, "_PREPARATIONS", found)


@pytest.fixture
def uncompiled(monkeypatch):
    """Have the loops not be compiled, and note the processes that are to compile them."""
    begun = []
    forget(monkeypatch)
    monkeypatch.setattr(engines, "_is_compiled", lambda name: False)

    def begin(command, **_):
        begun.append(command)
        return SimpleNamespace(wait=begun.append)  # asked to wait, it notes for how long

    monkeypatch.setattr(subprocess, "Popen", begin)
    return begun


def test_dense_networks_are_trained_by_loops_and_others_by_xla():
    warm_up()
    assert engines.are_loops_ready()
    assert chosen(Dense(units=4)) == "loops"
    assert chosen(LayerNorm(), Dense(units=4)) == "xla"
    assert chosen(Dense(units=4), engine="xla") == "xla"


def test_loops_are_waited_for_only_where_there_is_time(uncompiled):
    assert chosen(Dense(units=4), deadline=Deadline(5.0)) == "xla"
    assert len(uncompiled) == 1  # for the next time
    assert chosen(Dense(units=4), deadline=Deadline(None)) == "loops"
    assert uncompiled[1:] == [engines.COMPILE_S]  # not compiled twice, nor waited for for ever


def test_one_process_compiles_for_all(uncompiled):
    prepare()
    prepare()
    (command,) = uncompiled
    assert "compile_alone('rows')" in command[-1]
    prepare("pictures")
    assert "compile_alone('pictures')" in uncompiled[-1][-1]


def test_loops_for_pictures_are_not_waited_for_and_what_is_begun_is_gone_on_with(
    monkeypatch, uncompiled
):
    assert chosen(Dense(units=4), BatchNorm(), deadline=Deadline(None)) == "xla"
    assert len(uncompiled) == 1
    monkeypatch.setattr(engines, "_is_compiled", lambda name: True)
    assert chosen(Dense(units=4), BatchNorm()) == "xla"
    assert chosen(Dense(units=4), BatchNorm(), deadline=Deadline(9.0)) == "loops"
    assert chosen(Dense(units=4)) == "loops"
    forget(monkeypatch)
    assert chosen(Dense(units=4), BatchNorm()) == "loops"


def test_who_could_begin_again_hears_of_loops_to_come_and_has_them_compiled(
    monkeypatch, uncompiled
):
    def expected(*hidden):
        described = Architecture(input_shape=(3,), layers=(*hidden, SOFTMAX), loss="cross_entropy")
        plan = make_plan(described, Recipe())
        return engines.expected_loops(plan, build(described, jax.random.key(0)), X)

    assert expected(Dense(units=4), BatchNorm()) == "pictures"
    (command,) = uncompiled
    assert "compile_alone('pictures')" in command[-1]
    assert expected(LayerNorm()) is None  # which no loops know
    monkeypatch.setattr(engines, "_is_compiled", lambda name: True)
    assert expected(Dense(units=4), BatchNorm()) is None


def test_who_finds_another_process_compiling_leaves_it_to_that(monkeypatch, tmp_path):
    stub = SimpleNamespace(stats=SimpleNamespace(cache_path=str(tmp_path)))
    monkeypatch.setattr(engines, "_steps", lambda name: stub)
    compiled = []
    monkeypatch.setattr(engines, "warm_up", compiled.append)
    with engines._lock("rows", timeout=0.0):
        engines.compile_alone("rows")
        engines.compile_alone("pictures")
    assert compiled == ["pictures"]
    engines.compile_alone("rows")
    assert compiled == ["pictures", "rows"]


def test_nothing_is_begun_where_loops_are_compiled(monkeypatch, uncompiled):
    monkeypatch.setattr(engines, "_is_compiled", lambda name: True)
    prepare()
    assert not uncompiled


def test_a_machine_that_can_start_no_process_trains_all_the_same(monkeypatch, uncompiled):
    def fail(*_, **__):
        raise OSError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", fail)
    prepare()
    assert chosen(Dense(units=4), deadline=Deadline(1.0)) == "xla"


def test_products_keep_to_their_cores_and_are_let_go_again():
    def threads():
        np.dot(np.ones((2, 2)), np.ones((2, 2)))
        return [one["num_threads"] for one in threadpoolctl.threadpool_info()
                if one["user_api"] == "blas"]  # fmt: skip

    before = threads()
    with cores_each(1):
        assert set(threads()) == {1}
    assert threads() == before


def test_what_was_compiled_of_earlier_loops_does_not_count_and_goes(monkeypatch, tmp_path):
    stub = SimpleNamespace(
        stats=SimpleNamespace(cache_path=str(tmp_path)), py_func=advance.py_func, signatures=[]
    )
    monkeypatch.setattr(engines, "_steps", lambda name: stub)
    forget(monkeypatch)
    kept = tmp_path / "descent.advance-1.py311.nbi"
    kept.touch()
    os.utime(kept, (0, 0))
    assert not engines._is_compiled("rows")
    engines._drop_older()
    assert not kept.exists()
    kept.touch()
    os.utime(kept, (engines._written() + 1,) * 2)
    engines._drop_older()
    assert kept.exists()
    assert engines._is_compiled("rows")


def test_where_nothing_can_be_kept_each_process_compiles_for_itself(monkeypatch):
    stub = SimpleNamespace(stats=SimpleNamespace(cache_path=None), signatures=[])
    monkeypatch.setattr(engines, "_steps", lambda name: stub)
    forget(monkeypatch)
    assert not engines._is_compiled("rows")
    stub.signatures.append("compiled")
    assert engines._is_compiled("rows")
