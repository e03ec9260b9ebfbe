"""The studio's application: its routes, each a few lines between a message and a room below."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fathom.errors import InputError
from fathom.studio.depth_routes import depth_routes
from fathom.studio.descent_routes import descent_routes
from fathom.studio.digit_routes import DigitRoutes
from fathom.studio.digits import DigitRoom
from fathom.studio.jobs import Jobs
from fathom.studio.lesson_routes import lesson_routes
from fathom.studio.messages import Ask, Descend, NetworkState, PageWish, Reshape, TapeRequest
from fathom.studio.result_routes import ResultRoutes
from fathom.studio.security import UPLOAD, App
from fathom.studio.table_messages import Correction, JobRequest, MoreTime
from fathom.studio.tables import Tables
from fathom.studio.telling import tell
from fathom.studio.turns import Turns
from fathom.studio.wire import application_of, read, say, say_json
from fathom.values import Value


class Studio:
    """Everything the routes share.

    Parameters
    ----------
    folder : Path
        Where tables and searches are kept.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.tables = Tables(folder / "tables")
        self.jobs = Jobs(folder / "jobs", self.tables)
        self.turns = Turns()
        self.digits = DigitRoom(folder / "digits")

    def application(self) -> App:
        """Return the application; who may speak to it is known before."""
        routes = [
            Route("/api/network/examples/{name}", self.example),
            Route("/api/network/script", self.script, methods=["POST"]),
            *(
                Route(f"/api/network/{name}", self.compute, methods=["POST"])
                for name in NETWORK_TASKS
            ),
            Route(UPLOAD, self.upload, methods=["POST"]),
            Route("/api/tables/{id}", self.table),
            Route("/api/tables/{id}/correction", self.correct, methods=["POST"]),
            Route("/api/jobs", self.every_job, methods=["GET"]),
            Route("/api/jobs", self.start, methods=["POST"]),
            Route("/api/jobs/{id}", self.job, methods=["GET"]),
            Route("/api/jobs/{id}", self.remove, methods=["DELETE"]),
            Route("/api/jobs/{id}/events", self.events),
            Route("/api/jobs/{id}/stop", self.stop, methods=["POST"]),
            Route("/api/jobs/{id}/more", self.go_on, methods=["POST"]),
            *ResultRoutes(self.jobs, self.turns).every(),
            *descent_routes(self.turns),
            *depth_routes(self.turns),
            *DigitRoutes(self.digits).every(),
            *lesson_routes(),
        ]
        return application_of(routes)

    async def example(self, request: Request) -> Response:
        """Give a network to begin with."""
        from fathom.studio.networks import answer, example

        name = request.path_params["name"]
        if name not in ("hand_worked", "softmax", "exclusive_or"):
            raise InputError(
                "the name of an example: hand_worked, softmax or exclusive_or", got=repr(name)[:80]
            )
        return say(await run_in_threadpool(lambda: answer(example(name))))

    async def script(self, request: Request) -> Response:
        """Give the network of the page as a program."""
        from fathom.studio.program import write_script

        return say(write_script(await read(request, NetworkState)))

    async def compute(self, request: Request) -> Response:
        """Answer a question of the network page."""
        from fathom.studio import networks

        kind, task = NETWORK_TASKS[request.url.path.rpartition("/")[2]]
        asked = await read(request, kind)
        return say(await run_in_threadpool(getattr(networks, task), asked))

    async def upload(self, request: Request) -> Response:
        """Take a table, a piece at a time, and say what it is."""
        shown = request.query_params.get("name", "")
        name, place = self.tables.place_for_upload(shown)
        try:
            with place.open("wb") as file:
                async for piece in request.stream():
                    file.write(piece)
            self.tables.set_name(name, shown)
            return say(await run_in_threadpool(self.tables.describe, name))
        except BaseException:
            self.tables.remove(name)
            raise

    async def table(self, request: Request) -> Response:
        """Say what a table is."""
        return say(await run_in_threadpool(self.tables.describe, request.path_params["id"]))

    async def correct(self, request: Request) -> Response:
        """Say what a table is, with some columns known better, or another sheet wanted."""
        wish, name = await read(request, Correction), request.path_params["id"]
        return say(await run_in_threadpool(self.tables.describe, name, wish.kinds, wish.sheet))

    async def every_job(self, request: Request) -> Response:
        """List the jobs."""
        found = await run_in_threadpool(self.jobs.every)
        return say_json("[" + ",".join(one.model_dump_json() for one in found) + "]")

    async def start(self, request: Request) -> Response:
        """Start a search."""
        return say(await run_in_threadpool(self.jobs.start, await read(request, JobRequest)))

    async def job(self, request: Request) -> Response:
        """Say how a job stands."""
        return say(await run_in_threadpool(self.jobs.facts, request.path_params["id"]))

    async def remove(self, request: Request) -> Response:
        """Remove a job that has ended."""
        await run_in_threadpool(self.jobs.remove, request.path_params["id"])
        return Response(status_code=204)

    async def stop(self, request: Request) -> Response:
        """Ask a search to end with the best it has."""
        return say(await run_in_threadpool(self.jobs.stop, request.path_params["id"]))

    async def go_on(self, request: Request) -> Response:
        """Give a search more time."""
        limit = (await read(request, MoreTime)).time_limit
        return say(await run_in_threadpool(self.jobs.go_on, request.path_params["id"], limit))

    async def events(self, request: Request) -> Response:
        """Tell what a job says, as it says it; who comes again goes on where it was."""
        return tell(request, self.jobs)


NETWORK_TASKS: dict[str, tuple[type[Value], str]] = {
    "answer": (NetworkState, "answer"), "why": (Ask, "explain"), "along": (Ask, "look_along"),
    "reshape": (Reshape, "reshape"),
    "descend": (Descend, "descend"), "tape": (TapeRequest, "tape"),
    "page": (PageWish, "unfold"),
}  # fmt: skip
