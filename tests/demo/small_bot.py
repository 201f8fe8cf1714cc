"""A bot that does in a few lines what makes the simulation hard: workers, sockets' worth of waiting, slow edits."""

import asyncio
import io
from typing import Any, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import InputError
from bot.i18n import _
from tests.harness import Simulation

STEP = 0.05
ORIGINAL = cast("int", "@original")
PICTURE = b"\x89PNG\r\n\x1a\n pretended"


def page(text: str, picture: str = "") -> discord.ui.LayoutView:
    """Return a message of Components V2."""
    view = discord.ui.LayoutView(timeout=None)
    items: list[discord.ui.Item[Any]] = [discord.ui.TextDisplay(text)]
    if picture:
        items.append(discord.ui.MediaGallery(discord.MediaGalleryItem(f"attachment://{picture}")))
    view.add_item(discord.ui.Container(*items, accent_colour=0x23A55A))
    return view


class Greeter(discord.ui.Modal, title="Who are you?"):
    """Asks for a name."""

    name = discord.ui.TextInput[discord.ui.View](label="Name", custom_id="name")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Greet."""
        await interaction.response.send_message(f"Hello {self.name.value}", ephemeral=True)


class SmallBot(commands.AutoShardedBot):
    """Edits the message of each job from a worker that was started before anybody asked."""

    def __init__(self, _sim: Simulation) -> None:
        super().__init__(command_prefix=commands.when_mentioned, intents=discord.Intents(guilds=True))
        self.jobs: asyncio.Queue[discord.Interaction] = asyncio.Queue()
        self.worker: asyncio.Task[None] | None = None
        self.release = asyncio.Event()

    async def setup_hook(self) -> None:
        """Start the worker and register the commands."""
        self.worker = asyncio.create_task(self._work())
        for command in cast("list[Any]", [imagine, look, fail, ask, whoami]):
            self.tree.add_command(command)
        await self.tree.sync()

    async def _work(self) -> None:
        while True:
            interaction = await self.jobs.get()
            await self.release.wait()
            webhook = discord.Webhook.partial(interaction.application_id, interaction.token, client=self)
            for percent in (10, 50, 90):
                await webhook.edit_message(ORIGINAL, view=page(f"{percent} %"))
                await asyncio.sleep(STEP)
            await webhook.edit_message(
                ORIGINAL,
                view=page("done", "out.png"),
                attachments=[discord.File(io.BytesIO(PICTURE), "out.png")],
            )

    async def close(self) -> None:
        """Stop the worker."""
        if self.worker is not None:
            self.worker.cancel()
            await asyncio.gather(self.worker, return_exceptions=True)
        await super().close()


Interaction = discord.Interaction[SmallBot]


@app_commands.command(description="…", nsfw=True)
async def imagine(interaction: Interaction, prompt: app_commands.Range[str, 1, 100]) -> None:
    """Hand a job to the worker."""
    await interaction.response.send_message(view=page(f"Queued: {prompt}"))
    await interaction.client.jobs.put(interaction)


@app_commands.command(description="…")
async def look(interaction: Interaction, picture: discord.Attachment, kind: str = "") -> None:
    """Read an attachment."""
    await interaction.response.defer(ephemeral=True)
    data = await picture.read()
    await interaction.edit_original_response(content=f"{kind}: {picture.filename} has {len(data)} bytes")


@look.autocomplete("kind")
async def offer(_interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """Offer what begins with `typed`."""
    return [app_commands.Choice(name=name, value=name) for name in ("oil", "ink") if name.startswith(typed)]


@app_commands.command(description="…")
async def fail(interaction: Interaction, expected: bool) -> None:
    """Fail in one of two ways."""
    await interaction.response.send_message("working", ephemeral=True)
    if expected:
        raise InputError(_("Not like this."))
    raise KeyError("a mistake")


@app_commands.command(description="…")
async def ask(interaction: Interaction) -> None:
    """Open a dialog."""
    await interaction.response.send_modal(Greeter())


@app_commands.command(description="…")
async def whoami(interaction: Interaction) -> None:
    """Say what the interaction says about its member."""
    told = (interaction.locale.value, interaction.is_guild_integration(), interaction.is_user_integration())
    await interaction.response.send_message(f"{told} {interaction.filesize_limit}")
