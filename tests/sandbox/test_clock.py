"""When prompts ran by the server's own clock, how late a slow network is, and whom a stop hit."""

import itertools
import time
import uuid

import pytest

from bot.sandbox.comfyui import Generation, NodeFault, StandIn
from tests.contract.client import Client, kinds, picture_graph

LATE = 0.1


async def test_runs_are_noted_with_their_times_and_outcomes(server: StandIn, client: Client) -> None:
    socket = await client.socket()
    before = time.monotonic()
    good = await client.queue(picture_graph(), client_id=socket.sid)
    await socket.until_over(good)
    server.state.node_faults["ImageInvert"] = NodeFault()
    bad = await client.queue(picture_graph(), client_id=socket.sid)
    await socket.until_over(bad)
    server.state.interrupt_at_step = 1
    stopped = await client.queue(await client.sampling())
    await client.until_idle()
    runs = server.state.seen.runs
    assert [(run.prompt_id, run.client_id, run.outcome) for run in runs] == [
        (good, socket.sid, "success"),
        (bad, socket.sid, "error"),
        (stopped, None, "interrupted"),
    ]
    times = [before, *(time for run in runs for time in (run.began, run.ended)), time.monotonic()]
    assert times == sorted(times)


async def test_between_prompts_that_wait_there_is_next_to_no_gap(server: StandIn, client: Client) -> None:
    server.state.seconds_per_step = 0.01
    for _ in range(4):
        await client.queue(await client.sampling())
    await client.until_idle()
    runs = server.state.seen.runs
    assert all(0 <= after.began - before.ended < 0.25 for before, after in itertools.pairwise(runs))
    assert all(run.ended - run.began > 0.02 for run in runs)


async def test_latency_holds_back_answers_and_frames_and_keeps_their_order(server: StandIn, client: Client) -> None:
    socket = await client.socket()
    in_time = kinds(await socket.until_over(await client.queue(picture_graph(), client_id=socket.sid)))
    server.state.latency = LATE
    asked = time.monotonic()
    await client.get("/queue")
    assert time.monotonic() - asked >= LATE
    prompt_id = await client.queue(picture_graph(), client_id=socket.sid)
    late = kinds(await socket.until_over(prompt_id))
    assert late == in_time
    [*_, run] = server.state.seen.runs
    assert time.monotonic() - run.ended >= LATE
    assert time.monotonic() - run.ended < 6 * LATE, "frames are late together, not one after the other"


async def test_latency_comes_before_the_greeting_and_the_flags(server: StandIn, client: Client) -> None:
    server.state.latency = LATE
    asked = time.monotonic()
    socket = await client.socket(flags={"supports_preview_metadata": True})
    assert time.monotonic() - asked >= 2 * LATE
    await socket.until_over(await client.queue(picture_graph(), client_id=socket.sid))


async def busy(server: StandIn, client: Client) -> tuple[str, str]:
    """Let one prompt run and one wait; return their ids."""
    server.state.seconds_per_step = 0.01
    socket = await client.socket("owner")
    running = await client.queue(await client.endless(), client_id="owner")
    waiting = await client.queue(picture_graph(), client_id="other")
    await socket.until("progress")
    return running, waiting


@pytest.mark.parametrize("generation", list(Generation))
async def test_a_stop_names_whom_it_hit(server: StandIn, client: Client, generation: Generation) -> None:
    server.state.generation = generation
    running, waiting = await busy(server, client)
    if generation is Generation.NEW:
        for prompt_id in (waiting, running):
            await client.call("POST", f"/api/jobs/{prompt_id}/cancel")
    else:
        await client.call("POST", "/queue", json={"delete": [waiting]})
        await client.call("POST", "/interrupt", json={"prompt_id": running})
    await client.until_idle()
    assert [(stop.prompt_id, stop.client_id, stop.was_running, stop.was_named) for stop in server.state.seen.stops] == [
        (waiting, "other", False, True),
        (running, "owner", True, True),
    ]


async def test_a_stop_that_is_meant_for_nobody_in_particular_is_told_apart(server: StandIn, client: Client) -> None:
    running, waiting = await busy(server, client)
    await client.call("POST", "/queue", json={"clear": True})
    await client.call("POST", "/interrupt", json={})
    await client.until_idle()
    assert [(stop.prompt_id, stop.was_named) for stop in server.state.seen.stops] == [
        (waiting, False),
        (running, False),
    ]


async def test_a_stop_that_hits_nothing_is_not_noted(server: StandIn, client: Client) -> None:
    for path, body in (
        ("/interrupt", {}),
        ("/interrupt", {"prompt_id": "x"}),
        ("/queue", {"delete": ["x"]}),
        ("/queue", {"clear": True}),
        (f"/api/jobs/{uuid.uuid4()}/cancel", {}),
    ):
        assert (await client.call("POST", path, json=body)).status == 200
    assert server.state.seen.stops == []


async def test_each_of_several_servers_has_its_own_clock_and_memory() -> None:
    async with StandIn() as first, StandIn() as second:
        first.state.seconds_per_step = second.state.seconds_per_step = 0.0
        async with Client(first.url) as client:
            for _ in range(2):
                await client.run(await client.sampling())
        assert (len(first.state.seen.runs), first.state.seen.model_switches) == (2, 1)
        assert (len(second.state.seen.runs), second.state.seen.model_switches) == (0, 0)
