"""The routes of the network page: those that are there at once, and those that need the engine."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fathom.errors import InputError
from fathom.studio.entrance import NETWORK
from fathom.studio.messages import Ask, Descend, NetworkState, PageWish, Reshape, TapeRequest
from fathom.studio.wire import read, say
from fathom.values import Value

TASKS: dict[str, tuple[type[Value], str]] = {
    "answer": (NetworkState, "answer"), "why": (Ask, "explain"), "descend": (Descend, "descend"),
    "tape": (TapeRequest, "tape"),
}  # fmt: skip
ENGINE_TASKS: dict[str, tuple[type[Value], str]] = {
    "along": (Ask, "look_along"), "reshape": (Reshape, "reshape"), "page": (PageWish, "unfold"),
}  # fmt: skip


def network_routes() -> list[Route]:
    """Return the routes of what NumPy alone computes."""
    return [
        Route(f"{NETWORK}examples/{{name}}", _example),
        Route(f"{NETWORK}script", _script, methods=["POST"]),
        *(Route(f"{NETWORK}{name}", _compute, methods=["POST"]) for name in TASKS),
    ]


def engine_routes() -> list[Route]:
    """Return the routes of what the engine computes."""
    return [
        Route(f"{NETWORK}{name}", _compute_by_engine, methods=["POST"]) for name in ENGINE_TASKS
    ]


async def _example(request: Request) -> Response:
    """Give a network to begin with."""
    from fathom.studio.networks import answer, example

    name = request.path_params["name"]
    if name not in ("hand_worked", "softmax", "exclusive_or"):
        raise InputError(
            "the name of an example: hand_worked, softmax or exclusive_or", got=repr(name)[:80]
        )
    return say(await run_in_threadpool(lambda: answer(example(name))))


async def _script(request: Request) -> Response:
    """Give the network of the page as a program."""
    from fathom.studio.program import write_script

    return say(write_script(await read(request, NetworkState)))


async def _compute(request: Request) -> Response:
    """Answer a question of the network page."""
    from fathom.studio import networks

    kind, task = TASKS[request.url.path.removeprefix(NETWORK)]
    return await _answer(request, kind, getattr(networks, task))


async def _compute_by_engine(request: Request) -> Response:
    """Answer a question of the network page that NumPy alone does not."""
    from fathom.studio import reshaping

    kind, task = ENGINE_TASKS[request.url.path.removeprefix(NETWORK)]
    return await _answer(request, kind, getattr(reshaping, task))


async def _answer(
    request: Request, kind: type[Value], compute: Callable[[Value], Value]
) -> Response:
    asked = await read(request, kind)
    return say(await run_in_threadpool(compute, asked))
