"""The delivery desk: what tells people about jobs, on a real discord.py client, a real store and the fake Discord.

There is no server and no runner: tests say how far a job is, and read what Discord shows of it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from io import BytesIO

import discord
from PIL import Image

from bot.errors import FailedError
from bot.i18n import Message, _
from bot.images.pool import ImagePool
from bot.images.service import ImageService
from bot.jobs.cluster.bus import LocalBus
from bot.jobs.cluster.progress_cache import ProgressCache
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.job import Delivery, Job, JobState
from bot.storage.jobs.repository import SqlJobRepository
from bot.ui.client.rest import RestClient
from bot.ui.commands.first_reply import FirstReply
from bot.ui.locale import Languages
from bot.ui.messages.direct_messages import DirectMessages
from bot.ui.messages.edit_route import MessageRoute
from bot.ui.messages.followups import ChannelMessages
from bot.ui.messages.presenter import DiscordPresenter
from bot.ui.messages.render import Renderer
from bot.workflow.run.events import OutputFile, OutputRef
from cogs.show_result import ShowResultButton
from tests.databases import memory_store
from tests.jobs.doubles import MemoryResultStore, spec
from tests.wire import WireDiscord, WireInteraction, WireMessage
from tests.wire.bots import Trial, TrialBot, running

SERVER, OWNER = "http://gpu", "desk"
MEMBER = 77


class HurriedClock:
    """The real clock, `speed` times as fast: a job of 20 minutes takes seconds."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._began = time.time()
        self._skipped = 0.0

    def now(self) -> float:
        return self._began + (time.time() - self._began) * self.speed + self._skipped

    def monotonic(self) -> float:
        return self.now()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    def skip(self, seconds: float) -> None:
        """Let time be later; who sleeps, sleeps on."""
        self._skipped += seconds


@dataclass
class Order:
    """A job and the interaction that asked for it."""

    job: Job
    asked: WireInteraction

    @property
    def message(self) -> WireMessage:
        assert self.asked.message is not None
        return self.asked.message


class Desk:
    """One process that tells people; `restarted` is the next one, on the same store and shelf."""

    def __init__(
        self,
        trial: Trial,
        store: SqlJobRepository,
        results: MemoryResultStore,
        clock: HurriedClock,
        pool: ImagePool,
        client: discord.Client,
    ) -> None:
        """`client` is what it tells people with, which need not be the one that hears of commands."""
        self.trial, self.wire, self.store, self.results, self.clock = trial, trial.wire, store, results, clock
        self._pool, self.client = pool, client
        languages = Languages()
        self.renderer = Renderer(languages)
        self.board = ProgressCache(bus=LocalBus(), clock=clock)
        self.messages = DiscordPresenter(
            route=MessageRoute(client=self._client, clock=clock),
            channel_messages=ChannelMessages(client=self._client),
            direct_messages=DirectMessages(client=self._client, renderer=self.renderer, store=store, clock=clock),
            renderer=self.renderer,
            images=ImageService(pool=pool),
            store=store,
            clock=clock,
            progress=self.board,
        )
        self.has_jobs = True
        """Whether this process tells how jobs stand; else only their ends."""
        self.cog = ShowResultButton(
            bot=trial.bot,
            store=store,
            delivery_service=DeliveryService(
                store=store,
                presenter=self.messages,
                results=results,
                find=lambda _key: None,
                bus=LocalBus(),
                owner=OWNER,
                clock=clock,
            ),
            presenter=self.messages,
            languages=languages,
            clock=clock,
            is_reported_here=lambda _job: self.has_jobs,
        )

    def _client(self) -> discord.Client:
        return self.client

    @asynccontextmanager
    async def restarted(self) -> AsyncGenerator["Desk"]:
        """What comes after this process was killed: nothing in memory is left."""
        await self.trial.bot.remove_cog(self.cog.qualified_name)
        after = Desk(self.trial, self.store, self.results, self.clock, self._pool, self.client)
        await self.trial.bot.add_cog(after.cog)
        try:
            yield after
        finally:
            await after.messages.close()

    async def order(self, *, minutes_ago: float = 0.0, **where: object) -> Order:
        """Let a member ask for something, or have asked some minutes ago; a server has it by now."""

        async def act(interaction: discord.Interaction) -> Job:
            reply = FirstReply(interaction, clock=self.clock)
            request = spec(values={"prompt": "a fox"})
            job = Job(f"job-{interaction.id}", request, reply.requester, reply.draft(), created=self.clock.now())
            page = self.renderer.opening(job, _("Queued – starting in a moment…"))
            return replace(job, place=await reply.open(page))

        asked, outcome = await self.trial.probe(act, **({"user_id": MEMBER} | where))
        await self.store.add(self._aged(await outcome, asked, minutes_ago * 60.0))
        await self.store.acquire_leases([SERVER], OWNER, 1e9)
        job = await self.store.claim(SERVER, OWNER, f"prompt-{asked.id}", self.clock.now() + 1)
        assert job is not None
        return Order(job, asked)

    def _aged(self, job: Job, asked: WireInteraction, age: float) -> Job:
        asked.opened -= age / self.clock.speed
        place = replace(job.place, token_expires=job.place.token_expires - age)
        return replace(job, place=place, created=job.created - age)

    async def deliver(self, order: Order, files: Sequence[OutputFile]) -> Delivery:
        """Bring a result to its end, as often as this is called."""
        await self.keep(order, files)
        order.job = await self.stored(order)
        told = await self.messages.deliver(order.job, files, None)
        if told is not Delivery.PENDING:
            await self.store.transition(order.job, JobState.DONE, delivery=told)
        return told

    async def keep(self, order: Order, files: Sequence[OutputFile]) -> None:
        """Let the server be done with a job."""
        if order.job.state is JobState.RUNNING:
            await self.results.put(order.job.id, files)
            now = self.clock.now()
            order.job = await self.store.transition(
                order.job, JobState.DELIVERING, delivery=Delivery.PENDING, finished=now, outputs=(files[0].ref,)
            )

    async def fail(self, order: Order, reason: Message) -> Delivery:
        """Bring a failure to its end."""
        if order.job.state is JobState.RUNNING:
            order.job = await self.store.transition(
                order.job, JobState.FAILED, error=reason, delivery=Delivery.PENDING, finished=self.clock.now()
            )
        told = await self.messages.fail(order.job, reason)
        if told is not Delivery.PENDING:
            await self.store.update(order.job, delivery=told)
        return told

    async def refused(self, order: Order, files: Sequence[OutputFile]) -> str:
        """Return the sentence with which a delivery is given up."""
        try:
            told = await self.deliver(order, files)
        except FailedError as error:
            return str(error)
        raise AssertionError(f"it ended in {told}")

    async def stored(self, order: Order) -> Job:
        """Return the job as it is written down."""
        job = await self.store.get(order.job.id)
        assert job is not None
        return job

    async def until(self, order: Order, delivery: Delivery) -> Job:
        """Return the job once its end was told like this."""
        for _try in range(500):
            if (job := await self.stored(order)).delivery is delivery:
                return job
            await asyncio.sleep(0.01)
        raise AssertionError(f"its delivery is {(await self.stored(order)).delivery}")

    def let_ten_minutes_pass(self) -> None:
        """Let it be so late that Discord has forgotten every nonce."""
        self.clock.skip(600.0)
        self.wire.state.nonce_seconds = 0.0

    async def press(self, order: Order, user_id: int = MEMBER) -> WireInteraction:
        """Press *Show result*."""
        return await self.wire.component(order.message, f"cc:show:{order.job.id}", user_id=user_id)

    def in_channel(self) -> list[WireMessage]:
        """Return what stands in the first channel."""
        return self.wire.messages_in(self.wire.guild.channels[0])

    def told_directly(self, user_id: int = MEMBER) -> list[str]:
        """Return what somebody was told by direct message."""
        return [message.text for message in self.wire.direct_messages(user_id)]


