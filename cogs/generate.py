"""One slash command for each workflow: takes the member's options and pictures, and turns them into a job."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import discord
from discord.ext import commands

from bot.clock import Clock
from bot.errors import BotError, LimitError
from bot.i18n import Message, _
from bot.jobs.intake import Intake
from bot.jobs.job import IllegalMoveError, Job, Place
from bot.jobs.queue import JobQueue
from bot.jobs.records import DuplicateJobError, JobStore, StoreDownError
from bot.policy.decision import Allowed, Held, Refused
from bot.policy.limits import Limits, review
from bot.policy.request import Request
from bot.ui.attachments import Attachments
from bot.ui.commands import Given, build_command
from bot.ui.layout import SILENT, layout
from bot.ui.render import Renderer
from bot.ui.reply import Reply
from bot.ui.tree import Tree, explain_error
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
LOOK_LIMIT = 1.0
"""Seconds for looking into the database before a command is answered: Discord waits three in all."""


@asynccontextmanager
async def _soon() -> AsyncGenerator[None]:
    """Raise `StoreDownError` when what is asked of the database takes too long for the answer to be in time."""
    try:
        async with asyncio.timeout(LOOK_LIMIT):
            yield
    except TimeoutError as error:
        raise StoreDownError from error


class Generate(commands.Cog):
    """The commands of the catalogue."""

    def __init__(
        self,
        *,
        tree: Tree,
        catalog: Catalog,
        definitions: Callable[[], Definitions],
        attachments: Attachments,
        limits: Limits,
        store: JobStore,
        queue: JobQueue,
        intake: Intake,
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
        self._intake = intake
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
                await self._tree.tell(interaction, error)
            else:
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
        try:
            if attached:
                await self._accept_with_pictures(reply, workflow, given, attached)
            else:
                await self._accept_words(reply, workflow, given)
        except DuplicateJobError:
            log.info("an interaction came twice")
        except IllegalMoveError:
            log.info("a request was cancelled while it was read")

    async def _accept_words(self, reply: Reply, workflow: Workflow, given: Given) -> None:
        spec = self._prepared(workflow, given)
        async with _soon():
            waiting = await self._store.count_waiting(reply.requester.user_id)
            status = self._renderer.waiting(await self._queue.outlook())
        await self._review(reply, spec, waiting=waiting)
        job = await self._intake.begin(spec, reply.requester, reply.draft())
        place = await self._answer(reply, job, status)
        await self._intake.admit(job, spec, place)

    async def _accept_with_pictures(
        self, reply: Reply, workflow: Workflow, given: Given, attached: dict[str, discord.Attachment]
    ) -> None:
        """Answer first: pictures take longer than Discord waits."""
        unread = RunSpec(workflow=workflow.name, title=workflow.manifest.title, graph={})
        async with _soon():
            waiting = await self._store.count_waiting(reply.requester.user_id)
        job = await self._intake.begin(unread, reply.requester, reply.draft())
        place = await self._answer(reply, job, _("Looking at your picture…"))
        try:
            pictures = await self._attachments.read(workflow, attached)
            words = {name: value for name, value in given.items() if name not in attached}
            spec = self._prepared(workflow, {**words, **pictures})
            await self._review(reply, spec, waiting=waiting)
            await self._intake.admit(job, spec, place)
        except Exception as error:
            known = isinstance(error, BotError)
            await self._intake.refuse(job, error.user_message if known else _("The bot made a mistake."))
            raise

    async def _answer(self, reply: Reply, job: Job, status: Message) -> Place:
        try:
            return await reply.open(self._renderer.opening(job, status))
        except discord.HTTPException:
            await self._intake.withdraw(job)
            raise
        except BaseException:  # whether the member has an answer is unknown: the connection broke off, or the bot stops
            self._intake.leave_open(job)
            raise

    def _prepared(self, workflow: Workflow, values: Mapping[str, object]) -> RunSpec:
        return prepare(workflow, values, definitions=self._definitions(), random=self._random)

    async def _review(self, reply: Reply, spec: RunSpec, *, waiting: int) -> None:
        request = Request(
            user_id=reply.requester.user_id,
            guild_id=reply.guild_id,
            workflow=spec.workflow,
            size=measure(spec),
            waiting=waiting,
            text_length=max((len(value) for value in spec.values.values() if isinstance(value, str)), default=0),
        )
        match review(request, self._limits):
            case Allowed():
                return
            case Refused(message) | Held(message):  # nothing is held for approval yet
                raise LimitError(message)

    async def _refuse(
        self, interaction: discord.Interaction, reply: Reply, workflow: Workflow, reason: Message
    ) -> None:
        page = self._renderer.refusal(workflow.manifest.title, reason, reply.requester.locale)
        await interaction.edit_original_response(view=layout(page), attachments=[], allowed_mentions=SILENT)

    def _live_choices(self, source: str) -> tuple[str, ...]:
        return self._definitions().choices(source)
