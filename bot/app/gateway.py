"""Composition root, Discord side: builds the commands and buttons of a gateway process."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from random import Random
from typing import cast

from discord.ext import commands

from bot.app.admin_cogs import AdminCogs
from bot.app.resources import Resources
from bot.app.services import Services, Task
from bot.clock import Clock
from bot.images.service import ImageService
from bot.jobs.cluster.bus import Topic
from bot.jobs.cluster.progress_cache import ProgressCache
from bot.ui.client.bot import ComfycordBot
from bot.ui.client.error_handler import CommandTree
from bot.ui.commands.attachments import Attachments
from bot.ui.commands.autocomplete import Autocompleter, AutocompleteUpdater
from bot.ui.commands.form import Forms
from bot.ui.commands.lookup import WorkflowLookup
from bot.ui.commands.registry import CommandRegistry
from bot.ui.commands.submit import JobSubmitter
from bot.ui.locale import Languages
from bot.ui.messages.packing import Packer
from bot.ui.messages.presenter import DiscordPresenter
from bot.ui.messages.render import Renderer
from bot.ui.pages.queue import QueuePage
from bot.workflow.library.library import Library
from cogs.cancel import CancelCommand
from cogs.generate import Generate
from cogs.history import HistoryCommand
from cogs.next_steps import NextStepButtons
from cogs.queue import QueueCommand
from cogs.run import RunCommand
from cogs.show_result import ShowResultButton


class Gateway:
    """Builds the cogs. `submitter` accepts nothing once closed; `sync` registers changed commands with Discord."""

    def __init__(
        self,
        *,
        bot: ComfycordBot,
        resources: Resources,
        services: Services,
        admin_cogs: AdminCogs,
        library: Library,
        images: ImageService,
        presenter: DiscordPresenter,
        renderer: Renderer,
        languages: Languages,
        progress: ProgressCache,
        clock: Clock,
        random: Random,
        sync: Callable[[], Awaitable[bool]] | None,
    ) -> None:
        self._bot, self._resources, self._services = bot, resources, services
        self._admin_cogs = admin_cogs
        self._library = library
        self._images = images
        self._presenter = presenter
        self._renderer = renderer
        self._languages = languages
        self._progress = progress
        self._clock = clock
        tree = cast("CommandTree", bot.tree)
        self.rules = admin_cogs.guild_rules
        self.lookup = WorkflowLookup(library=library, servers=services.servers, rules=self.rules)
        self._autocompleter = Autocompleter(definitions=services.definitions)
        self._autocomplete_updater = AutocompleteUpdater(
            autocompleter=self._autocompleter,
            definitions=services.definitions,
            library=library,
            store=resources.store,
            clock=clock,
        )
        self.submitter = JobSubmitter(
            tree=tree,
            rules=self.rules,
            lookup=self.lookup,
            definitions=services.definitions,
            attachments=Attachments(pictures=images),
            admission=admin_cogs.admission,
            queue_view=services.queue_view,
            enqueuer=services.enqueuer,
            autocompleter=self._autocompleter,
            renderer=renderer,
            clock=clock,
            random=random,
        )
        self._forms = Forms(submitter=self.submitter, autocompleter=self._autocompleter, languages=languages)
        self._generate = Generate(submitter=self.submitter, forms=self._forms, autocompleter=self._autocompleter)
        self.registry = CommandRegistry(
            tree=tree, library=library, lookup=self.lookup, build=self._generate.command, clock=clock, sync=sync
        )
        resources.bus.subscribe(Topic.RULES, lambda _payload: self.registry.wake())
        services.run_times.set_hints(library.workflows)
        library.on_change(lambda _changes: services.run_times.set_hints(library.workflows))

    def tasks(self) -> Iterator[Task]:
        yield "workflows", self._library.run
        yield "commands", self.registry.run
        yield "uses", self._autocomplete_updater.run_ranking
        yield "suggestions", self._autocomplete_updater.run_indexing

    def cogs(self) -> Sequence[commands.Cog]:
        bot, store, results = self._bot, self._resources.store, self._resources.results
        services, languages = self._services, self._languages
        return (
            self._generate,
            RunCommand(
                lookup=self.lookup, submitter=self.submitter, forms=self._forms, autocompleter=self._autocompleter
            ),
            ShowResultButton(
                bot=bot,
                store=store,
                delivery_service=services.delivery_service,
                presenter=self._presenter,
                languages=languages,
                clock=self._clock,
                is_reported_here=services.is_reported_here,
            ),
            NextStepButtons(
                bot=bot,
                store=store,
                results=results,
                lookup=self.lookup,
                definitions=services.definitions,
                submitter=self.submitter,
                forms=self._forms,
            ),
            HistoryCommand(
                bot=bot,
                store=store,
                results=results,
                packer=Packer(images=self._images),
                renderer=self._renderer,
                languages=languages,
            ),
            CancelCommand(bot=bot, store=store, canceller=services.canceller, languages=languages),
            QueueCommand(queue_view=services.queue_view, page=QueuePage(languages, self._progress.fraction)),
            *self._admin_cogs.build(self.registry, self.lookup, self._autocompleter),
        )
