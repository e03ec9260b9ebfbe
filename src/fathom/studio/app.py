"""The studio's application: its routes, each a few lines between a message and a room below."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from fathom.errors import InputError
from fathom.studio.depth_routes import depth_routes
from fathom.studio.descent_routes import descent_routes
from fathom.studio.digit_routes import DigitRoutes
from fathom.studio.digits import DigitRoom
from fathom.studio.jobs import Jobs
from fathom.studio.lesson_routes import lesson_routes
from fathom.studio.messages import Ask, Descend, NetworkState, Reshape, TapeRequest
from fathom.studio.results import Results
from fathom.studio.security import UPLOAD, App
from fathom.studio.table_messages import JobRequest, Kinds, MoreTime, RowWish
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
        self.results = Results()
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
            Route("/api/tables/{id}/kinds", self.correct, methods=["POST"]),
            Route("/api/jobs", self.every_job, methods=["GET"]),
            Route("/api/jobs", self.start, methods=["POST"]),
            Route("/api/jobs/{id}", self.job, methods=["GET"]),
            Route("/api/jobs/{id}", self.remove, methods=["DELETE"]),
            Route("/api/jobs/{id}/events", self.events),
            Route("/api/jobs/{id}/stop", self.stop, methods=["POST"]),
            Route("/api/jobs/{id}/more", self.go_on, methods=["POST"]),
            Route("/api/jobs/{id}/result", self.result),
            Route("/api/jobs/{id}/worth", self.worth),
            Route("/api/jobs/{id}/rows", self.rows),
            Route("/api/jobs/{id}/predict", self.predict, methods=["POST"]),
            Route("/api/jobs/{id}/model", self.model),
            Route("/api/jobs/{id}/pages/{kind}", self.page_on),
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
        from fathom.studio.script import write_script

        return say(write_script(await read(request, NetworkState)))

    async def compute(self, request: Request) -> Response:
        """Answer a question of the network page."""
        from fathom.studio import networks

        kind, task = NETWORK_TASKS[request.url.path.rpartition("/")[2]]
        asked = await read(request, kind)
        return say(await run_in_threadpool(getattr(networks, task), asked))

    async def upload(self, request: Request) -> Response:
        """Take a table, a piece at a time, and say what it is."""
        name, place = self.tables.place_for_upload()
        try:
            with place.open("wb") as file:
                async for piece in request.stream():
                    file.write(piece)
            self.tables.set_name(name, request.query_params.get("name", ""))
            return say(await run_in_threadpool(self.tables.describe, name))
        except BaseException:
            self.tables.remove(name)
            raise

    async def table(self, request: Request) -> Response:
        """Say what a table is."""
        return say(await run_in_threadpool(self.tables.describe, request.path_params["id"]))

    async def correct(self, request: Request) -> Response:
        """Say what a table is, with some columns known better."""
        kinds = (await read(request, Kinds)).kinds
        name = request.path_params["id"]
        return say(await run_in_threadpool(self.tables.describe, name, kinds))

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

    async def result(self, request: Request) -> Response:
        """Say what came of a search."""
        folder = self._ended(request)
        return say(await run_in_threadpool(self.results.result, folder))

    async def worth(self, request: Request) -> Response:
        """Say what each column is worth."""
        folder = self._ended(request)
        return say(await run_in_threadpool(self.results.worth, folder))

    async def rows(self, request: Request) -> Response:
        """Give the rows of one class that were taken for another."""
        given = [request.query_params.get(key, "") for key in ("truth", "prediction")]
        if not all(one.isdecimal() and len(one) < 6 for one in given):
            raise InputError(
                "two numbers of classes", got=repr(given)[:80],
                hint="choose a cell of the table of mistakes",
            )  # fmt: skip
        truth, prediction = map(int, given)
        folder = self._ended(request)
        return say(await run_in_threadpool(self.results.cell_rows, folder, truth, prediction))

    async def predict(self, request: Request) -> Response:
        """Predict one row."""
        values = (await read(request, RowWish)).values
        folder = self._ended(request)
        return say(await run_in_threadpool(self.results.predict, folder, values))

    async def model(self, request: Request) -> Response:
        """Give the model file, to be saved."""
        path = self._ended(request) / "model.fathom"
        if not path.is_file():
            raise InputError(
                "a model of this search", got="none yet",
                hint="wait until it has one, or start another search",
            )  # fmt: skip
        return FileResponse(path, media_type="application/octet-stream", filename="model.fathom")

    async def page_on(self, request: Request) -> Response:
        """Give a page on the model, to be saved: it is one of its own and runs nothing."""
        language = "zh" if request.query_params.get("language") == "zh" else "en"
        folder, kind = self._ended(request), request.path_params["kind"]
        path = await run_in_threadpool(self.results.page_on, folder, kind, language)
        return FileResponse(path, media_type="text/html", filename=path.name)

    def _ended(self, request: Request) -> Path:
        name = request.path_params["id"]
        folder = self.jobs.folder_of(name)
        if self.jobs.is_running(name):
            raise InputError(
                "a search that has ended", got="one that goes on",
                hint="stop it, or wait for its end",
            )  # fmt: skip
        return folder

    async def events(self, request: Request) -> Response:
        """Tell what a job says, as it says it; who comes again goes on where it was."""
        return tell(request, self.jobs)


NETWORK_TASKS: dict[str, tuple[type[Value], str]] = {
    "answer": (NetworkState, "answer"), "why": (Ask, "explain"), "along": (Ask, "look_along"),
    "reshape": (Reshape, "reshape"),
    "descend": (Descend, "descend"), "tape": (TapeRequest, "tape"),
}  # fmt: skip
