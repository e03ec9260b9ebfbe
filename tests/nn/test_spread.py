"""Threads of BLAS while rows, or networks, are spread over the cores."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

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
