"""A minimal bot of our own, so that the fake itself is tested against unmodified discord.py."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import discord
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.wire.discord_server import WireDiscord
from tests.wire.interactions import WireInteraction

TOKEN = "wire-token"
READY_SECONDS = 0.05

Act: TypeAlias = Callable[[discord.Interaction], Awaitable[Any]]


class TrialBot(commands.AutoShardedBot):
    """Has the commands `probe` and `echo`, of which the first does whatever a test wants."""

    def __init__(self, *, heartbeat_timeout: float = 60.0, **options: Any) -> None:
        super().__init__(
            command_prefix=[],
            intents=discord.Intents(guilds=True),
            guild_ready_timeout=READY_SECONDS,
            heartbeat_timeout=heartbeat_timeout,
            **options,
        )
        self.seen: list[discord.Interaction] = []
        self.act: Act | None = None
        self.outcome: asyncio.Future[Any] | None = None
        self.resumed = asyncio.Event()

    async def setup_hook(self) -> None:
        """Register the commands, as bots do at start."""
        for make in (_probe_command, _echo_command, _menu_command):
            make(self)
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Leave out the five seconds that discord.py waits between shards."""

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Keep every interaction for the test to look at."""
        self.seen.append(interaction)

    async def on_resumed(self) -> None:
        """Tell the test."""
        self.resumed.set()

    async def perform(self, interaction: discord.Interaction) -> None:
        """Do what the test asked for, and keep the result or the exception."""
        assert self.act is not None
        assert self.outcome is not None
        try:
            self.outcome.set_result(await self.act(interaction))
        except Exception as err:
            self.outcome.set_exception(err)


class Trial:
    """A running fake with a running bot."""

    def __init__(self, wire: WireDiscord, bot: TrialBot) -> None:
        self.wire = wire
        self.bot = bot

    async def probe(self, act: Act, **where: Any) -> tuple[WireInteraction, asyncio.Future[Any]]:
        """Let the bot do `act` in answer to `/probe`; return the interaction and what came out."""
        self.bot.act, self.bot.outcome = act, asyncio.get_running_loop().create_future()
        job = await self.wire.slash("probe", wait=False, **where)
        return job, self.bot.outcome

    async def result(self, act: Act, **where: Any) -> Any:
        """Return what `act` returned, or raise what it raised."""
        _, outcome = await self.probe(act, **where)
        return await outcome


def _probe_command(bot: TrialBot) -> None:
    @bot.tree.command(name="probe", description="Does what the test asks")
    async def probe(interaction: discord.Interaction) -> None:  # pyright: ignore[reportUnusedFunction] # decorated
        await bot.perform(interaction)


def _menu_command(bot: TrialBot) -> None:
    @bot.tree.context_menu(name="Use as input")
    async def use(interaction: discord.Interaction, message: discord.Message) -> None:  # pyright: ignore[reportUnusedFunction] # decorated
        await interaction.response.send_message(f"{message.content}: {len(await message.attachments[0].read())}")


def _echo_command(bot: TrialBot) -> None:
    @bot.tree.command(name="echo", description="Says it back")
    @app_commands.describe(text="What to say", picture="A file to measure")
    async def echo(
        interaction: discord.Interaction,
        text: app_commands.Range[str, 1, 100],
        picture: discord.Attachment | None = None,
    ) -> None:
        await interaction.response.defer(thinking=True)
        size = "" if picture is None else f" {len(await picture.read())}"
        await interaction.edit_original_response(content=text + size)

    @echo.autocomplete("text")
    async def complete(_: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:  # pyright: ignore[reportUnusedFunction] # decorated
        return [app_commands.Choice(name=current * times, value=current * times) for times in (1, 2)]


@asynccontextmanager
async def pointed_at(wire: WireDiscord) -> AsyncGenerator[None]:
    """Send discord.py in this process to the fake, including the address it dials when a session was invalidated."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = wire.api_url, yarl.URL(wire.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


@asynccontextmanager
async def running(
    wire: WireDiscord, bot: commands.AutoShardedBot, token: str = TOKEN, shards: int | None = None
) -> AsyncGenerator[None]:
    """Run a bot against the fake until the block ends, and close it cleanly. Raises what stopped it from starting.

    It counts as started when `shards` are there (all, unless told otherwise).
    """
    async with pointed_at(wire):
        task = asyncio.create_task(bot.start(token))
        ready = asyncio.create_task(_ready(wire, shards))
        try:
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            await ready
            yield
        finally:
            ready.cancel()
            await bot.close()
            await asyncio.gather(task, ready, return_exceptions=True)


async def _ready(wire: WireDiscord, shards: int | None) -> None:
    await wire.ready(shards)
    await wire.commands()
