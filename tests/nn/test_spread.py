"""Threads of BLAS while rows, or networks, are spread over the cores."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from fathom.nn import spread
from fathom.nn.spread import blas_alone


def threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_blas_has_its_threads_again_when_the_last_who_wanted_it_alone_is_done():
    with threadpool_limits(2, user_api="blas"):
        first, second = blas_alone(), blas_alone()
        first.__enter__()
        second.__enter__()
        assert threads() == {1}
        first.__exit__(None, None, None)
        assert threads() == {1}
        second.__exit__(None, None, None)
        assert threads() == {2}


def test_an_error_leaves_blas_as_it_was():
    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ZeroDivisionError), blas_alone():
            raise ZeroDivisionError
        assert threads() == {2}


def test_a_library_that_is_loaded_meanwhile_is_limited_by_who_comes_next(monkeypatch):
    class Library:
        def __init__(self, filepath):
            self.filepath, self.num_threads = filepath, 4

        def set_num_threads(self, n_threads):
            self.num_threads = n_threads

    first, second = Library("a"), Library("b")
    found, alone = [first], spread._BlasAlone()
    monkeypatch.setattr(spread, "_blas", lambda: found)
    with alone():
        found = [first, second]
        assert (first.num_threads, second.num_threads) == (1, 4)
        with alone():
            assert (first.num_threads, second.num_threads) == (1, 1)
        assert (first.num_threads, second.num_threads) == (1, 1)
    assert (first.num_threads, second.num_threads) == (4, 4)
