"""The composition root: builds every collaborator once, hands it on by constructor, and closes in reverse.

Nothing here decides anything. The bot's connection owns the rest: its setup starts the servers and runners, its close
stops them while messages can still be edited.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random, SystemRandom

from bot.clock import Clock, SystemClock
from bot.comfy.fleet import Fleet
from bot.comfy.parking import Park, unparked
from bot.comfy.server import ComfyServer
from bot.images.pictures import Pictures
from bot.images.pool import ImagePool
from bot.jobs.queue import JobQueue
from bot.jobs.runner import Runner
from bot.jobs.store import JobStore, MemoryStore
from bot.policy.limits import Limits
from bot.settings import Settings
from bot.ui.attachments import Attachments
from bot.ui.client import ComfycordBot
from bot.ui.i18n import Languages
from bot.ui.messages import JobMessages
from bot.ui.render import Renderer
from bot.ui.route import MessageRoute
from bot.ui.sync import CommandSync
from bot.workflow.catalog import Catalog
from cogs.generate import Generate

log = logging.getLogger(__name__)

RESTART_PAUSE = 5.0
"""Seconds before a background task that broke off begins again."""


class App:
    """One running Comfycord: `bot` is its Discord client, which starts and stops everything else."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        limits: Limits | None = None,
        store: JobStore | None = None,
        park: Park = unparked,
        keep_alive: bool = True,
    ) -> None:
        """Build it, with a running event loop. Without `keep_alive`, connections to ComfyUI are not used twice."""
        clock, random = clock or SystemClock(), random or SystemRandom()
        self._ending = AsyncExitStack()
        languages = Languages()
        self.bot = ComfycordBot(
            languages=languages, on_setup=self._start, on_close=self._ending.aclose, api_url=settings.discord_api_url
        )
        self._clock = clock
        self._runners: list[Runner] = []
        self.fleet = Fleet.of(
            settings.comfyui_urls,
            clock=clock,
            random=random,
            park=park,
            keep_alive=keep_alive,
            on_change=self._on_fleet_change,
        )
        self.store = store or MemoryStore()
        # One core is left to the event loop
        self._images = ImagePool(workers=max(1, min(4, (os.cpu_count() or 2) - 1)))
        pictures = Pictures(pool=self._images)
        renderer = Renderer(languages)
        route = MessageRoute(client=lambda: self.bot, clock=clock)
        self._messages = JobMessages(route=route, renderer=renderer, pictures=pictures, clock=clock)
        self.queue = JobQueue(store=self.store, presenter=self._messages, clock=clock, any_online=self.fleet.any_online)
        self._runners += [self._runner_of(server, settings.queue_depth) for server in self.fleet.servers]
        self._generate = Generate(
            tree=self.bot.tree,
            catalog=catalog,
            definitions=self.fleet.definitions,
            attachments=Attachments(pictures=pictures),
            limits=limits or Limits(),
            store=self.store,
            queue=self.queue,
            renderer=renderer,
            clock=clock,
            random=random,
        )
        self._sync = CommandSync(memory=settings.data_dir / "commands.json", guild_ids=settings.discord_guild_ids)
        self._plan_ending()

    def _runner_of(self, server: ComfyServer, depth: int) -> Runner:
        return Runner(
            backend=server,
            store=self.store,
            queue=self.queue,
            presenter=self._messages,
            clock=self._clock,
            depth=depth,
        )

    def _plan_ending(self) -> None:
        # Carried out from the last to the first, after the tasks that `_start` begins have stopped
        closing = (
            self.fleet.close,
            self._messages.close,
            self.queue.abandon,
            self._generate.close,
            self._images.close,
        )
        for close in closing:
            self._ending.push_async_callback(close)

    async def _start(self) -> None:
        """Start what works beside the connection; the reverse happens when the connection closes."""
        await self.fleet.start()
        for runner in self._runners:
            self._own(runner.run, "runner")
            self._own(runner.keep_informed, "elapsed times")
        self._own(self.queue.keep_informed, "positions")
        await self.bot.add_cog(self._generate)
        await self._sync.sync(self.bot.tree)

    def _own(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Run a task for as long as the connection lives."""
        task = asyncio.create_task(self._keep_up(work, name), name=name)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._ending.push_async_callback(stop)

    async def _keep_up(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Do endless work again if it breaks off all the same: members wait for it."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("%s broke off, and begins again", name)
            await self._clock.sleep(RESTART_PAUSE)

    def _on_fleet_change(self, _online: bool) -> None:
        self.queue.wake()
        for runner in self._runners:
            runner.inform()


def load_catalog(folder: Path) -> Catalog:
    """Read the workflows of `folder`, or those shipped with the package when there is no such folder; reads files."""
    shipped = Path(__file__).parent / "_workflows"
    return Catalog.load(folder if folder.is_dir() or not shipped.is_dir() else shipped)
