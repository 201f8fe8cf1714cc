"""The composition root: builds all objects, connects them by constructor, and closes them in reverse order.

The queue side is built in `bot.app.services`, the Discord side in `bot.app.gateway`. The Discord client's setup hook
starts the background tasks; its close stops them while messages can still be edited.
"""

import asyncio
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from random import Random, SystemRandom
from typing import Any

from bot.aio import Supervisor
from bot.app.admin_cogs import AdminCogs
from bot.app.gateway import Gateway
from bot.app.process_role import ProcessConfig
from bot.app.resources import Resources
from bot.app.services import DAY, Services
from bot.app.workflow_dirs import load_catalog, load_library
from bot.clock import Clock, SystemClock
from bot.comfy.fleet import Fleet
from bot.comfy.server import ComfyServer
from bot.comfy.url import ServerUrl
from bot.images.pool import ImagePool
from bot.images.service import ImageService
from bot.jobs.cluster.progress_cache import ProgressCache
from bot.policy.limits import Limits
from bot.settings import Settings
from bot.ui.client.bot import ComfycordBot
from bot.ui.client.command_sync import CommandSync
from bot.ui.client.rest import RestClient
from bot.ui.locale import Languages
from bot.ui.messages.direct_messages import DirectMessages
from bot.ui.messages.edit_route import MessageRoute
from bot.ui.messages.followups import ChannelMessages
from bot.ui.messages.presenter import DiscordPresenter
from bot.ui.messages.render import Renderer
from bot.workflow.importer.add import KnownNodes
from bot.workflow.library.catalog import Catalog
from bot.workflow.library.library import Library
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

__all__ = ["App", "load_catalog", "load_library"]

KNOWN_WITHIN = 3.0
"""Seconds to wait for the servers' node definitions before using the stored ones."""
CLOSE_LIMIT = 9.0
"""Seconds for an orderly shutdown: service managers often wait for ten."""


