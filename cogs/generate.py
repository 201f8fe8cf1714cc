"""One slash command for each workflow: takes the member's options and pictures, and turns them into a job."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress

import discord
from discord.ext import commands

from bot.clock import Clock
from bot.errors import BotError, LimitError
from bot.i18n import Message, _
from bot.jobs.intake import Intake
from bot.jobs.job import IllegalMoveError, Job, Place
from bot.jobs.queue import JobQueue
from bot.jobs.records import DuplicateJobError
from bot.ui.admission import Admission, Asker, Entry
from bot.ui.answers import in_time
from bot.ui.attachments import Attachments
from bot.ui.commands import Given, build_command
from bot.ui.layout import SILENT, layout
from bot.ui.render import Renderer
from bot.ui.reply import Reply
from bot.ui.tree import Tree, explain_error
from bot.workflow.catalog import Catalog, Workflow
from bot.workflow.definitions import Definitions
from bot.workflow.prepare import prepare
from bot.workflow.spec import RunSpec
from bot.workflow.values import RandomSource

log = logging.getLogger(__name__)

MAX_COMMANDS = 90
"""Discord takes 100 in a server; some are left to the bot's own."""
CLOSE_GRACE = 3.0
"""Seconds for commands that are being read when the bot stops."""
HEARD_KEPT = 1000
"""Interactions by which events that come twice are known; the database knows the older ones."""
LOOK_LIMIT = 1.0
"""Seconds for a member's turn and for looking into the database, before a command is answered: Discord waits three."""


class Generate(commands.Cog):
    """The commands of the catalogue."""

    def __init__(
        self,
        *,
        tree: Tree,
        catalog: Catalog,
        definitions: Callable[[], Definitions],
        attachments: Attachments,
        admission: Admission,
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
        self._admission = admission
        self._queue = queue
        self._intake = intake
        self._renderer = renderer
        self._clock = clock
        self._random = random
        self._heard: deque[int] = deque(maxlen=HEARD_KEPT)
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
            if not self._is_repeated(interaction):
                await self._accept(reply, workflow, given, Asker.of(interaction))
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

    def _is_repeated(self, interaction: discord.Interaction) -> bool:
        """Return whether an event came twice: the second one must not be told that the first has used something up."""
        if interaction.id in self._heard:
            log.info("an interaction came twice")
            return True
        self._heard.append(interaction.id)
        return False

    async def _accept(self, reply: Reply, workflow: Workflow, given: Given, asker: Asker) -> None:
        if self._is_closed:
            raise LimitError(_("The bot is being restarted. Please try again in a minute."))
        attached = {name: value for name, value in given.items() if isinstance(value, discord.Attachment)}
        try:
            if attached:
                await self._accept_with_pictures(reply, workflow, given, attached, asker)
            else:
                await self._accept_words(reply, workflow, given, asker)
        except DuplicateJobError:
            log.info("an interaction came twice")
        except IllegalMoveError:
            log.info("a request was cancelled while it was read")

    async def _accept_words(self, reply: Reply, workflow: Workflow, given: Given, asker: Asker) -> None:
        spec = self._prepared(workflow, given)
        async with AsyncExitStack() as turn:
            async with in_time(LOOK_LIMIT):
                entry = await self._look(turn, asker)
                outlook = await self._queue.outlook(asker.guild_id, asker.user_id, workflow.name)
            entry.admit(spec)
            job = await self._intake.begin(spec, reply.requester, reply.draft(), entry.terms)
        place = await self._answer(reply, job, self._renderer.waiting(outlook))
        await self._intake.admit(job, spec, place)

    async def _accept_with_pictures(
        self, reply: Reply, workflow: Workflow, given: Given, attached: dict[str, discord.Attachment], asker: Asker
    ) -> None:
        """Answer first: pictures take longer than Discord waits."""
        unread = RunSpec(workflow=workflow.name, title=workflow.manifest.title, graph={})
        async with AsyncExitStack() as turn:
            async with in_time(LOOK_LIMIT):
                entry = await self._look(turn, asker)
            entry.admit_unread(workflow.name)
            job = await self._intake.begin(unread, reply.requester, reply.draft(), entry.terms)
        place = await self._answer(reply, job, _("Looking at your picture…"))
        try:
            pictures = await self._attachments.read(workflow, attached)
            words = {name: value for name, value in given.items() if name not in attached}
            spec = self._prepared(workflow, {**words, **pictures})
            entry.admit(spec)
            await self._intake.admit(job, spec, place)
        except Exception as error:
            known = isinstance(error, BotError)
            await self._intake.refuse(job, error.user_message if known else _("The bot made a mistake."))
            raise

    async def _look(self, turn: AsyncExitStack, asker: Asker) -> Entry:
        """Return what decides, when the member's turn has come; it ends with `turn`."""
        await turn.enter_async_context(self._admission.turn(asker))
        return await self._admission.look(asker)

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

    async def _refuse(
        self, interaction: discord.Interaction, reply: Reply, workflow: Workflow, reason: Message
    ) -> None:
        page = self._renderer.refusal(workflow.manifest.title, reason, reply.requester.locale)
        await interaction.edit_original_response(view=layout(page), attachments=[], allowed_mentions=SILENT)

    def _live_choices(self, source: str) -> tuple[str, ...]:
        return self._definitions().choices(source)
