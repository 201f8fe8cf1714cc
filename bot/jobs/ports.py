"""What jobs need from outside, as Protocols: a server that runs graphs, and a presenter that shows the results."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from bot.i18n import Message
from bot.jobs.job import Delivery, Job, MessageLocation
from bot.jobs.status import JobUpdate
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.manifest.manifest import IDLE_LIMIT
from bot.workflow.run.events import Accepted, InputFile, OutputFile, OutputRef, PromptLocation, RunEvent, RunResult
from bot.workflow.run.needs import Abilities


class Backend(Protocol):
    """One ComfyUI server.

    Every method but `watch` and the properties may raise `ServerOfflineError`; only idempotent requests are retried.
    """

    @property
    def name(self) -> str:
        """A short name for messages and logs; never a URL."""
        ...

    @property
    def key(self) -> str:
        """Identifies the server across restarts: its URL without credentials. Not for members."""
        ...

    @property
    def online(self) -> bool:
        """Whether the shared WebSocket is connected."""
        ...

    @property
    def definitions(self) -> Definitions:
        """The node definitions, as last read; empty before that."""
        ...

    @property
    def abilities(self) -> Abilities:
        """Everything the server offers; without definitions before they are read."""
        ...

    @property
    def foreign_prompts(self) -> int:
        """Known number of prompts by other clients in its queue, running or pending."""
        ...

    async def refresh_definitions(self) -> Definitions:
        """Read the node definitions again. Raises `ServerFaultError` for an unusable answer."""
        ...

    async def wait_online(self) -> None:
        """Return as soon as the server is online."""
        ...

    def subscribe(
        self, prompt_id: str, *, idle_limit: float = IDLE_LIMIT
    ) -> AbstractAsyncContextManager[AsyncIterator[RunEvent]]:
        """Subscribe to the events of a prompt; enter before `submit`, so that no frame is missed.

        After half of `idle_limit` seconds of silence the connection is checked. The iterator ends after `RunEnded` or
        `RunLost`. A slow reader loses old progress, never the end.
        """
        ...

    async def upload(self, file: InputFile) -> str:
        """Store an input file on the server and return the name that graphs use for it."""
        ...

    async def submit(self, prompt_id: str, graph: JsonGraph) -> Accepted:
        """Queue a graph under our own prompt id.

        Raises `GraphRejectedError`; after `ServerOfflineError` the server may or may not have it: `locate` it.
        """
        ...

    async def locate(self, prompt_id: str) -> PromptLocation:
        """Return where a prompt is: in the queue, in the history, or (after a second check) nowhere."""
        ...

    def receives_events_for(self, prompt_id: str) -> bool:
        """Return whether events of a prompt can currently arrive: if not, silence means nothing."""
        ...

    async def interrupt(self, prompt_id: str) -> None:
        """Stop a prompt, running or pending; never affects other prompts."""
        ...

    async def result(self, prompt_id: str) -> RunResult:
        """Read the outcome of a finished prompt from `/history`. Raises `ServerFaultError` when it is missing."""
        ...

    async def fetch(self, ref: OutputRef) -> OutputFile:
        """Download one output. Raises `ServerFaultError` when it is gone."""
        ...


ON_ITS_WAY: Final = float("inf")
"""The time of an edit that may still be in progress."""


class Presenter(Protocol):
    """Shows a job in its message. Handles Discord's errors itself: no method raises them.

    The end of a job is SENT, or UNDELIVERABLE (its member was told where it waits, if possible), or still PENDING:
    Discord is unreachable or failing, so retry later.
    """

    def update(self, job: Job, update: JobUpdate) -> None:
        """Show the newest status when the edit budget allows; returns at once and replaces older unsent updates."""
        ...

    def forget(self, job_id: str) -> float:
        """Stop updating a job that another process has; return the time of this process's last edit.

        In seconds since the epoch: 0 for never, `ON_ITS_WAY` while an edit is in progress.
        """
        ...

    async def wait_for_edit(self, job_id: str) -> None:
        """Wait until no edit of a forgotten job is in progress."""
        ...

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
        """Show the result with an optional remark. Idempotent: nothing is posted twice.

        Raises `FailedError`, with a message for the member, when the files cannot be shown in any way, and
        `StaleJobError` when another process took the job over.
        """
        ...

    async def fail(self, job: Job, reason: Message) -> Delivery:
        """Show why there is no result."""
        ...

    async def find_answer(self, place: MessageLocation) -> int | None:
        """Return the id of the message that answered the interaction; None when it was never answered.

        Raises `OfflineError` when Discord cannot be asked now, and `FailedError` when it can no longer be found out.
        """
        ...
