"""Commands built from manifests: what Discord is told, and what is offered while a member types."""

from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.ui.commands import best, build_command
from bot.workflow.catalog import Catalog

SHIPPED = Catalog.load(Path(__file__).parent.parent.parent / "workflows")


async def nothing(*_: object) -> None:
    """Run nothing."""


def payload(name: str) -> dict[str, Any]:
    client = discord.Client(intents=discord.Intents.none())
    tree = app_commands.CommandTree(client)
    command = build_command(SHIPPED.workflows[name], run=nothing, live_choices=lambda _: ())
    tree.add_command(command)
    return command.to_dict(tree)


def options(name: str) -> dict[str, dict[str, Any]]:
    return {option["name"]: option for option in payload(name)["options"]}


@pytest.mark.parametrize("name", sorted(SHIPPED.workflows))
def test_discord_takes_every_shipped_command(name: str) -> None:
    command = payload(name)
    assert 1 <= len(command["description"]) <= 100
    required = [option["required"] for option in command["options"]]
    assert required == sorted(required, reverse=True), "required options come first"
    for option in command["options"]:
        assert 1 <= len(option["description"]) <= 100
        assert not (option.get("autocomplete") and option.get("choices"))


def test_types_and_limits_come_from_the_manifest() -> None:
    told = options("imagine")
    kinds = discord.AppCommandOptionType
    assert (told["prompt"]["type"], told["prompt"]["required"]) == (kinds.string.value, True)
    assert told["prompt"]["max_length"] == 2000
    steps = told["steps"]
    assert (steps["type"], steps["min_value"], steps["max_value"]) == (kinds.integer.value, 1, 60)
    assert told["cfg"]["type"] == kinds.number.value
    assert told["seed"]["type"] == kinds.string.value, "64 bits do not fit Discord's whole numbers"
    assert told["sampler"]["autocomplete"]
    assert told["checkpoint"]["autocomplete"]
    assert options("img2img")["image"]["type"] == kinds.attachment.value


def test_what_is_offered_fits_what_was_typed() -> None:
    names = [
        "",
        "dpmpp_2m",
        "euler",
        "euler_ancestral",
        "heun",
        "x" * 101,
        *(f"sampler{number}" for number in range(40)),
    ]
    assert best(names, "Eul") == ["euler", "euler_ancestral"]
    assert best(names, "2M") == ["dpmpp_2m"]
    assert best(names, "nothing like it") == []
    assert len(best(names, "")) == 25
    assert "x" * 101 not in best(names, "x"), "Discord takes 100 characters"


def test_those_that_begin_with_it_come_first() -> None:
    assert best(["my_euler", "euler"], "eu") == ["euler", "my_euler"]
