"""The routes of what came of a search: how good it is, its rows, its files, its scripts."""

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from fathom.errors import InputError
from fathom.estimators.trunks import has_way_in
from fathom.studio.jobs import Jobs
from fathom.studio.results import Results
from fathom.studio.row_messages import PathWish, RowPath, RowWhy, Script, ScriptWish
from fathom.studio.row_paths import RowPaths
from fathom.studio.scripts import write_script
from fathom.studio.table_messages import RowWish
from fathom.studio.turns import Turns
from fathom.studio.wire import read, say
from fathom.values import Value

FILES = {
    "model.fathom": "application/octet-stream", "train.parquet": "application/octet-stream",
    "test.parquet": "application/octet-stream",
}  # fmt: skip


class ResultRoutes:
    """What is asked of a search that has ended.

    Parameters
    ----------
    jobs : Jobs
        The searches.
    turns : Turns
        Lets what computes long go one after another.
    """

    def __init__(self, jobs: Jobs, turns: Turns) -> None:
        self._jobs, self._turns = jobs, turns
        self._results = Results()
        self._paths = RowPaths(self._results)

    def every(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/jobs/{id}/result", self.result),
            Route("/api/jobs/{id}/worth", self.worth),
            Route("/api/jobs/{id}/rows", self.rows),
            Route("/api/jobs/{id}/path", self.path, methods=["POST"]),
            Route("/api/jobs/{id}/why", self.why, methods=["POST"]),
            Route("/api/jobs/{id}/script", self.script, methods=["POST"]),
            Route("/api/jobs/{id}/predict", self.predict, methods=["POST"]),
            Route("/api/jobs/{id}/files/{name}", self.file),
            Route("/api/jobs/{id}/pages/{kind}", self.page_on),
        ]

    async def result(self, request: Request) -> Response:
        """Say what came of a search."""
        folder = self._ended(request)
        return say(await run_in_threadpool(self._results.result, folder))

    async def worth(self, request: Request) -> Response:
        """Say what each column is worth."""
        folder = self._ended(request)
        return say(await run_in_threadpool(self._results.worth, folder))

    async def rows(self, request: Request) -> Response:
        """Give the rows of one class that were taken for another, or those that are worst."""
        folder, query = self._ended(request), request.query_params
        if "truth" not in query and "prediction" not in query:
            return say(await run_in_threadpool(self._results.worst_rows, folder))
        given = [query.get(key, "") for key in ("truth", "prediction")]
        if not all(one.isascii() and one.isdecimal() and len(one) < 6 for one in given):
            raise InputError(
                "two numbers of classes", got=repr(given)[:80],
                hint="choose a cell of the table of mistakes",
            )  # fmt: skip
        truth, prediction = map(int, given)
        return say(await run_in_threadpool(self._results.cell_rows, folder, truth, prediction))

    async def path(self, request: Request) -> Response:
        """Follow a row through the model."""
        folder, wish = self._ended(request), await read(request, PathWish)

        def follow(asked: PathWish) -> RowPath:
            return self._paths.path(folder, asked)

        return say(await run_in_threadpool(lambda: self._turns.take(follow, wish)))

    async def why(self, request: Request) -> Response:
        """Say why a number on the path of a row is what it is."""
        folder, wish = self._ended(request), await read(request, RowWhy)

        def explain(asked: RowWhy) -> Value:
            return self._paths.why(folder, asked)

        return say(await run_in_threadpool(lambda: self._turns.take(explain, wish)))

    async def script(self, request: Request) -> Response:
        """Write what was done as a program and as commands."""
        folder, wish = self._ended(request), await read(request, ScriptWish)
        ticket = self._jobs.ticket(request.path_params["id"])

        def write() -> Script:
            model = self._results.model(folder)
            columns = [column.name for column in model.schema_.input.columns]
            return write_script(ticket, columns, wish, can_open=not has_way_in(model))

        return say(await run_in_threadpool(write))

    async def predict(self, request: Request) -> Response:
        """Predict one row."""
        values = (await read(request, RowWish)).values
        folder = self._ended(request)
        return say(await run_in_threadpool(self._results.predict, folder, values))

    async def file(self, request: Request) -> Response:
        """Give the model, the rows it has learned from or those kept apart, to be saved."""
        folder, name = self._ended(request), request.path_params["name"]
        if name not in FILES:
            raise InputError(f"a file: {', '.join(FILES)}", got=name[:40])
        if not (folder / name).is_file():
            raise InputError(
                f"{name} of this search", got="none yet",
                hint="wait until it has one, or start another search",
            )  # fmt: skip
        return FileResponse(folder / name, media_type=FILES[name], filename=name)

    async def page_on(self, request: Request) -> Response:
        """Give a page on the model, to be saved: it is one of its own and runs nothing."""
        language = "zh" if request.query_params.get("language") == "zh" else "en"
        folder, kind = self._ended(request), request.path_params["kind"]
        path = await run_in_threadpool(self._results.page_on, folder, kind, language)
        return FileResponse(path, media_type="text/html", filename=path.name)

    def _ended(self, request: Request) -> Path:
        name = request.path_params["id"]
        folder = self._jobs.folder_of(name)
        if self._jobs.is_running(name):
            raise InputError(
                "a search that has ended", got="one that goes on",
                hint="stop it, or wait for its end",
            )  # fmt: skip
        return folder
