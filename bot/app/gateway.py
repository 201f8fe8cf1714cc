"""Composition root, Discord side: builds the commands and buttons of a gateway process."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import cast

from discord.ext import commands

from bot.app.admin_cogs import AdminCogs
from bot.app.resources import Resources
from bot.app.services import Services, Task
from bot.clock import Clock
from bot.errors import OfflineError
from bot.images.service import ImageService
from bot.jobs.cluster.bus import Topic
from bot.jobs.cluster.progress_cache import ProgressCache
from bot.jobs.job import JobState
from bot.ui.client.bot import ComfycordBot
from bot.ui.client.error_handler import CommandTree
from bot.ui.commands.attachments import Attachments
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.form import Forms
from bot.ui.commands.lookup import WorkflowLookup
from bot.ui.commands.registry import CommandRegistry
from bot.ui.commands.submit import JobSubmitter
from bot.ui.locale import Languages
from bot.ui.messages.packing import Packer
from bot.ui.messages.presenter import DiscordPresenter
from bot.ui.messages.render import Renderer
from bot.ui.pages.queue import QueuePage
from bot.workflow.library.library import Changes, Library
from bot.workflow.ranking import Uses
from bot.workflow.run.spec import RunSpec
from bot.workflow.workflow import Workflow
from cogs.cancel import CancelCommand
from cogs.generate import Generate
from cogs.history import HistoryCommand
from cogs.next_steps import NextStepButtons
from cogs.queue import QueueCommand
from cogs.run import RunCommand
from cogs.show_result import ShowResultButton

PREPARE_EVERY = 2.0
"""Seconds between two checks for new servers or workflows."""
RECALLED = 200
"""Recent jobs by which suggestions are ranked."""
RECALL_EVERY = 600.0
"""Seconds."""


class Gateway:
    """Builds the cogs. `orders` accepts nothing once it is closed; `tell` registers changed commands with Discord."""

    def __init__(
        self,
        *,
        bot: ComfycordBot,
        resources: Resources,
        services: Services,
        admin_cogs: AdminCogs,
        library: Library,
        pictures: ImageService,
        messages: DiscordPresenter,
        renderer: Renderer,
        languages: Languages,
        board: ProgressCache,
        clock: Clock,
        random: Random,
        tell: Callable[[], Awaitable[bool]] | None,
    ) -> None:
        self._bot = bot
        self._resources = resources
        self._services = services
        self._admin_cogs = admin_cogs
        self._library = library
        self._pictures = pictures
        self._messages = messages
        self._renderer = renderer
        self._languages = languages
        self._board = board
        self._clock = clock
        self._tree = tree = cast("CommandTree", bot.tree)
        self._autocompleter = Autocompleter(definitions=services.definitions, uses=Uses())
        self.submitter = JobSubmitter(
            tree=tree,
            house=admin_cogs.guild_rules,
            definitions=services.definitions,
            attachments=Attachments(pictures=pictures),
            admission=admin_cogs.admission,
            queue=services.queue,
            enqueuer=services.enqueuer,
            renderer=renderer,
            clock=clock,
            random=random,
            offered=self._offered_in,
            on_accepted=self._learn,
        )
        self._forms = Forms(submitter=self.submitter, autocompleter=self._autocompleter, tree=tree, languages=languages)
        self.generate = Generate(submitter=self.submitter, forms=self._forms, autocompleter=self._autocompleter)
        self.registry = CommandRegistry(
            tree=tree,
            library=library,
            servers=services.servers,
            build=self.generate.command,
            clock=clock,
            tell=tell,
        )
        self._lookup = WorkflowLookup(
            library=library, offered=self.registry.offered, reason_off=self.registry.reason_off
        )
        library.on_change(self._hint_at)
        resources.bus.subscribe(Topic.RULES, lambda _payload: self.registry.wake())
        self._hint_at(Changes())

    async def look_at_guilds(self, guild_ids: Sequence[int]) -> None:
        """Load the rules of guilds for `hidden`; if the database is unavailable, the known ones stay."""
        for guild_id in guild_ids:
            with suppress(OfflineError):
                await self._admin_cogs.guild_rules.of(guild_id)

    def hidden(self, guild_id: int) -> Collection[str]:
        """Return the names of workflows that are not offered anywhere in a guild."""
        is_offered = self._admin_cogs.guild_rules.is_offered_in
        return [name for name in self._library.workflows if not is_offered(guild_id, name)]

    def _offered_in(self, guild_id: int | None) -> Mapping[str, Workflow]:
        offered = self.registry.offered()
        if guild_id is None:
            return offered
        return {
            name: flow for name, flow in offered.items() if self._admin_cogs.guild_rules.is_offered_in(guild_id, name)
        }

    def tasks(self) -> Iterator[Task]:
        yield "workflows", self._library.run
        yield "commands", self.registry.run
        yield "uses", self._recall
        yield "suggestions", self._prepare_lists

    async def _recall(self) -> None:
        """Rank suggestions by recent jobs, including those of other processes and before a restart."""
        while True:
            with suppress(OfflineError):
                jobs = await self._resources.store.browse([JobState.DONE], limit=RECALLED)
                self._autocompleter.relearn((self._library.get(job.spec.workflow), job.spec) for job in reversed(jobs))
            await self._clock.sleep(RECALL_EVERY)

    async def _prepare_lists(self) -> None:
        known: tuple[object, object] = (None, None)
        while True:
            definitions, workflows = self._services.definitions(), self._library.workflows
            if definitions is not known[0] or workflows is not known[1]:
                known = (definitions, workflows)
                await self._autocompleter.prepare(
                    option for flow in workflows.values() for option in flow.manifest.options.values()
                )
            await self._clock.sleep(PREPARE_EVERY)

    def _learn(self, spec: RunSpec) -> None:
        self._autocompleter.learn(self._library.get(spec.workflow), spec)

    def _hint_at(self, _changes: Changes) -> None:
        """Pass on the run times that workflow authors state."""
        known = self._library.workflows.items()
        self._services.run_times.set_hints(
            {name: flow.manifest.seconds for name, flow in known if flow.manifest.seconds}
        )

    def cogs(self) -> Sequence[commands.Cog]:
        bot, store, results = self._bot, self._resources.store, self._resources.results
        services, languages = self._services, self._languages
        return (
            self.generate,
            RunCommand(
                lookup=self._lookup, submitter=self.submitter, forms=self._forms, autocompleter=self._autocompleter
            ),
            self._show_result(),
            NextStepButtons(
                bot=bot,
                store=store,
                results=results,
                lookup=self._lookup,
                definitions=services.definitions,
                submitter=self.submitter,
                forms=self._forms,
            ),
            HistoryCommand(
                bot=bot,
                store=store,
                results=results,
                packer=Packer(images=self._pictures),
                renderer=self._renderer,
                languages=languages,
            ),
            CancelCommand(bot=bot, store=store, canceller=services.canceller, languages=languages),
            QueueCommand(queue_view=services.queue_view, page=QueuePage(languages, self._board.fraction)),
            *self._admin_cogs.build(self.registry, self._autocompleter),
        )

    def _show_result(self) -> ShowResultButton:
        return ShowResultButton(
            bot=self._bot,
            store=self._resources.store,
            delivery_service=self._services.delivery_service,
            presenter=self._messages,
            languages=self._languages,
            clock=self._clock,
            is_reported_here=self._services.is_reported_here,
        )
