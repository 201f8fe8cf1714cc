"""Two hundred cancels at random moments, on servers that others use too: each hits its own job, and nothing else."""

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.sandbox.comfyui import Generation, ServerState, StandIn
from tests.transport.conftest import Stage, playing, until
from tests.wire import WireDiscord, WireInteraction, WireMessage
from tests.wire.bots import pointed_at
from tests.wire.messages import Edit

CANCELS, MANY, AT_ONCE = 40, 100, 8
"""For each generation of servers, because each is asked to stop something in another way; `MANY` with `--soak`."""
STEPS, STEP = 2, 0.004
RUN = 0.05
"""Seconds within which a job's turn on the server is over, more or less."""
STRANGER = "another-client"
CANCELLED = "Cancelled."
NOT_YOURS = "Only the person who asked for this, or a moderator, can cancel it."


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncGenerator[Stage]:
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=STEP, plain=True)) as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path) as stage,
    ):
        wire.state.rate_limits = False  # no two hundred members press a button within seconds
        yield stage


async def ordered(stage: Stage, number: int, user_id: int) -> WireInteraction:
    options = {"prompt": f"number {number}", "width": 64, "height": 64, "steps": STEPS, "seed": str(number)}
    return await stage.order(options=options, user_id=user_id)


async def pressed(stage: Stage, job: WireInteraction, user_id: int) -> WireInteraction | None:
    """Press *Cancel*, if it is still there."""
    shown = job.message.buttons if job.message else ()
    custom_id = next((one for one in shown if one.startswith("cc:cancel:")), None)
    if job.message is None or custom_id is None:
        return None
    return await stage.wire.component(job.message, custom_id, user_id=user_id)


class Ledger:
    """What became of each job on the server, found by its seed."""

    def __init__(self, stage: Stage) -> None:
        self._seen = stage.comfy.state.seen
        self._posted: dict[int, str] = {}
        self._looked_at = 0

    def is_posted(self, number: int) -> bool:
        """Whether the server has, or had, the job."""
        for prompt_id in self._seen.prompts[self._looked_at :]:
            self._posted[_seed(self._seen.graphs[prompt_id])["seed"]] = prompt_id
        self._looked_at = len(self._seen.prompts)
        return number in self._posted

    def has_run(self, number: int) -> bool:
        """Whether the server is done with it."""
        return self.is_posted(number) and any(run.prompt_id == self._posted[number] for run in self._seen.runs[-20:])


def _seed(graph: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that hold the seed."""
    return next(node["inputs"] for node in graph.values() if "seed" in node["inputs"])


@asynccontextmanager
async def in_company(stage: Stage) -> AsyncGenerator[list[str]]:
    """Let another client always have a prompt on the server; yield what it has posted. All of it has run at the end."""
    await stage.ended(await ordered(stage, 2**40, user_id=9))
    seen, foreign = stage.comfy.state.seen, list[str]()
    graph = copy.deepcopy(seen.graphs[seen.prompts[-1]])

    def over() -> int:
        return sum(run.client_id == STRANGER for run in seen.runs)

    async def post() -> None:
        for seed in itertools.count(2**41):
            _seed(graph)["seed"] = seed
            stage.comfy.post_as(copy.deepcopy(graph), STRANGER)
            foreign.append(seen.prompts[-1])
            while len(foreign) > over():  # noqa: ASYNC110 - the server tells nobody else
                await asyncio.sleep(0.002)

    posting = asyncio.create_task(post())
    try:
        yield foreign
    finally:
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
    await until(lambda: over() == len(foreign))


def moments(ledger: Ledger, number: int, random: Random) -> list[Callable[[], Awaitable[object]]]:
    """Return the waits after which a job may be cancelled: in the line, on the server, while it runs, as it ends."""
    return [
        lambda: asyncio.sleep(random.uniform(0.0, RUN)),
        lambda: until(lambda: ledger.is_posted(number)),
        lambda: _later(until(lambda: ledger.is_posted(number)), random.uniform(0.0, 2 * RUN)),
        lambda: until(lambda: ledger.has_run(number)),
    ]


async def _later(wait: Awaitable[None], seconds: float) -> None:
    await wait
    await asyncio.sleep(seconds)


async def cancelled_sometime(stage: Stage, ledger: Ledger, number: int, random: Random) -> WireMessage:
    """Order something and cancel it at a random moment; return its message once it shows an end."""
    user_id = 1 + number % 7
    job = await ordered(stage, number, user_id)
    await random.choice(moments(ledger, number, random))()
    await pressed(stage, job, user_id)
    return await stage.ended(job)


@pytest.mark.parametrize("generation", list(Generation))
async def test_nothing_but_the_own_job_is_ever_stopped(
    stage: Stage, generation: Generation, request: pytest.FixtureRequest
) -> None:
    times = MANY if request.config.getoption("--soak") else CANCELS
    stage.comfy.state.generation = generation
    seed = Random().getrandbits(32)
    random, ledger, room = Random(seed), Ledger(stage), asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> WireMessage:
        async with room:
            return await cancelled_sometime(stage, ledger, number, random)

    async with in_company(stage) as foreign:
        messages = await asyncio.gather(*map(one, range(times)))
    check_server(stage, set(foreign), times, f"seed {seed}")
    check_messages(messages, f"seed {seed}")


def check_server(stage: Stage, foreign: set[str], times: int, seed: str) -> None:
    """See that the server was asked for nothing but our own, at all the moments that were meant."""
    seen = stage.comfy.state.seen
    assert {run.outcome for run in seen.runs if run.client_id == STRANGER} == {"success"}, seed
    assert not {stop.prompt_id for stop in seen.stops} & foreign, seed
    assert not set(seen.interrupts) & {None, *foreign}, seed
    assert all(stop.was_named for stop in seen.stops), seed
    ours = Counter(run.outcome for run in seen.runs if run.client_id != STRANGER)
    assert len(seen.prompts) - len(foreign) - 1 < times, f"{seed}: none was cancelled in the line"
    assert any(not stop.was_running for stop in seen.stops), f"{seed}: none was cancelled before it ran"
    assert ours["interrupted"], f"{seed}: none was cancelled while it ran"
    assert ours["success"] > 1, f"{seed}: none was cancelled too late"


def check_messages(messages: list[WireMessage], seed: str) -> None:
    """See that each member was told one end: cancelled, or delivered."""
    for message in messages:
        ends = sum(_is_delivery(edit) or CANCELLED in edit.text for edit in message.edits)
        assert ends == 1, f"{seed}: {[edit.text for edit in message.edits]}"
        assert bool(message.attachments) is not (CANCELLED in message.text), f"{seed}: {message.text}"


def _is_delivery(edit: Edit) -> bool:
    return any(not name.startswith("preview") for name in edit.files)


async def test_another_members_press_says_so_and_stops_nothing(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.1
    jobs = [await ordered(stage, number, user_id=1) for number in range(4)]
    seen = stage.comfy.state.seen
    await until(lambda: seen.frames["progress"])
    for job in jobs:  # one runs, one waits on the server, the others in the line
        answer = await pressed(stage, job, user_id=2)
        assert answer is not None
        assert answer.message is not None
        assert answer.message.is_ephemeral
        assert answer.text == NOT_YOURS
    stage.comfy.state.seconds_per_step = 0.0
    for job in jobs:
        assert (await stage.ended(job)).attachments
    assert (seen.stops, seen.interrupts) == ([], [])
    assert [run.outcome for run in seen.runs] == ["success"] * len(jobs)
