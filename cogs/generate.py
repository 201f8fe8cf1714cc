"""One slash command for each workflow: takes the member's options and pictures, and turns them into a job."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import discord
from discord import app_commands
from discord.ext import commands

from bot.clock import Clock
from bot.errors import LimitError
from bot.i18n import Message, _
from bot.jobs.job import Place
from bot.jobs.queue import JobQueue
from bot.jobs.store import DuplicateJobError, JobStore
from bot.policy.decision import Allowed, Held, Refused
from bot.policy.limits import Limits, review
from bot.policy.request import Request
from bot.ui.attachments import Attachments
from bot.ui.commands import Given, build_command
from bot.ui.layout import SILENT, layout
from bot.ui.render import Renderer
from bot.ui.reply import Reply
from bot.ui.tree import explain_error
from bot.workflow.catalog import Catalog, Workflow
from bot.workflow.definitions import Definitions
from bot.workflow.measure import measure
from bot.workflow.prepare import prepare
from bot.workflow.spec import RunSpec
from bot.workflow.values import RandomSource

log = logging.getLogger(__name__)

MAX_COMMANDS = 90
"""Discord takes 100 in a server; some are left to the bot's own."""
CLOSE_GRACE = 3.0
"""Seconds for commands that are being read when the bot stops."""


class Generate(commands.Cog):
    """The commands of the catalogue."""

    def __init__(
        self,
        *,
        tree: app_commands.CommandTree[discord.Client],
        catalog: Catalog,
        definitions: Callable[[], Definitions],
        attachments: Attachments,
        limits: Limits,
        store: JobStore,
        queue: JobQueue,
        renderer: Renderer,
        clock: Clock,
        random: RandomSource,
    ) -> None:
        self._tree = tree
        self._catalog = catalog
        self._definitions = definitions
        self._attachments = attachments
        self._limits = limits
        self._store = store
        self._queue = queue
        self._renderer = renderer
        self._clock = clock
        self._random = random
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closed = False

    async def cog_load(self) -> None:
        """Add the commands to the tree."""
        for number, workflow in enumerate(self._catalog.workflows.values(), start=1):
            if number > MAX_COMMANDS:
                log.warning("%s gets no command: Discord takes %d", workflow.name, MAX_COMMANDS)
                continue
            self._tree.add_command(build_command(workflow, run=self.run, live_choices=self._live_choices))

    async def cog_unload(self) -> None:
        """Take the commands out of the tree."""
        for name in self._catalog.workflows:
            self._tree.remove_command(name)

    async def run(self, interaction: discord.Interaction, workflow: Workflow, given: Given) -> None:
        """Answer a command; whatever goes wrong after the answer is said in that same message."""
        reply = Reply(interaction, clock=self._clock)
        self._idle.clear()
        self._busy += 1
        try:
            await self._accept(reply, workflow, given)
        except Exception as error:
            if reply.place is None:
                raise
            await self._refuse(interaction, reply, workflow, explain_error(error))
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def close(self) -> None:
        """Accept nothing more, and let commands that are being read come to their answer."""
        self._is_closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_GRACE):
                await self._idle.wait()

    async def _accept(self, reply: Reply, workflow: Workflow, given: Given) -> None:
        if self._is_closed:
            raise LimitError(_("The bot is being restarted. Please try again in a minute."))
        attached = {name: value for name, value in given.items() if isinstance(value, discord.Attachment)}
        if attached:
            await self._open(reply, workflow, None, _("Looking at your picture…"))
        pictures = await self._attachments.read(workflow, attached)
        values = {name: value for name, value in given.items() if name not in attached}
        spec = prepare(workflow, {**values, **pictures}, definitions=self._definitions(), random=self._random)
        await self._review(reply, spec)
        place = await self._open(reply, workflow, spec, self._renderer.waiting(await self._queue.outlook()))
        try:
            await self._queue.submit(spec, reply.requester, place)
        except DuplicateJobError:
            log.info("interaction %s came twice", place.interaction_id)

    async def _review(self, reply: Reply, spec: RunSpec) -> None:
        user = reply.requester.user_id
        request = Request(
            user_id=user,
            guild_id=reply.guild_id,
            workflow=spec.workflow,
            size=measure(spec),
            waiting=await self._store.count_waiting(user),
            text_length=max((len(value) for value in spec.values.values() if isinstance(value, str)), default=0),
        )
        match review(request, self._limits):
            case Allowed():
                return
            case Refused(message) | Held(message):  # nothing is held for approval yet
                raise LimitError(message)

    async def _open(self, reply: Reply, workflow: Workflow, spec: RunSpec | None, status: Message) -> Place:
        title = workflow.manifest.title
        return await reply.open(self._renderer.opening(title, spec, status, reply.requester.locale))

    async def _refuse(
        self, interaction: discord.Interaction, reply: Reply, workflow: Workflow, reason: Message
    ) -> None:
        page = self._renderer.refusal(workflow.manifest.title, reason, reply.requester.locale)
        await interaction.edit_original_response(view=layout(page), attachments=[], allowed_mentions=SILENT)

    def _live_choices(self, source: str) -> tuple[str, ...]:
        return self._definitions().choices(source)
