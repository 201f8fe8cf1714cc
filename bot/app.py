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
from typing import cast

from bot.clock import Clock, SystemClock
from bot.comfy.fleet import Fleet
from bot.comfy.parking import Park, unparked
from bot.comfy.server import ComfyServer
from bot.images.pictures import Pictures
from bot.images.pool import ImagePool
from bot.installation import Installation
from bot.jobs.canceller import Canceller
from bot.jobs.carrier import Carrier
from bot.jobs.deliverer import Deliverer
from bot.jobs.durations import Durations
from bot.jobs.intake import Intake
from bot.jobs.janitor import Janitor
from bot.jobs.lineup import Lineup
from bot.jobs.queue import JobQueue
from bot.jobs.recovery import Recovery
from bot.jobs.runner import Runner
from bot.jobs.tenancy import Tenancy
from bot.policy.limits import Limits
from bot.settings import Settings
from bot.ui.again import History
from bot.ui.attachments import Attachments
from bot.ui.batches import Packer
from bot.ui.cancel import CancelJobs
from bot.ui.client import ComfycordBot
from bot.ui.i18n import Languages
from bot.ui.mailbox import Mailbox
from bot.ui.messages import JobMessages
from bot.ui.posts import ChannelPosts
from bot.ui.queuepage import QueuePage
from bot.ui.render import Renderer
from bot.ui.resume import ShowResult
from bot.ui.route import MessageRoute
from bot.ui.sync import CommandSync
from bot.ui.tree import Tree
from bot.workflow.catalog import Catalog
from cogs.cancel import CancelCommand
from cogs.generate import Generate
from cogs.history import HistoryCommand
from cogs.queue import QueueCommand
from cogs.results import Results

log = logging.getLogger(__name__)

RESTART_PAUSE = 5.0
"""Seconds before a background task that broke off begins again."""
DAY = 86_400.0
CLOSE_LIMIT = 9.0
"""Seconds for everything that ends with the connection: whoever stops the bot waits for ten."""


