"""What every request passes: faults, authorisation, rate limits, the ban, and the request log."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import web

from tests.wire.api_errors import ApiError
from tests.wire.http_json import reply
from tests.wire.ratelimits import VIA, RateLimits
from tests.wire.state import Fault, RequestRecord
from tests.wire.world import World

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

API = "/api/v10"
WITHOUT_BOT_TOKEN = ("/webhooks/", "/interactions/")
INVALID = (401, 403, 429)
LOG_LENGTH = 200_000


class Gatekeeper:
    """Stands before all routes."""

    def __init__(self, *, world: World, limits: RateLimits) -> None:
        self._world = world
        self._limits = limits
        self.requests: deque[RequestRecord] = deque(maxlen=LOG_LENGTH)
        self.failures: list[Exception] = []
        """Faults of the fake itself, or requests so odd that nobody thought of them."""

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve one request with all that surrounds it, and log it."""
        if request.path == "/gateway":
            return await handler(request)
        started = time.monotonic()
        response = await self._answer(request, handler)
        template = self._template(request)
        now = time.monotonic()
        self.requests.append(
            RequestRecord(started, request.method, template, request.path, response.status, now - started)
        )
        self._world.changes.notify()
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = self._world.state.take_fault(f"{request.method} {request.path}")
        if fault is not None and not fault.after:
            forged = await self._disturb(fault, request)
            if forged is not None:
                return forged
        response = await self._serve(request, handler)
        if fault is not None and fault.after:
            return await self._disturb(fault, request) or response
        return response

    async def _disturb(self, fault: Fault, request: web.Request) -> web.StreamResponse | None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)
        if fault.status is None:
            return None
        if isinstance(fault.body, str):
            return web.Response(status=fault.status, text=fault.body, content_type="text/html", headers=fault.headers)
        self._count_invalid(fault.status)
        return reply(fault.body, fault.status, {**VIA, **fault.headers})

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        headers: dict[str, str] = {}
        try:
            if request.path.startswith(API):
                self._check_ban()
                self._check_authorisation(request)
                template = self._template(request)
                headers = self._limits.headers_for(request.method, template, request.match_info)
            response = await handler(request)
        except ApiError as err:
            self._count_invalid(err.status)
            if err.status == 429:
                self._world.counters.rate_limited += 1
            return reply(err.body, err.status, {**headers, **err.headers})
        except web.HTTPException as err:
            return reply({"message": f"{err.status}: {err.reason}", "code": 0}, err.status, headers)
        except Exception as err:
            self.failures.append(err)
            return reply({"message": "500: Internal Server Error", "code": 0}, 500, headers)
        response.headers.update(headers)
        return response

    def _check_ban(self) -> None:
        if self._world.counters.invalid_requests >= self._world.state.ban_after:
            raise ApiError(0, status=429, message="You are being blocked from accessing our API temporarily")

    def _check_authorisation(self, request: web.Request) -> None:
        if request.path.removeprefix(API).startswith(WITHOUT_BOT_TOKEN):
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        expected = self._world.state.bot_token
        if scheme != "Bot" or (expected is not None and token != expected):
            raise ApiError(0)

    def _count_invalid(self, status: int) -> None:
        if status in INVALID:
            self._world.counters.invalid_requests += 1

    def _template(self, request: web.Request) -> str:
        resource = request.match_info.route.resource
        return resource.canonical.removeprefix(API) if resource is not None else request.path.removeprefix(API)
