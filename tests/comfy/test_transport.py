"""HTTP against servers and proxies that do not behave."""

import base64
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.comfy.client import ComfyClient
from bot.comfy.transport import MAX_ANSWER
from bot.comfy.url import ServerUrl
from bot.workflow.run.events import (
    GraphRejectedError,
    OutputRef,
    ServerFaultError,
    ServerOfflineError,
)
from tests.comfy.conftest import FAST, Connect
from tests.comfy.runs import new_id

QUEUE = {"queue_running": [], "queue_pending": [[5.0, "b", {}], [-1, "a", {}], [5, "a2", {}], ["x"], None]}
"""A heap, as the server sends it, with rubbish in it."""


class Proxy:
    """An HTTP server that gives the answer a test wrote, to every request."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.url = ""
        self._answer: dict[str, Any] = {"body": json.dumps(QUEUE).encode()}

    def say(self, body: bytes = b"", *, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._answer = {"body": body, "status": status, "headers": headers}

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        return web.Response(**self._answer)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    async with TestServer(app) as server:
        proxy.url = str(server.make_url("/"))
        yield proxy


def client(session: aiohttp.ClientSession, url: str) -> ComfyClient:
    return ComfyClient(session=session, address=ServerUrl.parse(url), server="gpu1", timeouts=FAST)


async def test_the_queue_is_sorted_as_it_will_run(session: aiohttp.ClientSession, proxy: Proxy):
    queue = await client(session, proxy.url).queue()

    assert queue.pending == ("a", "a2", "b")


async def test_prefix_and_password_are_sent(session: aiohttp.ClientSession, proxy: Proxy):
    await client(session, proxy.url.replace("http://", "http://me:ge%40heim@") + "comfy/one/").queue()

    (request,) = proxy.requests
    assert request.path == "/comfy/one/queue"
    assert base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"me:ge@heim"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>starting</html>"),
        (200, b""),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"queue_running":null,"queue_pending":[]}'),
        (302, b""),
        (401, b""),
        (500, b"500 Internal Server Error\n\nServer got itself in trouble"),
    ],
)
async def test_what_is_no_queue_is_never_read_as_an_empty_one(
    session: aiohttp.ClientSession, proxy: Proxy, status: int, body: bytes
):
    proxy.say(body, status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(ServerFaultError) as caught:
        await client(session, proxy.url).queue()

    assert caught.value.status == status
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("status", [502, 503, 504, 521])
async def test_a_proxy_that_stands_alone_is_an_absent_server(session: aiohttp.ClientSession, proxy: Proxy, status: int):
    proxy.say(status=status)
    with pytest.raises(ServerOfflineError):
        await client(session, proxy.url).queue()
    assert len(proxy.requests) == 3

    with pytest.raises(ServerOfflineError):
        await client(session, proxy.url).submit(new_id(), {}, client_id="x")
    assert len(proxy.requests) == 4


async def test_an_answer_larger_than_allowed_is_not_read(session: aiohttp.ClientSession, proxy: Proxy):
    proxy.say(b" " * (MAX_ANSWER + 1))
    with pytest.raises(ServerFaultError):
        await client(session, proxy.url).queue()


async def test_a_refusal_needs_json_to_be_a_rejection(session: aiohttp.ClientSession, proxy: Proxy):
    proxy.say(b"Bad Request", status=400)
    with pytest.raises(ServerFaultError):
        await client(session, proxy.url).submit(new_id(), {}, client_id="x")

    proxy.say(b'{"error":{"type":"invalid_prompt_id"},"node_errors":{}}', status=400)
    with pytest.raises(GraphRejectedError):
        await client(session, proxy.url).submit(new_id(), {}, client_id="x")


async def test_a_server_that_invents_its_own_prompt_id_is_told_to_stop_it(session: aiohttp.ClientSession, proxy: Proxy):
    proxy.say(b'{"prompt_id":"its-own","number":1,"node_errors":{},"cancelled":true}')
    with pytest.raises(ServerFaultError):
        await client(session, proxy.url).submit(new_id(), {}, client_id="x")

    assert [request.path for request in proxy.requests] == ["/prompt", "/api/jobs/its-own/cancel"]


async def test_a_file_name_is_encoded_as_a_whole(session: aiohttp.ClientSession, proxy: Proxy):
    proxy.say(b"picture")
    ref = OutputRef("9", "a b&type=input#?%41+ü.png", "x/ü", "temp")
    assert await client(session, proxy.url).fetch(ref) == b"picture"

    (request,) = proxy.requests
    assert dict(request.query) == {"filename": ref.filename, "subfolder": ref.subfolder, "type": "temp"}


async def test_large_integers_and_nan_survive(session: aiohttp.ClientSession, proxy: Proxy):
    filler = b'"x":"' + b"y" * 300_000 + b'",'  # long enough to be parsed in a thread
    proxy.say(b"{" + filler + b'"max":18446744073709551615,"bad":NaN}')
    stats = await client(session, proxy.url).system_stats()

    assert stats["max"] == 18446744073709551615


async def test_no_password_and_no_address_reaches_the_log(
    connect: Connect, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    server = await connect(f"http://me:geheim@127.0.0.1:{unused_tcp_port}", online=False)
    with pytest.raises(ServerOfflineError) as caught:
        await server.locate(new_id())

    said = caplog.text + str(caught.value)
    assert "geheim" not in said
    assert str(unused_tcp_port) not in said