@asynccontextmanager
async def rest_client(wire: WireDiscord) -> AsyncGenerator[RestClient]:
    """A client as a process has it that has no gateway: logged in, and no more."""
    is_in = asyncio.Event()

    async def on_setup() -> None:
        is_in.set()

    async def on_close() -> None:
        await client.fetch_user(client.user.id if client.user else 0)  # what was started can still speak

    client = RestClient(on_setup=on_setup, on_close=on_close, api_url=wire.api_url)
    working = asyncio.create_task(client.start("wire-token"))
    try:
        await asyncio.wait_for(is_in.wait(), 10)
        yield client
    finally:
        await client.close()
        await working


@asynccontextmanager
async def opened_desk(wire: WireDiscord, *, speed: float = 50.0, by_rest: bool = False) -> AsyncGenerator[Desk]:
    """Open the desk; its time runs `speed` times as fast. `by_rest`: it has no gateway, commands come elsewhere."""
    clock, bot = HurriedClock(speed), TrialBot()
    wire.state.token_seconds = 900.0 / speed
    pool = ImagePool(workers=1)
    async with AsyncExitStack() as ending:
        store = await ending.enter_async_context(memory_store(clock.now))
        await ending.enter_async_context(running(wire, bot))
        client = await ending.enter_async_context(rest_client(wire)) if by_rest else bot
        desk = Desk(Trial(wire, bot), store, MemoryResultStore(), clock, pool, client)
        await bot.add_cog(desk.cog)
        try:
            yield desk
        finally:
            await desk.messages.close()
            await pool.close()


def picture(number: int = 1, size: int = 0) -> OutputFile:
    """A picture that is known by its width; with at least `size` bytes, as noise that no encoding makes small."""
    side = max(8, int((size / 3) ** 0.5) + 1)
    image = Image.effect_noise((side, side), 90).convert("RGB") if size else Image.new("RGB", (number, 8), "teal")
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=0 if size else 6)
    return OutputFile(
        OutputRef(node_id="9", filename=f"{number}.png", subfolder="", folder="output"), buffer.getvalue()
    )


def widths(message: WireMessage) -> list[int]:
    """Return the widths of a message's pictures, in order."""
    return [Image.open(BytesIO(file.data)).width for file in message.attachments]
