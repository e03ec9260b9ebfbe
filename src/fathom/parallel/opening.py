"""Opening: from an address to the executor it means."""

import re

from fathom.errors import InputError
from fathom.parallel.executor import Executor
from fathom.parallel.here import Here
from fathom.parallel.processes import Processes

MOST_PROCESSES = 1024
_HINT = (
    "here; processes or processes:4 for this machine; auto, local or HOST:PORT for a Ray cluster"
)


def require_address(address: str) -> str:
    """Return an address, once it is one.

    Raises
    ------
    InputError
        If it names no kind of executor.

    Examples
    --------
    >>> require_address("processes:4")
    'processes:4'
    """
    count = _count(address)
    is_known = address in ("here", "auto", "local", "processes") or count is not None
    if not is_known and not re.fullmatch(r"(ray://)?[\w.\-\[\]:]*[\w\]]:\d{1,5}", address):
        raise InputError("an address of workers", got=repr(address)[:80], hint=_HINT)
    if count is not None and not 1 <= count <= MOST_PROCESSES:
        raise InputError(f"1 to {MOST_PROCESSES} processes", got=f"{count}", hint=_HINT)
    return address


def open_executor(address: str) -> Executor:
    """Return the executor an address means, its workers started or its cluster joined.

    Raises
    ------
    InputError
        If it names none, or its cluster cannot be joined.
    """
    require_address(address)
    if address == "here":
        return Here()
    count = _count(address)
    if address == "processes" or count is not None:
        return Processes(count)
    from fathom.parallel.cluster import RayCluster

    return RayCluster(address)


def _count(address: str) -> int | None:
    found = re.fullmatch(r"processes:(\d{1,9})", address)
    return int(found[1]) if found else None
