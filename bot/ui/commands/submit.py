"""Turns requests into jobs: the single entry point for slash commands, forms, and buttons under results.

It sends every first response: the job's message, or the reason why there is no job.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

import discord

from bot.clock import Clock
from bot.errors import BotError, LimitError
from bot.i18n import Message, _
from bot.jobs.enqueue import Enqueuer
from bot.jobs.job import Job, MessageLocation, StaleJobError
from bot.jobs.repository import DuplicateJobError
from bot.jobs.scheduling.dispatcher import Dispatcher
from bot.policy.admission import Admission, AdmissionContext, Requester
from bot.policy.limits import Limits
from bot.ui.client.error_handler import CommandTree, explain_error
from bot.ui.commands.attachments import Attachments, UnreadFile
from bot.ui.commands.first_reply import FirstReply
from bot.ui.commands.requester import requester_of
from bot.ui.messages.render import Renderer
from bot.ui.page import SILENT, layout
from bot.ui.replies import in_time
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.next_steps import next_steps
from bot.workflow.manifest.values import RandomSource
from bot.workflow.run.prepare import prepare
from bot.workflow.run.spec import RunSpec
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

CLOSE_GRACE = 3.0
"""Seconds for requests in progress when the bot stops."""
HEARD_KEPT = 1000
"""Recent interaction ids, to drop duplicate events; the database recognises older ones."""
DATABASE_TIMEOUT = 2.0
"""Seconds for a member's lock and the database before a command is answered; Discord allows three."""

Given = Mapping[str, object]
"""Option name → text, number, boolean, an unread file, or a checked `InputFile`."""


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """A workflow's settings in the guild and channel of a request, on top of its manifest."""

    defaults: Mapping[str, object] = field(default_factory=dict[str, object])
    """Option name → default value."""
    limits: Limits | None = None
    """None: those of the installation."""


class House(Protocol):
    async def resolve(self, interaction: discord.Interaction, workflow: Workflow) -> PlaceSettings:
        """Return the settings of this place. Raises `DeniedError` or another `BotError` if it may not be used here."""
        ...


