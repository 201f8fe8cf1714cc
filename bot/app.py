"""The composition root: builds every collaborator once, hands it on by constructor, and closes in reverse.

Nothing here decides anything. The bot's connection owns the rest: its setup starts the servers and runners, its close
stops them while messages can still be edited.
"""

import asyncio
import logging
import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from bot.clock import Clock, SystemClock
from bot.comfy.fleet import Fleet, new_session
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
        session = new_session(keep_alive=keep_alive)
        self.fleet = Fleet(
            [
                ComfyServer(
                    name=f"gpu{number}",
                    url=url,
                    session=session,
                    clock=clock,
                    random=random,
                    park=park,
                    on_change=self._on_fleet_change,
                )
                for number, url in enumerate(settings.comfyui_urls, start=1)
            ],
            session=session,
        )
        self._runners: list[Runner] = []
        self.store = store or MemoryStore()
        # One core is left to the event loop
        self._images = ImagePool(workers=max(1, min(4, (os.cpu_count() or 2) - 1)))
        pictures = Pictures(pool=self._images)
        renderer = Renderer(languages)
        route = MessageRoute(client=lambda: self.bot, clock=clock)
        self._messages = JobMessages(route=route, renderer=renderer, pictures=pictures, clock=clock)
        self.queue = JobQueue(store=self.store, presenter=self._messages, clock=clock, any_online=self.fleet.any_online)
        self._runners += [
            Runner(
                backend=server,
                store=self.store,
                queue=self.queue,
                presenter=self._messages,
                clock=clock,
                depth=settings.queue_depth,
            )
            for server in self.fleet.servers
        ]
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
        self._sync = CommandSync(memory=settings.data_dir / "commands.json", guild_ids=settings.discord_guild_ids)

    async def _start(self) -> None:
        """Start what works beside the connection; the reverse happens when the connection closes."""
        await self.fleet.start()
        for runner in self._runners:
            self._own(runner.run(), "runner")
            self._own(runner.keep_informed(), "elapsed times")
        self._own(self.queue.keep_informed(), "positions")
        await self.bot.add_cog(self._generate)
        await self._sync.sync(self.bot.tree)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a task for as long as the connection lives."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)

        async def stop() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._ending.push_async_callback(stop)

    def _on_fleet_change(self, _online: bool) -> None:
        self.queue.wake()
        for runner in self._runners:
            runner.inform()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the task %s ended by itself", task.get_name(), exc_info=error)


def load_catalog(folder: Path) -> Catalog:
    """Read the workflows of `folder`, or those shipped with the package when there is no such folder; reads files."""
    shipped = Path(__file__).parent / "_workflows"
    return Catalog.load(folder if folder.is_dir() or not shipped.is_dir() else shipped)
