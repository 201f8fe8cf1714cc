"""Builds one slash command from a workflow's manifest: typed options, limits, choices, autocomplete, attachments.

The command only collects values; `bot.workflow.run.prepare` validates them, because the limits of ComfyUI servers can
change after a command was registered.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import discord
from discord import app_commands

from bot.ui.commands.autocomplete import Autocompleter
from bot.workflow.manifest.manifest import ADVANCED, PRESET
from bot.workflow.manifest.options import Option
from bot.workflow.workflow import Workflow

MAX_EXACT = 2**53 - 1
"""Discord limits integers and numbers to ±2^53."""
MAX_DESCRIPTION = 100

Given = Mapping[str, object]
"""Option name → the member's value: text, number, boolean, or an unread file. Omitted options are missing."""
CommandCallback = Callable[[discord.Interaction, Workflow, Given], Awaitable[None]]

OPTION_TYPES = {
    "text": discord.AppCommandOptionType.string,
    "integer": discord.AppCommandOptionType.integer,
    "number": discord.AppCommandOptionType.number,
    "boolean": discord.AppCommandOptionType.boolean,
    "choice": discord.AppCommandOptionType.string,
    "model": discord.AppCommandOptionType.string,
    "loras": discord.AppCommandOptionType.string,
    "size": discord.AppCommandOptionType.string,
    "seed": discord.AppCommandOptionType.string,  # a 64-bit seed does not fit Discord's whole numbers
    "image": discord.AppCommandOptionType.attachment,
    "mask": discord.AppCommandOptionType.attachment,
    "video": discord.AppCommandOptionType.attachment,
    "audio": discord.AppCommandOptionType.attachment,
}


def build_command(
    workflow: Workflow, *, run: CommandCallback, autocompleter: Autocompleter
) -> app_commands.Command[Any, ..., Any]:
    parameters = list(_parameters(workflow, autocompleter))
    names = {f"option_{number}": name for number, (name, _text, _parameter) in enumerate(parameters)}

    async def callback(interaction: discord.Interaction, **options: object) -> None:
        given = {names[parameter]: value for parameter, value in options.items() if value is not None}
        await run(interaction, workflow, given)

    interaction = inspect.Parameter(
        "interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=discord.Interaction
    )
    # Option names need not be Python identifiers ("lora-strength", "class", "2x")
    named = (parameter.replace(name=own) for own, (_name, _text, parameter) in zip(names, parameters, strict=True))
    callback.__signature__ = inspect.Signature([interaction, *named])  # type: ignore[attr-defined]  # discord.py reads it
    command = app_commands.Command[Any, ..., Any](
        name=workflow.name,
        description=_describe(workflow.manifest.description),
        callback=callback,
        nsfw=workflow.manifest.access.age_restricted,
    )
    for own, (name, text, _parameter) in zip(names, parameters, strict=True):
        parameter = command._params[own]  # pyright: ignore[reportPrivateUsage]
        parameter.description = _describe(text)
        parameter._rename = name  # pyright: ignore[reportPrivateUsage]
    return command


def _parameters(workflow: Workflow, autocompleter: Autocompleter) -> Iterator[tuple[str, str, inspect.Parameter]]:
    """Yield name, description and parameter; Discord wants required options first."""
    manifest = workflow.manifest
    for name, option in manifest.slash_options():
        lives = option.source is not None or option.kind == "size"
        transformer = _LiveOption(option, autocompleter) if lives else _PlainOption(option)
        yield name, _with_default(option), _parameter(transformer, is_required=option.required)
    if manifest.presets:
        titles = [preset.title for preset in manifest.presets.values()]
        yield PRESET, "Preset (your own values override it)", _parameter(_Titles(titles))
    if manifest.advanced_options():
        yield ADVANCED, "Set more options in a form first", _parameter(_Switch())


def _parameter(transformer: app_commands.Transformer, *, is_required: bool = False) -> inspect.Parameter:
    return inspect.Parameter(
        "_",
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if is_required else None,
        annotation=app_commands.Transform[Any, transformer],
    )


class _PlainOption(app_commands.Transformer):
    """Passes a value through as Discord sent it, within the manifest's limits."""

    def __init__(self, option: Option) -> None:
        self._option = option

    @property
    def type(self) -> discord.AppCommandOptionType:
        return OPTION_TYPES[self._option.kind]

    @property
    def min_value(self) -> int | float | None:
        return _bounded(self._option.minimum)

    @property
    def max_value(self) -> int | float | None:
        length = self._option.max_length
        return length if length is not None else _bounded(self._option.maximum)

    @property
    def choices(self) -> list[app_commands.Choice[str | int | float]] | None:
        choices = self._option.choices
        if not choices:
            return None
        return [app_commands.Choice(name=choice.label, value=choice.label) for choice in choices]

    async def transform(self, interaction: discord.Interaction, value: Any, /) -> Any:
        return value


class _LiveOption(_PlainOption):
    """An option with autocomplete."""

    def __init__(self, option: Option, autocompleter: Autocompleter) -> None:
        super().__init__(option)
        self._autocompleter = autocompleter

    @property
    def choices(self) -> None:
        return None

    async def autocomplete(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, interaction: discord.Interaction, value: str | int | float, /
    ) -> list[app_commands.Choice[str]]:
        return [
            app_commands.Choice(name=each, value=each) for each in self._autocompleter.values(self._option, str(value))
        ]


class _Titles(app_commands.Transformer):
    def __init__(self, titles: list[str]) -> None:
        self._titles = titles

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.string

    @property
    def choices(self) -> list[app_commands.Choice[str | int | float]]:
        return [app_commands.Choice(name=title, value=title) for title in self._titles]

    async def transform(self, interaction: discord.Interaction, value: Any, /) -> Any:
        return value


class _Switch(app_commands.Transformer):
    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.boolean

    async def transform(self, interaction: discord.Interaction, value: Any, /) -> Any:
        return value


def _bounded(limit: int | float | None) -> int | float | None:
    return None if limit is None else max(-MAX_EXACT, min(limit, MAX_EXACT))


def _with_default(option: Option) -> str:
    default: object = option.default
    if default is None or default == "":
        return option.description
    with_default = f"{option.description} ({default})"
    return with_default if len(with_default) <= MAX_DESCRIPTION else option.description


def _describe(text: str) -> str:
    return text[:MAX_DESCRIPTION] or "…"
