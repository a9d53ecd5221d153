"""The addresses of the service, and how every one of its answers looks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ctexp import __version__
from ctexp.scans.read import ReadOptions
from ctexp.service import schema
from ctexp.service.desk import Desk, Wish
from ctexp.service.guard import Access, Guard
from ctexp.service.metrics import CONTENT_TYPE
from ctexp.service.refusals import RefusalError

BUNDLE = "application/vnd.ctexp.picture"
"""Of an answer with its slices in one body, as `picture.pack` writes it."""
_PAGE = {"": ("index.html", "text/html"), "page.css": ("page.css", "text/css"), **{
    name: (name, "text/javascript") for name in ("page.js", "viewer.js", "answer.js")
}}  # fmt: skip

_Series = Annotated[str | None, Query(max_length=64, description="DICOM series to read: number or UID.")]
_AllowGaps = Annotated[bool, Query(description="Interpolate missing DICOM slices where that is sound.")]
_Force = Annotated[bool, Query(description="Answer, with a warning, on what is no readable chest CT, too.")]
_Name = Annotated[str | None, Query(max_length=1000, description="What to call a scan whose body is the file itself.")]
_Explain = Annotated[
    Literal["contrast", "gradcam", "occlusion"] | None, Query(description="Add a heat map to the slices.")
]


def create_app(desk: Desk, access: Access, *, poll_seconds: float = 5.0) -> FastAPI:
    """Make the application.

    Args:
        desk: answers.
        access: who may ask.
        poll_seconds: how often the alias is looked at.
    """

    def refuse(refusal: RefusalError) -> dict[str, Any]:
        desk.metrics.count(refusal.outcome)
        return {**refusal.more, "error": refusal.text, "model": desk.current.served.as_json()}

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        watch = asyncio.create_task(desk.watch(poll_seconds))
        yield
        watch.cancel()

    app = FastAPI(
        title="ctexp",
        version=__version__,
        summary="Tells normal chest CT scans from viral pneumonia. Research software; not a medical device.",
        docs_url=None,  # they load their scripts from elsewhere
        redoc_url=None,
        lifespan=life,
        middleware=[Middleware(Guard, access=access, refuse=refuse)],
    )

    @app.exception_handler(RefusalError)
    async def on_refusal(request: Request, error: RefusalError) -> Response:
        headers = {"retry-after": str(error.retry_after)} if error.retry_after else None
        return JSONResponse(refuse(error), error.status, headers)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        words = {
            404: "there is nothing at this address",
            405: f"must be by {_methods(error)} at this address, got {request.method}",
        }.get(error.status_code, str(error.detail))
        refusal = RefusalError(error.status_code, "not found", f"request: {words}; /openapi.json lists what there is")
        return JSONResponse(refuse(refusal), refusal.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def on_query(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        refusal = RefusalError(400, "malformed", f"request: {first['loc'][-1]}: {first['msg']}")
        return JSONResponse(refuse(refusal), refusal.status)

    @app.exception_handler(Exception)
    async def on_fault(request: Request, error: Exception) -> Response:
        refusal = RefusalError(500, "failed", "service: must answer, it failed; its log says why")
        return JSONResponse(refuse(refusal), refusal.status)

    _add_answers(app, desk)
    _add_facts(app, desk, access)
    _add_page(app)
    return app


def _methods(error: HTTPException) -> str:
    """Name the methods that an address has; HEAD, which comes with GET, is no other way to ask."""
    allowed = (error.headers or {}).get("Allow", "").split(", ")
    return " or ".join(sorted(set(allowed) - {"HEAD", ""})) or "another method"


def _add_answers(app: FastAPI, desk: Desk) -> None:
    answered = {"model": schema.AnswerSchema, "content": {"application/json": {"example": schema.ANSWER}}}

    @app.post("/predict", responses=schema.responses(answered), openapi_extra=schema.UPLOAD)
    async def predict(
        request: Request, name: _Name = None, series: _Series = None, allow_gaps: _AllowGaps = False,
        force: _Force = False,
    ) -> JSONResponse:  # fmt: skip
        """Answer on a scan, as `ctexp predict --format json` does."""
        reply = await desk.answer(request, Wish(ReadOptions(series, allow_gaps), force))
        return JSONResponse(reply.answer)

    words = (
        "The answer and the scan's slices: uint32 length of a JSON object (little-endian), the object with `answer` "
        "and `picture`, int16 HU (slices, rows, columns), and uint8 heat map of that shape where there is one. A scan "
        "that is refused has its reason as the answer."
    )
    bundled = {"description": words, "content": {BUNDLE: {"schema": {"type": "string", "format": "binary"}}}}

    @app.post("/picture", responses=schema.responses(bundled), response_class=Response, openapi_extra=schema.UPLOAD)
    async def picture(
        request: Request, name: _Name = None, series: _Series = None, allow_gaps: _AllowGaps = False,
        force: _Force = False, explain: _Explain = None,
    ) -> Response:  # fmt: skip
        """Answer on a scan with its slices, for the page."""
        reply = await desk.answer(request, Wish(ReadOptions(series, allow_gaps), force, True, explain))
        return Response(reply.body, media_type=BUNDLE)


def _add_facts(app: FastAPI, desk: Desk, access: Access) -> None:
    example = {"status": "ok", "model": schema.MODEL, "token": False, "upload_bytes": desk.limits.upload_bytes}

    @app.get("/healthz", responses={200: {"model": schema.HealthSchema,
                                          "content": {"application/json": {"example": example}}}})  # fmt: skip
    async def healthz() -> JSONResponse:
        """Say that the service is there, and what it asks of its clients; needs no token."""
        model = desk.current.served.as_json()
        return JSONResponse({**example, "model": model, "token": access.token is not None})

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Give the counters in Prometheus' format."""
        return Response(desk.metrics.text(), media_type=CONTENT_TYPE)


def _add_page(app: FastAPI) -> None:
    folder = resources.files("ctexp.service") / "page"
    for address, (file, kind) in _PAGE.items():
        give = _giver((folder / file).read_bytes(), kind)
        app.add_route(f"/{address}", give, methods=["GET"], include_in_schema=False)


def _giver(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def give(request: Request) -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8")

    return give