class App:
    """One running Comfycord: `bot` is its Discord client, which starts and stops everything else."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        installation: Installation,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        limits: Limits | None = None,
        park: Park = unparked,
        keep_alive: bool = True,
    ) -> None:
        """Build it, with a running event loop. Without `keep_alive`, connections to ComfyUI are not used twice.

        The installation is the caller's, and must stay open until the bot is closed.
        """
        self._clock, random = clock or SystemClock(), random or SystemRandom()
        self._ending = AsyncExitStack()
        self._starting: asyncio.Task[None] | None = None
        self._languages = Languages()
        self.bot = ComfycordBot(
            languages=self._languages, on_setup=self._start, on_close=self._close, api_url=settings.discord_api_url
        )
        self.store, self._shelf, self._owner = installation.store, installation.shelf, installation.owner
        self.fleet = Fleet.of(
            settings.comfyui_urls,
            clock=self._clock,
            random=random,
            instance=self._owner,
            park=park,
            keep_alive=keep_alive,
            on_change=self._on_fleet_change,
        )
        # One core is left to the event loop
        self._images = ImagePool(workers=max(1, min(4, (os.cpu_count() or 2) - 1)))
        self._pictures = Pictures(pool=self._images)
        self._renderer = Renderer(self._languages)
        self._messages = self._build_messages()
        self._build_work(installation, settings)
        self._build_commands(catalog, limits or Limits(), random)
        self._sync = CommandSync(memory=settings.data_dir / "commands.json", guild_ids=settings.discord_guild_ids)
        self._plan_ending()

    def _build_messages(self) -> JobMessages:
        def client() -> ComfycordBot:
            return self.bot

        return JobMessages(
            route=MessageRoute(client=client, clock=self._clock),
            posts=ChannelPosts(client=client),
            mailbox=Mailbox(client=client, renderer=self._renderer, notes=self.store, clock=self._clock),
            renderer=self._renderer,
            pictures=self._pictures,
            notes=self.store,
            clock=self._clock,
        )

    def _build_work(self, installation: Installation, settings: Settings) -> None:
        """Build what carries jobs from the command to their end."""
        store, clock, owner, messages = self.store, self._clock, self._owner, self._messages
        keys = [server.key for server in self.fleet.servers]
        self._tenancy = Tenancy(store=store, owner=owner, servers=keys, clock=clock)
        self._durations = Durations()
        self._carriers: list[Carrier] = []
        self._lineup = Lineup(
            store=store,
            durations=self._durations,
            places=self._places,
            any_online=self.fleet.any_online,
            clock=clock,
        )
        self.queue = JobQueue(store=store, presenter=messages, lineup=self._lineup, clock=clock, owner=owner)
        self._deliverer = Deliverer(
            store=store,
            presenter=messages,
            shelf=self._shelf,
            backends=self.fleet.servers,
            owner=owner,
            clock=clock,
        )
        self._intake = Intake(
            store=store, queue=self.queue, presenter=messages, deliverer=self._deliverer, clock=clock, owner=owner
        )
        self._recovery = Recovery(
            store=store,
            queue=self.queue,
            intake=self._intake,
            deliverer=self._deliverer,
            clock=clock,
            owner=owner,
            servers=keys,
            alone=installation.alone,
        )
        self._janitor = Janitor(
            store=store, shelf=self._shelf, clock=clock, results_kept=settings.results_kept_days * DAY
        )
        self._carriers += [self._carrier_of(server) for server in self.fleet.servers]
        self._canceller = Canceller(
            store=store, queue=self.queue, deliverer=self._deliverer, carriers=self._carriers, clock=clock
        )
        self._runners = [
            self._runner_of(server, carrier, settings.queue_depth)
            for server, carrier in zip(self.fleet.servers, self._carriers, strict=True)
        ]

    def _places(self) -> list[float]:
        """Return of each server at hand in how many seconds it will be free."""
        pairs = zip(self.fleet.servers, self._carriers, strict=True)
        return [carrier.busy_for for server, carrier in pairs if server.online]

    def _carrier_of(self, server: ComfyServer) -> Carrier:
        return Carrier(
            backend=server,
            store=self.store,
            tenancy=self._tenancy,
            durations=self._durations,
            presenter=self._messages,
            deliverer=self._deliverer,
            clock=self._clock,
        )

    def _runner_of(self, server: ComfyServer, carrier: Carrier, depth: int) -> Runner:
        return Runner(
            backend=server,
            store=self.store,
            queue=self.queue,
            tenancy=self._tenancy,
            carrier=carrier,
            deliverer=self._deliverer,
            clock=self._clock,
            depth=depth,
        )

    def _build_commands(self, catalog: Catalog, limits: Limits, random: Random) -> None:
        """Build what members meet."""
        self._generate = Generate(
            tree=cast("Tree", self.bot.tree),
            catalog=catalog,
            definitions=self.fleet.definitions,
            attachments=Attachments(pictures=self._pictures),
            limits=limits,
            store=self.store,
            queue=self.queue,
            intake=self._intake,
            renderer=self._renderer,
            clock=self._clock,
            random=random,
        )
        self._results = Results(
            bot=self.bot,
            show=ShowResult(
                store=self.store,
                shelf=self._shelf,
                messages=self._messages,
                languages=self._languages,
                clock=self._clock,
            ),
        )
        self._history = HistoryCommand(
            bot=self.bot,
            history=History(
                store=self.store,
                shelf=self._shelf,
                packer=Packer(pictures=self._pictures),
                renderer=self._renderer,
                languages=self._languages,
            ),
        )
        self._cancel = CancelCommand(
            bot=self.bot,
            jobs=CancelJobs(store=self.store, canceller=self._canceller, languages=self._languages),
        )
        self._queue_command = QueueCommand(survey=self._lineup.survey, page=QueuePage(self._languages))

    def _plan_ending(self) -> None:
        # Carried out from the last to the first, after the tasks that `_start` begins have stopped
        closing = (
            self._tenancy.release,
            self.fleet.close,
            self._messages.close,
            self._intake.close,
            self._generate.close,
            self._images.close,
        )
        for close in closing:
            self._ending.push_async_callback(close)

    async def _start(self) -> None:
        """Start what works beside the connection; the reverse happens when the connection closes, or is to."""
        self._starting = asyncio.create_task(self._start_all(), name="start")
        await self._starting

    async def _start_all(self) -> None:
        await self._recovery.at_start()
        await self.fleet.start()
        self._own(self._tenancy.run, "leases")
        self._own(self._janitor.run, "janitor")
        self._own(self._recovery.run, "recovery")
        self._own(self._deliverer.run, "deliverer")
        self._own(self._canceller.run, "canceller")
        for runner in self._runners:
            self._own(runner.run, "runner")
            self._own(runner.keep_informed, "elapsed times")
        self._own(self.queue.keep_informed, "positions")
        await self.bot.add_cog(self._generate)
        await self.bot.add_cog(self._results)
        await self.bot.add_cog(self._history)
        await self.bot.add_cog(self._cancel)
        await self.bot.add_cog(self._queue_command)
        await self._sync.sync(self.bot.tree)

    async def _close(self) -> None:
        if self._starting is not None:  # who is asked to stop while starting starts no more
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_LIMIT):
                await self._ending.aclose()
        except TimeoutError:
            log.warning("not everything ended in time; the next start takes up what is left")

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
