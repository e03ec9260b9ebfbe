"""Everything that is asked for besides predictions: health, what models are like, metrics."""

from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

import fathom
from fathom.deployment.server.answering import Desk, find_place
from fathom.deployment.server.shelf import Shelf
from fathom.deployment.server.tensors import TensorKind

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ABOUT: dict[str, Any] = {"tags": ["v2"], "response_model_exclude_none": True}


class Live(BaseModel):
    """Whether the server lives."""

    live: bool


class Ready(Live):
    """Whether it takes requests."""

    ready: bool


class ModelReady(BaseModel):
    """Whether a model takes requests."""

    name: str
    ready: bool


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor of a model; -1 in its shape stands for any number of rows."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelState(BaseModel):
    """A model in the index."""

    name: str
    version: str
    state: str
    reason: str


class Condition:
    """Whether the server is about to end."""

    is_draining = False


class Refused(BaseModel):
    """Why a request got no answer."""

    error: str = Field(description="what was expected — what came — what to do")


def _tensor(kind: TensorKind, classes: tuple[Any, ...] = ()) -> TensorMetadata:
    parameters = {"classes": list(classes)} if classes else None
    return TensorMetadata(
        name=kind.name, datatype=kind.datatype, shape=list(kind.shape), parameters=parameters
    )


def add_health(app: FastAPI, condition: Condition) -> None:
    """Add the questions after health, which are answered without a token."""

    @app.get("/v2/health/live", response_model=Live, tags=["health"], summary="Is it alive?")
    async def live() -> Any:
        return {"live": True}

    @app.get(
        "/v2/health/ready", response_model=Ready, tags=["health"],
        summary="Does it take requests?", responses={503: {"model": Ready}},
    )  # fmt: skip
    async def ready() -> Any:
        if condition.is_draining:
            return JSONResponse({"live": True, "ready": False}, 503)
        return {"live": True, "ready": True}


def add_metadata(app: FastAPI, desk: Desk) -> None:
    """Add what the second version of the Open Inference Protocol says of server and models."""
    shelf = desk.shelf

    def server() -> Any:
        extensions = ["binary_tensor_data", "model_repository"]
        return {"name": "fathom", "version": fathom.__version__, "extensions": extensions}

    for path in ("/v2", "/v2/"):
        app.add_api_route(
            path, server, response_model=ServerMetadata, summary="What the server is",
            include_in_schema=path == "/v2", **ABOUT,
        )  # fmt: skip
    _add_models(app, shelf)

    @app.post(
        "/v2/repository/index", response_model=list[ModelState], tags=["v2"],
        summary="All models",
    )  # fmt: skip
    async def index() -> Any:
        return [
            {"name": name, "version": "1", "state": "READY", "reason": ""} for name in shelf.places
        ]


def _add_models(app: FastAPI, shelf: Shelf) -> None:
    """Add what is said of one model, of whichever version."""

    async def model_ready(name: str, version: str = "1") -> Any:
        place = find_place({"path_params": {"name": name, "version": version}}, shelf)
        return {"name": place.name, "ready": True}

    async def model(name: str, version: str = "1") -> Any:
        place = find_place({"path_params": {"name": name, "version": version}}, shelf)
        served = place.served
        classes = served.schema.target.classes
        outputs = [
            _tensor(kind, classes if kind.shape[-1] == len(classes) > 1 else ())
            for kind in served.kinds
        ]
        return ModelMetadata(
            name=place.name, versions=["1"], platform="fathom",
            inputs=[_tensor(kind) for kind in served.intake.kinds], outputs=outputs,
        )  # fmt: skip

    unknown: dict[int | str, Any] = {404: {"model": Refused}}
    for middle in ("", "/versions/{version}"):
        app.add_api_route(
            f"/v2/models/{{name}}{middle}/ready", model_ready, response_model=ModelReady,
            summary="Does the model take requests?", responses=unknown,
            operation_id=f"model_ready{'_version' * bool(middle)}", **ABOUT,
        )  # fmt: skip
        app.add_api_route(
            f"/v2/models/{{name}}{middle}", model, response_model=ModelMetadata,
            summary="What the model takes and gives", responses=unknown,
            operation_id=f"model{'_version' * bool(middle)}", **ABOUT,
        )  # fmt: skip


def add_descriptions(app: FastAPI, desk: Desk) -> None:
    """Add the plain descriptions of models, and the metrics."""
    shelf = desk.shelf

    @app.get("/models", tags=["models"], summary="All models")
    async def models() -> Any:
        return JSONResponse(
            {"models": [place.served.describe() for place in shelf.places.values()]}
        )

    @app.get(
        "/models/{name}", tags=["models"], summary="What a model takes, and its classes",
        responses={404: {"model": Refused}},
    )  # fmt: skip
    async def model(name: str) -> Any:
        return JSONResponse(shelf.find(name).served.describe())

    @app.get(
        "/metrics", tags=["health"], summary="What was counted, for Prometheus",
        response_class=Response, responses={200: {"content": {"text/plain": {}}}},
    )  # fmt: skip
    async def metrics() -> Any:
        return Response(desk.metrics.write(), media_type=METRICS_TYPE)
