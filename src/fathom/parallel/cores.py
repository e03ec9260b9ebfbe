"""Which of the machine's cores this process may use."""

import os


def own_cores() -> tuple[int, ...]:
    """Return the numbers of the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def n_cores() -> int:
    """Return how many cores this process may use."""
    return len(own_cores())
