from collections.abc import Mapping
from typing import Any

from bot.clock import SystemClock
from bot.comfy.client import QueueState
from bot.comfy.prompt_lookup import PromptLookup
from bot.workflow.run.events import PromptLocation

ID = "d3df08b5-3cf0-4d91-8424-6f54990f1d08"
EMPTY = QueueState((), ())


class Moving:
    """A server on which the prompt moves on between two questions."""

    def __init__(self, *, queues: list[QueueState], histories: list[bool]) -> None:
        self._queues = queues
        self._histories = histories

    async def queue(self) -> QueueState:
        return self._queues.pop(0)

    async def history(self, prompt_id: str) -> Mapping[str, Any] | None:
        return {"outputs": {}} if self._histories.pop(0) else None


async def locate(server: Moving) -> PromptLocation:
    lookup = PromptLookup(client=server, clock=SystemClock(), second_check=0.0)  # pyright: ignore[reportArgumentType]
    return (await lookup.locate([ID]))[ID]


async def test_a_prompt_in_the_queue_needs_no_history():
    assert await locate(Moving(queues=[QueueState((ID,), ())], histories=[])) is PromptLocation.RUNNING
    assert await locate(Moving(queues=[QueueState((), (ID,))], histories=[])) is PromptLocation.PENDING


async def test_a_prompt_that_arrives_between_two_looks_is_found():
    server = Moving(queues=[EMPTY, QueueState((), (ID,))], histories=[False])

    assert await locate(server) is PromptLocation.PENDING


async def test_a_prompt_that_arrives_and_ends_between_two_looks_is_found():
    assert await locate(Moving(queues=[EMPTY, EMPTY], histories=[False, True])) is PromptLocation.FINISHED


async def test_only_two_empty_looks_mean_nowhere():
    assert await locate(Moving(queues=[EMPTY, EMPTY], histories=[False, False])) is PromptLocation.UNKNOWN
