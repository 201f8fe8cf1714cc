"""Starting, dying and coming back."""

import aiohttp
import pytest

from bot.sandbox.comfyui import ServerState, StandIn
from tests.contract.client import Client, picture_graph


async def test_killing_breaks_sockets_without_a_close_frame(server: StandIn, client: Client) -> None:
    socket = await client.socket()
    await server.kill()
    message = await socket.raw.receive()
    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert socket.raw.close_code == 1006


async def test_nobody_listens_while_it_is_dead(server: StandIn, client: Client) -> None:
    await server.kill()
    assert not server.is_running
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get("/prompt")


async def test_a_restart_keeps_the_address_and_the_files_and_forgets_the_rest(server: StandIn, client: Client) -> None:
    address, graph = server.url, picture_graph()
    entry = await client.run(graph)
    (file,) = entry["outputs"]["3"]["images"]
    await server.kill()
    await server.start()
    assert server.url == address
    assert await client.get("/history") == {}
    path = f"/view?filename={file['filename']}&subfolder={file['subfolder']}"
    assert (await client.call("GET", path)).status == 200
    assert (await client.run(graph))["outputs"]["3"]["images"] != [file]
    assert (await client.post(picture_graph())).json["number"] == 1


async def test_a_restart_empties_temp(server: StandIn, client: Client) -> None:
    graph = picture_graph()
    graph["3"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}
    (file,) = (await client.run(graph))["outputs"]["3"]["images"]
    assert file["type"] == "temp"
    await server.kill()
    await server.start()
    assert (await client.call("GET", f"/view?filename={file['filename']}&type=temp")).status == 404


async def test_killing_in_the_middle_of_a_run(server: StandIn, client: Client) -> None:
    server.state.seconds_per_step = 0.01
    socket = await client.socket()
    prompt_id = await client.queue(await client.endless(), client_id=socket.sid)
    await socket.until("progress")
    await server.kill()
    await server.start()
    assert await client.get("/queue") == {"queue_running": [], "queue_pending": []}
    assert await client.history(prompt_id) == {}


async def test_closing_removes_the_files() -> None:
    async with StandIn() as server:
        directory = server.directory
        assert directory.is_dir()
    assert not directory.exists()


async def test_two_live_side_by_side() -> None:
    async with StandIn() as first, StandIn(ServerState()) as second:
        assert first.url != second.url
        assert first.directory != second.directory


async def test_a_taken_port_is_an_error(server: StandIn) -> None:
    other = StandIn()
    with pytest.raises(OSError, match="in use"):
        await other.start(int(server.url.rpartition(":")[2]))
    await other.close()
