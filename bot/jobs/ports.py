"""What a job needs from the outside, as Protocols: a server that runs graphs, and a place to tell people about it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum, auto
from typing import Final, Protocol

from bot.i18n import Message
from bot.jobs.job import Job, Place
from bot.jobs.updates import JobUpdate
from bot.workflow.definitions import Definitions
from bot.workflow.execution import (
    Accepted,
    InputFile,
    JsonGraph,
    OutputFile,
    OutputRef,
    RunEvent,
    RunResult,
    Whereabouts,
)
from bot.workflow.needs import Abilities
from bot.workflow.spec import IDLE_LIMIT


class Backend(Protocol):
    """One ComfyUI server, as a runner sees it.

    Every method but `watch` and the properties may raise `ServerOfflineError`; none retries what is not idempotent.
    """

    @property
    def name(self) -> str:
        """A short name for people and logs; never an address."""
        ...

    @property
    def key(self) -> str:
        """What identifies the server across restarts: its address, without a password. Not for members."""
        ...

    @property
    def online(self) -> bool:
        """Whether the shared socket is connected now."""
        ...

    @property
    def definitions(self) -> Definitions:
        """What the server can do, as it last told us; empty before it did."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What the server can do, and with what; without definitions before it told us."""
        ...

    @property
    def foreign(self) -> int:
        """How many prompts of others are in its queue, running or waiting, as far as is known."""
        ...

    async def refresh_definitions(self) -> Definitions:
        """Ask the server what it can do. Raises `ServerFaultError` when its answer is of no use."""
        ...

    async def wait_online(self) -> None:
        """Return as soon as the server is reachable."""
        ...

    def watch(
        self, prompt_id: str, *, idle_limit: float = IDLE_LIMIT
    ) -> AbstractAsyncContextManager[AsyncIterator[RunEvent]]:
        """Collect what happens to a prompt; enter before `submit`, so that no frame is missed.

        A run that is silent for half of `idle_limit` seconds makes sure that it is not the connection that is deaf.
        The iterator ends after `RunEnded` or `RunLost`. A slow reader loses old progress, never the end.
        """
        ...

    async def upload(self, file: InputFile) -> str:
        """Store an input picture on the server and return the name under which graphs find it."""
        ...

    async def submit(self, prompt_id: str, graph: JsonGraph) -> Accepted:
        """Queue a graph under our own id.

        Raises `GraphRejectedError`; after `ServerOfflineError` the server may have it or not: `locate` it.
        """
        ...

    async def locate(self, prompt_id: str) -> Whereabouts:
        """Say where the server has a prompt: in its queue, its history, or (after a second look) nowhere."""
        ...

    def hears(self, prompt_id: str) -> bool:
        """Return whether frames about a prompt can reach us now: if not, silence says nothing about it."""
        ...

    async def interrupt(self, prompt_id: str) -> None:
        """Stop a prompt, waiting or running; nobody else's is ever touched."""
        ...

    async def result(self, prompt_id: str) -> RunResult:
        """Read the outcome of a finished prompt from `/history`. Raises `ServerFaultError` when it is not there."""
        ...

    async def fetch(self, ref: OutputRef) -> OutputFile:
        """Download one output. Raises `ServerFaultError` when the server has it no more."""
        ...


class Told(StrEnum):
    """What became of the attempt to tell a job's end."""

    SENT = auto()
    """The job's message shows it."""
    KEPT = auto()
    """The message can show it no more. The member was told where it waits, as far as Discord lets us."""
    LATER = auto()
    """Discord cannot be reached, or is in trouble: try again in a while."""


ON_ITS_WAY: Final = float("inf")
"""As the time of an edit that has not arrived yet, as far as is known."""


class Presenter(Protocol):
    """Tells people about a job, in the job's one message. Faults of the outside end here: no method raises them."""

    def update(self, job: Job, update: JobUpdate) -> None:
        """Show the newest state when the edit budget allows; returns at once, an older unsent update is forgotten."""
        ...

    def forget(self, job_id: str) -> float:
        """Show nothing more of a job that another process has; return when its message was edited last from here.

        In seconds since the epoch: 0 for never, `ON_ITS_WAY` while an edit is.
        """
        ...

    async def settle(self, job_id: str) -> None:
        """Return when no edit of a job that was forgotten is on its way any more."""
        ...

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Told:
        """Show the pictures, with an optional remark. May be repeated: nothing is posted twice.

        Raises `FailedError` when the pictures can be shown in no way, with the sentence for the member, and
        `IllegalMoveError` when somebody else took the job over.
        """
        ...

    async def fail(self, job: Job, reason: Message) -> Told:
        """Show why there are no pictures."""
        ...

    async def find_answer(self, place: Place) -> int | None:
        """Return the id of the message that answered the interaction; None when it was never answered.

        Raises `OfflineError` when Discord cannot be asked now, and `FailedError` when nobody can find out any more.
        """
        ...
