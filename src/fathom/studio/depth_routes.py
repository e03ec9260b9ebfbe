"""The routes of the depth page."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fathom.studio.depth_messages import BendAsk, DepthStop, DepthWish, RivalsAsk
from fathom.studio.turns import Turns
from fathom.studio.wire import read, say


def depth_routes(turns: Turns) -> list[Route]:
    """Return the routes: one study at a time, and questions that are answered in their turn."""
    rooms: list[Any] = []

    def room() -> Any:
        from fathom.studio.depth import DepthRoom  # which loads what trains: only once it is asked

        if not rooms:
            rooms.append(DepthRoom())
        return rooms[0]

    async def news(request: Request) -> Response:
        return say(await run_in_threadpool(room().news))

    async def start(request: Request) -> Response:
        wish = await read(request, DepthWish)
        return say(await run_in_threadpool(room().start, wish))

    async def stop(request: Request) -> Response:
        wish = await read(request, DepthStop)
        return say(await run_in_threadpool(room().stop, wish))

    async def bend(request: Request) -> Response:
        from fathom.studio import bending

        asked = await read(request, BendAsk)
        return say(await run_in_threadpool(turns.take, bending.bend, asked))

    async def rivals(request: Request) -> Response:
        from fathom.studio import bending

        asked = await read(request, RivalsAsk)
        return say(await run_in_threadpool(turns.take, bending.rivals, asked))

    return [
        Route("/api/depth/study", news, methods=["GET"]),
        Route("/api/depth/study", start, methods=["POST"]),
        Route("/api/depth/study/stop", stop, methods=["POST"]),
        Route("/api/depth/bend", bend, methods=["POST"]),
        Route("/api/depth/rivals", rivals, methods=["POST"]),
    ]
