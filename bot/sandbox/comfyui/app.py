"""Builds the aiohttp application: all routes also under `/api`, with shared middlewares and faults."""

import asyncio
import logging
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bot.sandbox.comfyui.execution.gate import while_frozen
from bot.sandbox.comfyui.routes.jobs import unknown_path
from bot.sandbox.comfyui.state import ServerState, take

_log = logging.getLogger(__name__)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_TROUBLE = "500 Internal Server Error\n\nServer got itself in trouble"
_VARIABLE = re.compile(r"/\{[^}]*\}")


def build_app(state: ServerState, routes: Sequence[web.RouteDef], handle_socket: Handler) -> web.Application:
    """Return the application; `routes` that already begin with `/api` are added unchanged."""
    app = web.Application(
        client_max_size=state.max_upload_size,
        middlewares=[_limits(state), _faults(state), _errors],
    )
    app.router.add_get("/ws", handle_socket)
    app.router.add_get("/api/ws", handle_socket)
    for route in routes:
        for prefix in ("",) if route.path.startswith("/api/") else ("", "/api"):
            app.add_routes([web.RouteDef(route.method, prefix + route.path, route.handler, route.kwargs)])
    app.router.add_get("/{path:.*}", _unknown)
    return app


def request_name(request: web.Request) -> str:
    """Return a request's name as used in `ServerState`, e.g. "POST /prompt"."""
    resource = request.match_info.route.resource
    path = request.path if resource is None or resource.canonical == "/{path}" else resource.canonical
    return f"{request.method} {_VARIABLE.sub('', path).removeprefix('/api')}"


async def _unknown(_request: web.Request) -> web.Response:
    return unknown_path()


def _limits(state: ServerState) -> Middleware:
    """Handle OPTIONS; refuse foreign origins and bodies that are too large."""

    @web.middleware
    async def limits(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response()
        if _is_foreign(request):
            return web.Response(status=403)
        if (request.content_length or 0) > state.max_upload_size:
            text = f"Maximum request body size {state.max_upload_size} exceeded."
            return web.Response(status=413, text=text)
        return await handler(request)

    return limits


def _faults(state: ServerState) -> Middleware:
    """Count the request and apply the scenario's faults."""

    @web.middleware
    async def faults(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request_name(request)
        state.seen.requests[name] += 1
        await while_frozen(state)
        if name == "GET /ws":
            return await handler(request)
        if take(state.drop_request, name):
            return _cut(request)
        if take(state.answer_500, name):
            return _in_trouble()
        response = await handler(request)
        await asyncio.sleep(_held_back(state, name))
        await while_frozen(state)
        return _cut(request) if take(state.drop_answer, name) else response

    return faults


def _held_back(state: ServerState, name: str) -> float:
    return state.latency + state.answer_delay_ms.get(name, state.answer_delay_ms.get("*", 0)) / 1000


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 500 for any exception of a handler, as a real server often does for bad input."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:
        _log.debug("500 for %s %s: %r", request.method, request.path, error)
        return _in_trouble()


def _in_trouble() -> web.Response:
    response = web.Response(status=500, text=_TROUBLE)
    response.force_close()
    return response


def _cut(request: web.Request) -> web.Response:
    """Break the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _is_foreign(request: web.Request) -> bool:
    """Whether a page of another origin calls a server on loopback."""
    origin, host = request.headers.get("Origin"), urlsplit(f"//{request.host}")
    if not origin or host.hostname not in _LOOPBACK:
        return False
    return urlsplit(origin).netloc.lower() != host.netloc.lower()
