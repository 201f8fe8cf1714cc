"""Builds one slash command from a workflow's manifest: typed options, limits, choices, autocomplete, attachments.

The command only collects what the member gave; `bot.workflow.prepare` decides what will do, because limits of servers
change while a registered command does not.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import discord
from discord import app_commands

from bot.workflow.catalog import Workflow
from bot.workflow.options import Option

MAX_EXACT = 2**53 - 1
"""Discord's own range for whole numbers and decimals is ±2^53."""
MAX_CHOICES = 25
MAX_CHOICE_LENGTH = 100
MAX_DESCRIPTION = 100

Given = Mapping[str, object]
"""Option name → what the member gave: text, number, boolean or `discord.Attachment`. Options left empty are missing."""

OPTION_TYPES = {
    "text": discord.AppCommandOptionType.string,
    "integer": discord.AppCommandOptionType.integer,
    "number": discord.AppCommandOptionType.number,
    "boolean": discord.AppCommandOptionType.boolean,
    "choice": discord.AppCommandOptionType.string,
    "model": discord.AppCommandOptionType.string,
    "seed": discord.AppCommandOptionType.string,  # a 64-bit seed does not fit Discord's whole numbers
    "image": discord.AppCommandOptionType.attachment,
}


class Runs(Protocol):
    """What a finished command hands its workflow and options to."""

    def __call__(self, interaction: discord.Interaction, workflow: Workflow, given: Given, /) -> Awaitable[None]:
        """Carry out the member's request."""
        ...


LiveChoices = Callable[[str], Sequence[str]]
"""Returns what the servers offer for a source such as "KSampler.sampler_name"; at once, from memory."""


def build_command(workflow: Workflow, *, run: Runs, live_choices: LiveChoices) -> app_commands.Command[Any, ..., Any]:
    """Return the slash command of `workflow`."""

    manifest = workflow.manifest
    # What an option is called may be no name in Python ("lora-strength", "class", "2x")
    names = {f"option_{number}": name for number, name in enumerate(manifest.options)}
    parameters = {name: parameter for parameter, name in names.items()}

    async def callback(interaction: discord.Interaction, **options: object) -> None:
        given = {names[parameter]: value for parameter, value in options.items() if value is not None}
        await run(interaction, workflow, given)

    callback.__signature__ = _signature(workflow, parameters, live_choices)  # type: ignore[attr-defined]  # discord.py reads it
    command = app_commands.Command[Any, ..., Any](
        name=workflow.name, description=_describe(manifest.description), callback=callback
    )
    for name, option in manifest.options.items():
        parameter = command._params[parameters[name]]  # pyright: ignore[reportPrivateUsage]
        parameter.description = _describe(_with_default(option))
        parameter._rename = name  # pyright: ignore[reportPrivateUsage]
    return command


def _signature(workflow: Workflow, parameters: Mapping[str, str], live_choices: LiveChoices) -> inspect.Signature:
    """Return the callback's parameters: required options first, as Discord wants them, else in the author's order."""
    interaction = inspect.Parameter(
        "interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=discord.Interaction
    )
    options = workflow.manifest.ordered_options()
    others = (_parameter(parameters[name], option, live_choices) for name, option in options)
    return inspect.Signature([interaction, *others])


def _parameter(parameter: str, option: Option, live_choices: LiveChoices) -> inspect.Parameter:
    source = option.source
    transformer = _LiveOption(option, source, live_choices) if source else _PlainOption(option)
    return inspect.Parameter(
        parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else None,
        annotation=app_commands.Transform[Any, transformer],
    )


class _PlainOption(app_commands.Transformer):
    """Passes a value on as Discord sent it, under the limits that the manifest states."""

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
    """An option whose choices are what the servers offer at the time."""

    def __init__(self, option: Option, source: str, live_choices: LiveChoices) -> None:
        super().__init__(option)
        self._source = source
        self._live_choices = live_choices

    @property
    def choices(self) -> None:
        return None

    async def autocomplete(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, interaction: discord.Interaction, value: str | int | float, /
    ) -> list[app_commands.Choice[str]]:
        return [
            app_commands.Choice(name=choice, value=choice)
            for choice in best(self._live_choices(self._source), str(value))
        ]


def best(choices: Sequence[str], typed: str) -> list[str]:
    """Return what fits the letters typed so far: names that begin with them first, at most 25."""
    wanted = typed.casefold().strip()
    fitting = [choice for choice in choices if wanted in choice.casefold() and 0 < len(choice) <= MAX_CHOICE_LENGTH]
    fitting.sort(key=lambda choice: not choice.casefold().startswith(wanted))
    return fitting[:MAX_CHOICES]


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