class App:
    """One bot process. Its Discord client, `client`, starts and stops everything else."""

    def __init__(
        self,
        settings: Settings,
        workflows: Library | Catalog,
        resources: Resources,
        *,
        config: ProcessConfig | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        limits: Limits | None = None,
        keep_alive: bool = True,
    ) -> None:
        """Needs a running event loop. Without `keep_alive`, connections to ComfyUI are not reused.

        The caller owns the installation and must keep it open until the client is closed.
        """
        self._clock, random = clock or SystemClock(), random or SystemRandom()
        self._urls = {str(ServerUrl.parse(url).root): url for url in settings.comfyui_urls}
        self._config, self._resources, self._settings = config or ProcessConfig(), resources, settings
        self._sync = CommandSync(
            memory=settings.data_dir / "commands.json", guild_ids=settings.discord_guild_ids, hidden=self._hidden
        )
        self._closing = AsyncExitStack()
        self._tasks = Supervisor(self._clock)
        self._languages = Languages()
        self.client = self._new_client()
        self.store = resources.store
        self.fleet = Fleet.of(
            (),
            clock=self._clock,
            random=random,
            instance=resources.database_id,
            keep_alive=keep_alive,
            on_change=self._on_fleet_change,
            on_capabilities=self._on_capabilities,
        )
        # Leave one core to the event loop
        self._image_pool = ImagePool(workers=max(1, min(4, (os.cpu_count() or 2) - 1)))
        self._images = ImageService(pool=self._image_pool)
        self._renderer = Renderer(self._languages)
        self._progress = ProgressCache(bus=resources.bus, clock=self._clock)
        self._presenter = self._build_presenter()
        self._services = Services(
            resources=resources,
            fleet=self.fleet,
            presenter=self._presenter,
            config=self._config,
            depth=settings.queue_depth,
            results_kept=settings.results_kept_days * DAY,
            clock=self._clock,
        )
        self.queue = self._services.queue
        library = workflows if isinstance(workflows, Library) else Library(workflows)
        self._library = library
        library.use_auto_manifests(self._known, self._services.definitions)
        self._gateway = self._build_gateway(library, limits or Limits(), random) if self._config.has_gateway else None
        self._plan_closing()

    def _on_fleet_change(self, _online: bool) -> None:
        self._services.on_fleet_change()

    def _on_capabilities(self, _server: ComfyServer) -> None:
        self._services.compatibility.wake()
        if self._gateway:
            self._gateway.registry.wake()

    @property
    def bot(self) -> ComfycordBot:
        """The gateway client. Raises `TypeError` in a worker, which has none."""
        if not isinstance(self.client, ComfycordBot):
            raise TypeError("a worker has no gateway connection")
        return self.client

    def _new_client(self) -> ComfycordBot | RestClient:
        api_url, shards = self._settings.discord_api_url, self._config.shards
        if not self._config.has_gateway:
            return RestClient(on_setup=self._start, on_close=self._close, api_url=api_url)
        return ComfycordBot(
            languages=self._languages,
            on_setup=self._start,
            on_close=self._close,
            api_url=api_url,
            shard_ids=shards.ids if shards else (),
            shard_count=shards.count if shards else None,
        )

    def _build_presenter(self) -> DiscordPresenter:
        def client() -> ComfycordBot | RestClient:
            return self.client

        return DiscordPresenter(
            route=MessageRoute(client=client, clock=self._clock),
            channel_messages=ChannelMessages(client=client),
            direct_messages=DirectMessages(client=client, renderer=self._renderer, store=self.store, clock=self._clock),
            renderer=self._renderer,
            images=self._images,
            store=self.store,
            clock=self._clock,
            share=lambda: 1.0 / self._services.leases.processes,
            progress=self._progress,
        )

    def _build_gateway(self, library: Library, limits: Limits, random: Random) -> Gateway:
        admin_cogs = AdminCogs(
            resources=self._resources,
            services=self._services,
            fleet=self.fleet,
            library=library,
            limits=limits,
            home_guilds=self._settings.discord_guild_ids,
            languages=self._languages,
            clock=self._clock,
        )
        return Gateway(
            bot=self.bot,
            resources=self._resources,
            services=self._services,
            admin_cogs=admin_cogs,
            library=library,
            images=self._images,
            presenter=self._presenter,
            renderer=self._renderer,
            languages=self._languages,
            progress=self._progress,
            clock=self._clock,
            random=random,
            sync=self._sync_all_commands if self._config.is_leader else None,
        )

    def _plan_closing(self) -> None:
        # Run from last to first
        closing = (
            self._resources.bus.close,
            self._services.leases.release,
            self.fleet.close,
            self._presenter.close,
            self._services.close,
            *((self._gateway.submitter.close,) if self._gateway else ()),
            self._image_pool.close,
            self._tasks.stop,
        )
        for close in closing:
            self._closing.push_async_callback(close)

    async def _start(self) -> None:
        self._tasks.start(self._resources.bus.run, "notifications")
        await self._services.begin(self._urls)
        for name, work in self._services.tasks():
            self._tasks.start(work, name)
        if self._gateway:
            await self._open_gateway(self._gateway)

    async def _open_gateway(self, gateway: Gateway) -> None:
        for cog in gateway.cogs():
            await self.bot.add_cog(cog)
        if self._library.has_graphs_without_manifest:
            await self._library.reload()
        gateway.registry.update()
        if self._config.is_leader:
            await self.sync_commands()
        for name, work in gateway.tasks():
            self._tasks.start(work, name)

    async def _known(self) -> KnownNodes:
        """Return the servers' node definitions, or the stored ones if no server answers."""
        answers: list[Mapping[str, Any]] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(KNOWN_WITHIN):
                answers = await self.fleet.object_infos()
        return KnownNodes.of(answers) if answers else KnownNodes({}, self._services.definitions())

    def is_quiet(self) -> bool:
        """Whether the queue is empty."""
        return self._services.queue_view.total == 0

    def offered(self) -> Mapping[str, Workflow]:
        return self._gateway.lookup.offered() if self._gateway else {}

    async def sync_commands(self) -> Sequence[str]:
        """Register the commands where they have changed; return those places."""
        sent, _failed = await self._sync_commands()
        return sent

    async def _sync_all_commands(self) -> bool:
        _sent, failed = await self._sync_commands()
        return not failed

    async def _sync_commands(self) -> tuple[Sequence[str], Sequence[str]]:
        if self._gateway:
            await self._gateway.rules.load(self._settings.discord_guild_ids)
        return await self._sync.sync(self.bot.tree)

    def _hidden(self, guild_id: int) -> Collection[str]:
        return self._gateway.lookup.hidden_in(guild_id) if self._gateway else ()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await self._closing.aclose()
        except TimeoutError:
            log.warning("shutdown timed out; remaining jobs resume at the next start")
