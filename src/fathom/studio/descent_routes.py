"""The routes of the descent page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fathom.studio.descent_messages import CurveAsk, MapAsk, RaceAsk, SceneAsk
from fathom.studio.turns import Turns
from fathom.studio.wire import read, say
from fathom.values import Value

TASKS: dict[str, tuple[type[Value], str]] = {
    "scene": (SceneAsk, "scene"), "curve": (CurveAsk, "curve"), "map": (MapAsk, "survey"),
    "race": (RaceAsk, "run_race"),
}  # fmt: skip


def descent_routes(turns: Turns) -> list[Route]:
    """Return the routes, each a question that is answered in its turn."""

    async def answer(request: Request) -> Response:
        from fathom.studio import descent

        kind, task = TASKS[request.url.path.rpartition("/")[2]]
        asked = await read(request, kind)
        return say(await run_in_threadpool(turns.take, getattr(descent, task), asked))

    return [Route(f"/api/descent/{name}", answer, methods=["POST"]) for name in TASKS]
