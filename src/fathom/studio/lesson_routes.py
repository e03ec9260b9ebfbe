"""The routes of the lessons page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fathom.studio.lesson_messages import LessonAnswer
from fathom.studio.wire import read, say


def lesson_routes() -> list[Route]:
    """Return the routes, each a few lines between a message and the course."""
    return [
        Route("/api/lessons", _lessons),
        Route("/api/lessons/check", _check, methods=["POST"]),
    ]


async def _lessons(request: Request) -> Response:
    """Give all lessons."""
    from fathom.studio.lessons import every_lesson

    return say(await run_in_threadpool(every_lesson))


async def _check(request: Request) -> Response:
    """Say whether an answer is right."""
    from fathom.studio.lessons import check

    return say(await run_in_threadpool(check, await read(request, LessonAnswer)))
