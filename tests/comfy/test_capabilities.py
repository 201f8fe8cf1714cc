"""Asking whether a ComfyUI is at an address: an answer within the time, whatever is there."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from bot.comfy.capabilities import probe
from bot.comfy.url import ServerUrl
from bot.errors import InputError, OfflineError
from bot.sandbox.comfyui import StandIn


async def answering(status: int, text: str, session: aiohttp.ClientSession) -> None:
    """Probe a server that gives one answer to everything."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        await probe(ServerUrl.parse(f"http://127.0.0.1:{runner.addresses[0][1]}"), session=session, timeout=2.0)
    finally:
        await runner.cleanup()


async def test_a_server_says_what_it_is(standin: StandIn, session: aiohttp.ClientSession):
    standin.state.vram_total = 24_000_000_000
    found = await probe(ServerUrl.parse(standin.url), session=session)

    assert found.vram == 24_000_000_000
    assert found.version == standin.state.generation.value
    assert "KSampler" in found.definitions.nodes


async def test_one_that_lists_its_nodes_slowly_is_there_all_the_same(standin: StandIn, session: aiohttp.ClientSession):
    standin.state.answer_delay_ms["GET /object_info"] = 3000
    found = await probe(ServerUrl.parse(standin.url), session=session, timeout=0.5)

    assert found.version == standin.state.generation.value
    assert found.definitions.nodes == {}


async def test_an_address_where_nothing_is(standin: StandIn, session: aiohttp.ClientSession):
    await standin.kill()
    with pytest.raises(OfflineError, match="No answer from this address"):
        await probe(ServerUrl.parse(standin.url), session=session, timeout=1.0)


async def test_a_server_that_stands_still_is_not_waited_for(standin: StandIn, session: aiohttp.ClientSession):
    standin.state.frozen = True
    async with asyncio.timeout(3):
        with pytest.raises(OfflineError, match="within 1 seconds"):
            await probe(ServerUrl.parse(standin.url), session=session, timeout=1.0)


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (200, "<html>A router</html>", "isn't ComfyUI"),
        (200, "{}", "isn't ComfyUI"),
        (200, '{"system": {"os": 1}, "devices": "none"}', "isn't ComfyUI"),
        (404, "secret page", "isn't ComfyUI"),
        (302, "", "isn't ComfyUI"),
        (401, "", "password"),
    ],
)
async def test_what_answers_may_be_something_else(session: aiohttp.ClientSession, status: int, text: str, says: str):
    with pytest.raises(InputError, match=says) as caught:
        await answering(status, text, session)
    assert "secret" not in str(caught.value.user_message)
