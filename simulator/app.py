"""The simulator as an ASGI application: its doors."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulator import broken, cards, editing, generation, parsing, situation, validation
from simulator.batches import Batches
from simulator.doors import Door, asked_fault, guarded, not_found
from simulator.errors import Refused
from simulator.faults import Fault
from simulator.generation import Finished
from simulator.ledger import Entry, Ledger
from simulator.parsing import Caller, Request
from simulator.request import Body, Prompt
from simulator.settings import Limits, Settings
from simulator.shapes import Json
from simulator.stream import Pace
from simulator.world import World

__all__ = ["Limits", "Settings", "build", "ledger_of"]


class Simulator(Starlette):
    """An application that also knows the connection, so that it can break it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["simulator.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


def build(settings: Settings) -> Starlette:
    """Return a simulator with its own state. Its paths are the API's, from `/v1` on."""
    api = Api(settings)
    doors: list[tuple[str, str, Door]] = [
        ("POST", "/v1/messages", api.messages),
        ("POST", "/v1/messages/count_tokens", api.count_tokens),
        ("GET", "/v1/models", api.models),
        ("GET", "/v1/models/{id}", api.model),
        ("POST", "/v1/messages/batches", api.create_batch),
        ("GET", "/v1/messages/batches", api.batches),
        ("GET", "/v1/messages/batches/{id}", api.batch),
        ("DELETE", "/v1/messages/batches/{id}", api.delete_batch),
        ("POST", "/v1/messages/batches/{id}/cancel", api.cancel_batch),
        ("GET", "/v1/messages/batches/{id}/results", api.batch_results),
        ("POST", "/v1/files", api.upload),
        ("GET", "/v1/files", api.files),
        ("GET", "/v1/files/{id}", api.file),
        ("GET", "/v1/files/{id}/content", api.file_content),
        ("DELETE", "/v1/files/{id}", api.delete_file),
    ]
    routes = [Route(path, guarded(api.world, door), methods=[method]) for method, path, door in doors]
    app = Simulator(routes=[*routes, Route("/healthz", _healthz)], exception_handlers={404: not_found, 405: not_found})
    app.state.world = api.world
    return app


def ledger_of(app: Starlette) -> Ledger:
    """Return the sums of what the requests to a simulator cost."""
    world: World = app.state.world
    return world.ledger


async def _healthz(_: HttpRequest) -> Response:
    return JSONResponse({"status": "ok", "server": "simulator"})


class Api:
    """One simulator's doors."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.world = World(settings)
        self._batches = Batches(settings.batch_seconds)

    async def messages(self, http: HttpRequest, caller: Caller) -> Response:
        """Answer `POST /v1/messages`."""
        fault = asked_fault(http, self.world)
        early = await broken.before(fault, self.world.now())
        if early:
            return early
        body = parsing.json_body(await http.body(), http.headers.get("content-type", ""))
        request, verdict = self._checked(Body, caller, body)
        told = self.world.mind.fault(situation.read(request.body.messages, ()))
        if told:
            fault = told
            early = await broken.before(fault, self.world.now())
            if early:
                return early
        finished = await self._finish(request, verdict)
        if self.settings.first_token_s:
            await anyio.sleep(self.settings.first_token_s)
        if not request.body.stream:
            return await self._whole(caller, finished, fault, http)
        return StreamingResponse(
            self._streamed(caller, finished, fault, http),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache"},
        )

    async def _whole(self, caller: Caller, finished: Finished, fault: Fault, http: HttpRequest) -> Response:
        """Return an answer in one piece, after the time that it takes to write it."""
        self._begin(caller, finished, streamed=False)
        if self.settings.tokens_per_second:
            await anyio.sleep(sum(one.output for one in finished.iterations) / self.settings.tokens_per_second)
        return await broken.whole(JSONResponse(finished.reply.message()), fault, http)

    async def _streamed(
        self, caller: Caller, finished: Finished, fault: Fault, http: HttpRequest
    ) -> AsyncGenerator[bytes]:
        self._begin(caller, finished, streamed=True)
        pace = Pace(tokens_per_second=self.settings.tokens_per_second)
        async for data in broken.streamed(finished.reply, fault, pace, http):
            yield data

    def _checked(self, shape: type[Any], caller: Caller, body: Json) -> tuple[Request[Any], validation.Verdict]:
        request = parsing.request(shape, caller, body)
        return request, validation.check(request, self.world.thinking)

    async def _finish(self, request: Request[Any], verdict: validation.Verdict) -> Finished:
        """Return the reply, if the caller's buckets have enough for it."""
        world, key = self.world, request.caller.key
        world.buckets.take(key, {"requests": 1, "output": 0}, world.now())
        finished = await generation.finish(request, verdict, world)
        world.buckets.take(key, {"input": finished.metered()}, world.now())
        return finished

    def _begin(self, caller: Caller, finished: Finished, *, streamed: bool, batch: bool = False) -> None:
        """Note what a reply costs, and let its cache entries be read, now that it begins."""
        world, reply = self.world, finished.reply
        world.cache.begin(finished.pending, reply.id)
        world.remember(reply.blocks)
        output = sum(one.output for one in finished.iterations)
        world.buckets.charge(caller.key, "output", output, world.now())
        given = [one.given for one in finished.iterations]
        world.ledger.add(
            Entry(
                at=world.now(),
                id=reply.id,
                model=reply.model,
                input=sum(one.fresh for one in given),
                cache_read=sum(one.read for one in given),
                written_5m=sum(one.written_5m for one in given),
                written_1h=sum(one.written_1h for one in given),
                output=output,
                usd=finished.usd * (0.5 if batch else 1.0),
                stop_reason=reply.stop_reason,
                streamed=streamed,
                batch=batch,
            )
        )

    async def count_tokens(self, http: HttpRequest, caller: Caller) -> Response:
        """Answer `POST /v1/messages/count_tokens`."""
        body = parsing.json_body(await http.body(), http.headers.get("content-type", ""))
        request, verdict = self._checked(Prompt, caller, body)
        validation.check_countable(request)
        edited = editing.apply(generation.seen(request.sent, verdict), request.body.context_management, request.model)
        counted: Json = {"input_tokens": edited.total}
        if request.body.context_management is not None:
            counted["context_management"] = {"original_input_tokens": edited.original}
        return JSONResponse(counted)

    async def models(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/models`."""
        return JSONResponse(cards.page(http.query_params))

    async def model(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/models/{id}`."""
        return JSONResponse(cards.one(http.path_params["id"]))

    async def create_batch(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `POST /v1/messages/batches`."""
        body = parsing.json_body(await http.body(), http.headers.get("content-type", ""), largest=parsing.LARGEST_BATCH)
        now = self.world.now()
        return JSONResponse(self._batches.create(body, now).described(now, _base(http)))

    async def batches(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/messages/batches`."""
        described = [one.described(self.world.now(), _base(http)) for one in self._batches.all()]
        return JSONResponse(cards.paged(described, http.query_params))

    async def batch(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/messages/batches/{id}`."""
        return JSONResponse(self._batches.get(http.path_params["id"]).described(self.world.now(), _base(http)))

    async def cancel_batch(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `POST /v1/messages/batches/{id}/cancel`."""
        now = self.world.now()
        return JSONResponse(self._batches.cancel(http.path_params["id"], now).described(now, _base(http)))

    async def delete_batch(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `DELETE /v1/messages/batches/{id}`."""
        return JSONResponse(self._batches.remove(http.path_params["id"], self.world.now()))

    async def batch_results(self, http: HttpRequest, caller: Caller) -> Response:
        """Answer `GET /v1/messages/batches/{id}/results`."""

        async def answer(params: Json) -> Json:
            try:
                request, verdict = self._checked(Body, caller, params)
                finished = await generation.finish(request, verdict, self.world)
            except Refused as refused:
                error = {"type": refused.kind, "message": refused.message}
                return {"type": "errored", "error": {"type": "error", "error": error, "request_id": None}}
            self._begin(caller, finished, streamed=False, batch=True)
            message = finished.reply.message()
            message["usage"] = message["usage"] | {"service_tier": "batch"}
            return {"type": "succeeded", "message": message}

        lines = self._batches.results(http.path_params["id"], self.world.now(), answer)
        return Response(b"".join([line async for line in lines]), media_type="application/x-jsonl")

    async def upload(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `POST /v1/files`."""
        async with http.form(max_files=1) as form:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise Refused("file: Field required")
            mime = upload.content_type or "application/octet-stream"
            file = self.world.files.add(upload.filename or "", mime, await upload.read(), self.world.now())
        return JSONResponse(file.described())

    async def files(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/files`."""
        return JSONResponse(cards.paged(self.world.files.all(), http.query_params))

    async def file(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/files/{id}`."""
        return JSONResponse(self.world.files.get(http.path_params["id"]).described())

    async def file_content(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/files/{id}/content`."""
        file = self.world.files.get(http.path_params["id"])
        return Response(file.content, media_type=file.mime)

    async def delete_file(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `DELETE /v1/files/{id}`."""
        return JSONResponse(self.world.files.remove(http.path_params["id"]))


def _base(http: HttpRequest) -> str:
    return str(http.base_url).rstrip("/")
