"""Turns requests into jobs: the single entry point for slash commands, forms, and buttons under results.

It sends every first response: the job's message, or the reason why there is no job.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace

import discord

from bot.clock import Clock
from bot.errors import BotError, LimitError
from bot.i18n import Message, _
from bot.jobs.enqueue import Enqueuer
from bot.jobs.job import Job, MessageLocation, StaleJobError
from bot.jobs.repository import DuplicateJobError
from bot.jobs.scheduling.queue_view import QueueView
from bot.policy.admission import Admission, AdmissionContext
from bot.ui.client.error_handler import CommandTree, explain_error
from bot.ui.commands.attachments import Attachments, UnreadFile
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.builder import Given
from bot.ui.commands.first_reply import FirstReply
from bot.ui.commands.guild_rules import GuildRules, PlaceSettings
from bot.ui.commands.lookup import WorkflowLookup
from bot.ui.commands.requester import requester_of
from bot.ui.messages.render import Renderer
from bot.ui.page import SILENT, layout
from bot.ui.replies import ANSWER_TIMEOUT, in_time
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.next_steps import next_steps
from bot.workflow.manifest.values import RandomSource
from bot.workflow.run.prepare import prepare
from bot.workflow.run.spec import RunSpec
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

CLOSE_GRACE = 3.0
"""Seconds for requests in progress when the bot stops."""
MAX_RECENT = 1000
"""Recent interaction ids, to drop duplicate events; the database recognises older ones."""


@dataclass(frozen=True, slots=True)
class _Request:
    workflow: Workflow
    values: Given
    """Without unread files."""
    attached: Mapping[str, UnreadFile]
    settings: PlaceSettings
    context: AdmissionContext
    guild_id: int | None


class JobSubmitter:
    """Submits requests. `close` it when the bot stops."""

    def __init__(
        self,
        *,
        tree: CommandTree,
        rules: GuildRules,
        lookup: WorkflowLookup,
        definitions: Callable[[], Definitions],
        attachments: Attachments,
        admission: Admission,
        queue_view: QueueView,
        enqueuer: Enqueuer,
        autocompleter: Autocompleter,
        renderer: Renderer,
        clock: Clock,
        random: RandomSource,
    ) -> None:
        self._tree = tree
        self._rules = rules
        self._lookup = lookup
        self._definitions = definitions
        self._attachments = attachments
        self._admission = admission
        self._queue_view = queue_view
        self._enqueuer = enqueuer
        self._autocompleter = autocompleter
        self._renderer = renderer
        self._clock = clock
        self._random = random
        self._recent: deque[int] = deque(maxlen=MAX_RECENT)
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
            await self._accept(interaction, reply, workflow, given)
        except DuplicateJobError:
            log.info("dropped a duplicate interaction")
        except StaleJobError:
            log.info("a request was cancelled while its files were being read")
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
        """Raise the `BotError` with which `submit` would refuse the values, without reading any file."""
        settings = await self._rules.resolve(interaction, workflow)
        files = {name: option for name, option in workflow.manifest.options.items() if option.is_file}
        if not any(option.required for option in files.values()):
            values = {name: value for name, value in given.items() if name not in files}
            self._prepare(workflow, values, settings, interaction.guild_id)

    async def close(self) -> None:
        """Accept nothing more, and let requests in progress get their answer."""
        self._is_closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_GRACE):
                await self._idle.wait()

    async def _accept(
        self, interaction: discord.Interaction, reply: FirstReply, workflow: Workflow, given: Given
    ) -> None:
        if interaction.id in self._recent:  # must not be refused because the first event used up a quota
            raise DuplicateJobError
        self._recent.append(interaction.id)
        if self._is_closed:
            raise LimitError(_("I'm restarting. Please try again in a minute."))
        async with AsyncExitStack() as lock:
            async with in_time(ANSWER_TIMEOUT):
                request = await self._read(interaction, workflow, given, lock)
                status = await self._first_status(interaction, request)
            spec = self._admit(request)
            job = await self._enqueuer.reserve(spec, reply.requester, reply.draft(), request.context.terms)
        location = await self._answer(reply, job, status)
        if request.attached:
            job = await self._enqueue_with_files(job, location, request)
        else:
            job = await self._enqueuer.enqueue(job, spec, location)
        self._autocompleter.count_use(workflow, job.spec)

    async def _read(
        self, interaction: discord.Interaction, workflow: Workflow, given: Given, lock: AsyncExitStack
    ) -> _Request:
        """Take the member's lock, which `lock` releases, and read what decides about the request."""
        requester = requester_of(interaction)
        settings = await self._rules.resolve(interaction, workflow)
        await lock.enter_async_context(self._admission.lock(requester))
        context = await self._admission.read(requester, settings.limits)
        attached = {name: value for name, value in given.items() if isinstance(value, UnreadFile)}
        values = {name: value for name, value in given.items() if name not in attached}
        return _Request(workflow, values, attached, settings, context, interaction.guild_id)

    async def _first_status(self, interaction: discord.Interaction, request: _Request) -> Message:
        if request.attached:
            return _("Checking your file…")
        guild_id, user_id = interaction.guild_id, interaction.user.id
        status = await self._queue_view.expected_position(guild_id, user_id, request.workflow.name)
        return self._renderer.waiting(status)

    def _admit(self, request: _Request) -> RunSpec:
        """Return what is run, still without its graph if files must be read: that takes longer than Discord allows."""
        workflow, context = request.workflow, request.context
        if request.attached:
            context.admit_unread(workflow.name)
            return RunSpec(workflow=workflow.name, title=workflow.manifest.title, graph={}, version=workflow.version)
        spec = self._prepare(workflow, request.values, request.settings, request.guild_id)
        context.admit(spec)
        return spec

    async def _enqueue_with_files(self, job: Job, location: MessageLocation, request: _Request) -> Job:
        workflow = request.workflow
        try:
            files = await self._attachments.read(workflow, request.attached)
            spec = self._prepare(workflow, {**request.values, **files}, request.settings, request.guild_id)
            request.context.admit(spec)
            return await self._enqueuer.enqueue(job, spec, location)
        except Exception as error:
            is_known = isinstance(error, BotError)
            reason = error.user_message if is_known else _("Something went wrong on our side.")
            await self._enqueuer.refuse(job, reason)
            raise

    async def _answer(self, reply: FirstReply, job: Job, status: Message) -> MessageLocation:
        try:
            return await reply.open(self._renderer.opening(job, status))
        except discord.HTTPException:
            await self._enqueuer.withdraw(job)
            raise
        except BaseException:  # connection lost, or the bot is stopping: Discord may or may not have the answer
            self._enqueuer.resolve_later(job)
            raise

    def _prepare(self, workflow: Workflow, values: Given, settings: PlaceSettings, guild_id: int | None) -> RunSpec:
        spec = prepare(
            workflow, values, definitions=self._definitions(), random=self._random, defaults=settings.defaults
        )
        return replace(spec, steps=tuple(next_steps(workflow, self._lookup.offered(guild_id))))

    async def _refuse(
        self, interaction: discord.Interaction, reply: FirstReply, workflow: Workflow, reason: Message
    ) -> None:
        page = self._renderer.refusal(workflow.manifest.title, reason, reply.requester.locale)
        await interaction.edit_original_response(view=layout(page), attachments=[], allowed_mentions=SILENT)
