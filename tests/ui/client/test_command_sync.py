"""Commands are registered where they are wanted, once, whatever happened to the file that remembers it."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.ui.client.command_sync import CommandSync
from tests.wire import WireDiscord, WireGuild, guild_id
from tests.wire.bots import pointed_at

Tree = app_commands.CommandTree[Any]


@dataclass
class Registry:
    """A logged-in tree with one command, and the Discord that hears of it."""

    wire: WireDiscord
    tree: Tree

    def names(self, scope: int | None) -> list[str]:
        """Return what is registered in a guild, or globally."""
        return [command["name"] for command in self.wire.world.commands.scopes.get(scope, [])]

    @property
    def puts(self) -> int:
        """How often anything was registered."""
        return self.wire.counters.command_puts


@pytest.fixture
async def registry() -> AsyncGenerator[Registry]:
    """A bot that is logged in, but needs no gateway."""
    guilds = [WireGuild(guild_id(0)), WireGuild(guild_id(1))]
    client = discord.Client(intents=discord.Intents(guilds=True))
    async with WireDiscord(guilds=guilds) as wire, pointed_at(wire), client:
        await client.login("wire-token")
        tree: Tree = app_commands.CommandTree(client)
        add(tree, "imagine")
        yield Registry(wire, tree)


async def synced(sync: CommandSync, tree: Tree) -> list[str]:
    """Return the scopes that were sent."""
    sent, _failed = await sync.sync(tree)
    return sent


def add(tree: Tree, name: str) -> None:
    """Give the tree a command."""

    @tree.command(name=name, description="Does nothing")
    async def _nothing(interaction: discord.Interaction) -> None:  # pyright: ignore[reportUnusedFunction] # decorated
        await interaction.response.defer()


async def test_a_scope_that_is_not_wanted_any_more_is_emptied_once(registry: Registry, tmp_path: Path) -> None:
    guild, tree = registry.wire.guild.id, registry.tree
    in_guild = CommandSync(memory=tmp_path / "commands.json", guild_ids=(guild,))
    everywhere = CommandSync(memory=tmp_path / "commands.json", guild_ids=())
    assert await synced(in_guild, tree) == [str(guild)]
    assert (registry.names(guild), registry.names(None)) == (["imagine"], [])
    assert sorted(await synced(everywhere, tree)) == sorted([str(guild), "global"])
    assert (registry.names(guild), registry.names(None)) == ([], ["imagine"])
    assert await synced(everywhere, tree) == []
    assert sorted(await synced(in_guild, tree)) == sorted([str(guild), "global"])
    assert (registry.names(guild), registry.names(None)) == (["imagine"], [])
    assert await synced(in_guild, tree) == []
    assert registry.puts == 5


async def test_a_guild_that_is_dropped_loses_the_commands_and_the_other_keeps_them(
    registry: Registry, tmp_path: Path
) -> None:
    first, second = registry.wire.world.guilds
    memory = tmp_path / "commands.json"
    await synced(CommandSync(memory=memory, guild_ids=(first, second)), registry.tree)
    assert await synced(CommandSync(memory=memory, guild_ids=(second,)), registry.tree) == [str(first)]
    assert (registry.names(first), registry.names(second)) == ([], ["imagine"])


async def test_only_what_changed_is_sent_also_after_a_restart(registry: Registry, tmp_path: Path) -> None:
    guild = registry.wire.guild.id

    def started() -> CommandSync:
        return CommandSync(memory=tmp_path / "data" / "commands.json", guild_ids=(guild,))

    assert await synced(started(), registry.tree) == [str(guild)]
    assert await synced(started(), registry.tree) == []
    add(registry.tree, "upscale")
    assert await synced(started(), registry.tree) == [str(guild)]
    assert sorted(registry.names(guild)) == ["imagine", "upscale"]


async def test_what_discord_refused_is_tried_at_the_next_start(registry: Registry, tmp_path: Path) -> None:
    guild = registry.wire.guild.id
    sync = CommandSync(memory=tmp_path / "commands.json", guild_ids=(guild,))
    fault = registry.wire.state.fail(r"PUT .*/commands", 403, 50001)
    assert await synced(sync, registry.tree) == []
    assert fault.hits == 1
    assert await synced(sync, registry.tree) == [str(guild)]
    assert registry.names(guild) == ["imagine"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "junk",
        "[]",
        "null",
        "7",
        '{"APP": []}',
        '{"APP": null}',
        '{"APP": "text"}',
        '{"APP": {"no scope": "x"}}',
        '{"APP": {"GUILD": 7}}',
    ],
)
async def test_a_damaged_memory_costs_one_registration(registry: Registry, tmp_path: Path, content: str) -> None:
    guild, memory = registry.wire.guild.id, tmp_path / "commands.json"
    written = content.replace("APP", str(registry.tree.client.application_id)).replace("GUILD", str(guild))
    memory.write_text(written, encoding="utf-8")
    sync = CommandSync(memory=memory, guild_ids=(guild,))
    assert str(guild) in await synced(sync, registry.tree)
    assert registry.names(guild) == ["imagine"]
    assert await synced(sync, registry.tree) == [], "the file is whole again"


@pytest.mark.parametrize("damage", ["bytes", "folder", "file for a folder"])
async def test_a_memory_that_cannot_be_used_does_not_keep_commands_away(
    registry: Registry, tmp_path: Path, damage: str
) -> None:
    memory = tmp_path / "data" / "commands.json"
    if damage == "folder":
        memory.mkdir(parents=True)
    elif damage == "bytes":
        memory.parent.mkdir()
        memory.write_bytes(b"\xff\xfe\x00{")
    else:
        memory.parent.write_text("not a folder", encoding="utf-8")
    guild = registry.wire.guild.id
    sync = CommandSync(memory=memory, guild_ids=(guild,))
    assert await synced(sync, registry.tree) == [str(guild)]
    assert await synced(sync, registry.tree) in ([], [str(guild)])
    assert registry.names(guild) == ["imagine"]
