"""Commands built from manifests: what Discord is told, and what is offered while a member types."""

from typing import Any

import discord
import pytest
from discord import app_commands

from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.builder import OPTION_TYPES, build_command
from bot.workflow.graph.definitions import Definitions, InputDefinition, NodeDefinition
from bot.workflow.library.catalog import Catalog
from bot.workflow.manifest.options import KINDS, LorasOption
from bot.workflow.run.spec import RunSpec
from tests.paths import WORKFLOWS
from tests.workflow.samples import workflow

SHIPPED = Catalog.load(WORKFLOWS)


async def nothing(*_: object) -> None:
    """Run nothing."""


def payload(name: str) -> dict[str, Any]:
    client = discord.Client(intents=discord.Intents.none())
    tree = app_commands.CommandTree(client)
    command = build_command(SHIPPED.workflows[name], run=nothing, autocompleter=autocompleter())
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


def test_every_kind_that_members_see_has_a_type() -> None:
    assert OPTION_TYPES.keys() == {name for name, kind in KINDS.items() if not kind.is_hidden}


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


def autocompleter(*names: str) -> Autocompleter:
    inputs = {"sampler_name": InputDefinition("COMBO", choices=names), "scheduler": InputDefinition("COMBO")}
    known = Definitions({"KSampler": NodeDefinition("KSampler", inputs)})
    return Autocompleter(definitions=lambda: known)


def test_what_is_offered_fits_what_was_typed() -> None:
    some = autocompleter(
        "", "dpmpp_2m", "euler", "euler_ancestral", "heun", "x" * 101, *(f"sampler{n}" for n in range(40))
    )
    option = SHIPPED.workflows["imagine"].manifest.options["sampler"]
    assert some.values(option, "Eul") == ["euler", "euler_ancestral"]
    assert some.values(option, "2M") == ["dpmpp_2m"]
    assert some.values(option, "nothing like it") == []
    assert len(some.values(option, "")) == 25
    assert "x" * 101 not in some.values(option, "x"), "Discord takes 100 characters"


FULL = """
[options.size]
kind = "size"
description = "How large"
choices = { "Square" = "512x512", "Wide" = "768x512" }
bind = { width = "Canvas.width", height = "Canvas.height" }
[options.film]
kind = "video"
description = "A film"
bind = "#5.batch_size"
[options.cfg]
kind = "number"
description = "Closeness"
advanced = true
bind = "#54:3.cfg"
[options.fixed]
kind = "constant"
value = "euler"
bind = "#54:3.sampler_name"
[presets.fast]
title = "Fast"
values = { cfg = 2.0 }
"""


def test_the_command_gets_presets_and_the_form_and_hides_what_is_fixed() -> None:
    tree = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
    command = build_command(workflow(FULL), run=nothing, autocompleter=autocompleter())
    tree.add_command(command)
    told = {option["name"]: option for option in command.to_dict(tree)["options"]}
    kinds = discord.AppCommandOptionType
    assert list(told) == ["size", "film", "preset", "advanced"]
    assert (told["size"]["type"], told["size"]["autocomplete"]) == (kinds.string.value, True)
    assert told["film"]["type"] == kinds.attachment.value
    assert [choice["name"] for choice in told["preset"]["choices"]] == ["Fast"]
    assert told["advanced"]["type"] == kinds.boolean.value


def test_sizes_are_offered_and_others_may_be_typed() -> None:
    option = workflow(FULL).manifest.options["size"]
    assert autocompleter().values(option, "") == ["Square", "Wide"]
    assert autocompleter().values(option, "640x480") == ["640x480"]


def test_the_last_of_several_loras_is_completed() -> None:
    inputs = {"lora_name": InputDefinition("COMBO", choices=("detail.safetensors", "style/ink.safetensors"))}
    known = Definitions({"LoraLoader": NodeDefinition("LoraLoader", inputs)})
    some = Autocompleter(definitions=lambda: known)
    option = LorasOption(kind="loras", description="D", bind="LoRA")  # type: ignore[call-arg]  # pydantic's aliases
    assert some.values(option, "ink") == ["style/ink.safetensors"]
    assert some.values(option, "detail.safetensors:0.8, in") == ["detail.safetensors:0.8, style/ink.safetensors"]
    assert some.values(option, "detail.safetensors:0.8, ") == ["detail.safetensors:0.8, style/ink.safetensors"]


def test_what_was_used_comes_first() -> None:
    some = autocompleter("a", "b", "c")
    option = SHIPPED.workflows["imagine"].manifest.options["sampler"]
    some.count_use(SHIPPED.workflows["imagine"], RunSpec("imagine", "T", {}, values={"sampler": "b"}))
    assert some.values(option, "") == ["b", "a", "c"]
    assert some.uses == {"imagine": 1}
