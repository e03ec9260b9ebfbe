"""The routes of the digits page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fathom.studio.digit_messages import Drawing, KeepWish, NeuronWish, TrainWish
from fathom.studio.digits import DigitRoom
from fathom.studio.telling import tell
from fathom.studio.wire import read, say


class DigitRoutes:
    """Routes, each a few lines between a message and the room.

    Parameters
    ----------
    room : DigitRoom
        What answers.
    """

    def __init__(self, room: DigitRoom) -> None:
        self._room = room

    def every(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/digits", self.facts),
            Route("/api/digits/example", self.example),
            Route("/api/digits/read", self.reading, methods=["POST"]),
            Route("/api/digits/neuron", self.neuron, methods=["POST"]),
            Route("/api/digits/weights/{network}", self.weights),
            Route("/api/digits/runs", self.train, methods=["POST"]),
            Route("/api/digits/runs/{id}/stop", self.stop, methods=["POST"]),
            Route("/api/digits/runs/{id}/events", self.events),
            Route("/api/digits/drawings", self.keep, methods=["POST"]),
            Route("/api/digits/drawings/{id}", self.remove, methods=["DELETE"]),
        ]

    async def facts(self, request: Request) -> Response:
        """Say what there is."""
        return say(await run_in_threadpool(self._room.facts))

    async def example(self, request: Request) -> Response:
        """Give a picture that no network has learned from."""
        return say(await run_in_threadpool(self._room.example))

    async def reading(self, request: Request) -> Response:
        """Say what the networks make of a drawing."""
        return say(await run_in_threadpool(self._room.read, await read(request, Drawing)))

    async def neuron(self, request: Request) -> Response:
        """Say what a neuron looks for."""
        return say(await run_in_threadpool(self._room.look, await read(request, NeuronWish)))

    async def weights(self, request: Request) -> Response:
        """Give the weights of the first layer's neurons as pictures."""
        return say(await run_in_threadpool(self._room.weights, request.path_params["network"]))

    async def train(self, request: Request) -> Response:
        """Start a training."""
        return say(await run_in_threadpool(self._room.train, await read(request, TrainWish)))

    async def stop(self, request: Request) -> Response:
        """Ask a training to end with the best it has."""
        return say(await run_in_threadpool(self._room.runs.stop, request.path_params["id"]))

    async def events(self, request: Request) -> Response:
        """Tell what a training says, as it says it."""
        return tell(request, self._room.runs)

    async def keep(self, request: Request) -> Response:
        """Keep a drawing, to learn from."""
        return say(await run_in_threadpool(self._room.keep, await read(request, KeepWish)))

    async def remove(self, request: Request) -> Response:
        """Remove a drawing that was kept."""
        await run_in_threadpool(self._room.drawings.remove, request.path_params["id"])
        return Response(status_code=204)