class JobSubmitter:
    """Submits requests. `close` it when the bot stops. `offered` returns the workflows available in a guild."""

    def __init__(
        self,
        *,
        tree: CommandTree,
        house: House,
        definitions: Callable[[], Definitions],
        attachments: Attachments,
        admission: Admission,
        queue: Dispatcher,
        enqueuer: Enqueuer,
        renderer: Renderer,
        clock: Clock,
        random: RandomSource,
        offered: Callable[[int | None], Mapping[str, Workflow]],
        on_accepted: Callable[[RunSpec], None] = lambda _spec: None,
    ) -> None:
        self._tree = tree
        self._house = house
        self._definitions = definitions
        self._attachments = attachments
        self._admission = admission
        self._queue = queue
        self._enqueuer = enqueuer
        self._renderer = renderer
        self._clock = clock
        self._random = random
        self._offered = offered
        self._on_accepted = on_accepted
        self._heard: deque[int] = deque(maxlen=HEARD_KEPT)
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closed = False

    async def submit(self, interaction: discord.Interaction, workflow: Workflow, given: Given) -> None:
        """Answer a request and enqueue its job; later errors are shown in the same message."""
        reply = FirstReply(interaction, clock=self._clock)
        self._idle.clear()
        self._busy += 1
        try:
            if not self._is_repeated(interaction):
                await self._accept(interaction, reply, workflow, given)
        except Exception as error:
            if reply.location is None:
                await self._tree.reply_error(interaction, error)
            else:
                await self._refuse(interaction, reply, workflow, explain_error(error))
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def validate(self, interaction: discord.Interaction, workflow: Workflow, given: Given) -> None:
        """Raise the `BotError` with which `place` would refuse the values, without reading any file."""
        settled = await self._house.resolve(interaction, workflow)
        files = {name for name, option in workflow.manifest.options.items() if option.is_file}
        words = {name: value for name, value in given.items() if name not in files}
        if files.isdisjoint(name for name, option in workflow.manifest.options.items() if option.required):
            self._prepared(workflow, words, settled, interaction.guild_id)

    async def close(self) -> None:
        """Accept nothing more, and let requests in progress get their answer."""
        self._is_closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_GRACE):
                await self._idle.wait()

    def _is_repeated(self, interaction: discord.Interaction) -> bool:
        """Return whether an event is a duplicate, which must not be refused because the first used up a quota."""
        if interaction.id in self._heard:
            log.info("dropped a duplicate interaction")
            return True
        self._heard.append(interaction.id)
        return False

    async def _accept(
        self, interaction: discord.Interaction, reply: FirstReply, workflow: Workflow, given: Given
    ) -> None:
        if self._is_closed:
            raise LimitError(_("I'm restarting. Please try again in a minute."))
        asker = requester_of(interaction)
        until = asyncio.get_running_loop().time() + DATABASE_TIMEOUT
        async with in_time(DATABASE_TIMEOUT):
            settled = await self._house.resolve(interaction, workflow)
        attached = {name: value for name, value in given.items() if isinstance(value, UnreadFile)}
        try:
            if attached:
                await self._accept_with_files(reply, workflow, given, attached, asker, settled, until)
            else:
                await self._accept_words(reply, workflow, given, asker, settled, until)
        except DuplicateJobError:
            log.info("dropped a duplicate interaction")
        except StaleJobError:
            log.info("a request was cancelled while its files were being read")

    async def _accept_words(
        self,
        reply: FirstReply,
        workflow: Workflow,
        given: Given,
        asker: Requester,
        settled: PlaceSettings,
        until: float,
    ) -> None:
        spec = self._prepared(workflow, given, settled, asker.guild_id)
        async with AsyncExitStack() as turn:
            async with in_time(until - asyncio.get_running_loop().time()):
                entry = await self._read_admission(turn, asker, settled)
                outlook = await self._queue.outlook(asker.guild_id, asker.user_id, workflow.name)
            entry.admit(spec)
            job = await self._enqueuer.reserve(spec, reply.requester, reply.draft(), entry.terms)
        place = await self._answer(reply, job, self._renderer.waiting(outlook))
        await self._enqueuer.enqueue(job, spec, place)
        self._on_accepted(spec)

    async def _accept_with_files(
        self,
        reply: FirstReply,
        workflow: Workflow,
        given: Given,
        attached: dict[str, UnreadFile],
        asker: Requester,
        settled: PlaceSettings,
        until: float,
    ) -> None:
        """Answer first: reading files takes longer than Discord allows."""
        unread = RunSpec(workflow=workflow.name, title=workflow.manifest.title, graph={}, version=workflow.version)
        async with AsyncExitStack() as turn:
            async with in_time(until - asyncio.get_running_loop().time()):
                entry = await self._read_admission(turn, asker, settled)
            entry.admit_unread(workflow.name)
            job = await self._enqueuer.reserve(unread, reply.requester, reply.draft(), entry.terms)
        place = await self._answer(reply, job, _("Checking your file…"))
        try:
            files = await self._attachments.read(workflow, attached)
            words = {name: value for name, value in given.items() if name not in attached}
            spec = self._prepared(workflow, {**words, **files}, settled, asker.guild_id)
            entry.admit(spec)
            await self._enqueuer.enqueue(job, spec, place)
        except Exception as error:
            known = isinstance(error, BotError)
            await self._enqueuer.refuse(job, error.user_message if known else _("Something went wrong on our side."))
            raise
        self._on_accepted(spec)

    async def _read_admission(self, turn: AsyncExitStack, asker: Requester, settled: PlaceSettings) -> AdmissionContext:
        """Take the member's lock, which `turn` releases, and return what decides about the request."""
        await turn.enter_async_context(self._admission.lock(asker))
        return await self._admission.read(asker, settled.limits)

    async def _answer(self, reply: FirstReply, job: Job, status: Message) -> MessageLocation:
        try:
            return await reply.open(self._renderer.opening(job, status))
        except discord.HTTPException:
            await self._enqueuer.withdraw(job)
            raise
        except BaseException:  # connection lost, or the bot is stopping: Discord may or may not have the answer
            self._enqueuer.resolve_later(job)
            raise

    def _prepared(
        self, workflow: Workflow, values: Mapping[str, object], settled: PlaceSettings, guild_id: int | None
    ) -> RunSpec:
        spec = prepare(
            workflow, values, definitions=self._definitions(), random=self._random, defaults=settled.defaults
        )
        return replace(spec, steps=tuple(next_steps(workflow, self._offered(guild_id))))

    async def _refuse(
        self, interaction: discord.Interaction, reply: FirstReply, workflow: Workflow, reason: Message
    ) -> None:
        page = self._renderer.refusal(workflow.manifest.title, reason, reply.requester.locale)
        await interaction.edit_original_response(view=layout(page), attachments=[], allowed_mentions=SILENT)
