"""The manifest: the TOML file beside a graph that makes it a command with options.

Validates the file on its own; `bot.workflow.manifest.binding` checks its binds against the graph.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bot.i18n import _
from bot.workflow.errors import RefusedValueError, WorkflowError
from bot.workflow.manifest.options import Option
from bot.workflow.manifest.options.binds import as_tuple
from bot.workflow.manifest.sections import (
    MAX_ACTIONS,
    MAX_PRESETS,
    Access,
    Action,
    Outputs,
    Preset,
    Requires,
)
from bot.workflow.manifest.validation_errors import manifest_errors
from bot.workflow.text_format import listed, nearest, shown

IDLE_LIMIT = 600.0
"""Seconds; loading a large model from a slow disk takes minutes without any progress event."""


SCHEMA = 1
"""The newest supported version of the format."""

MAX_BYTES = 64 * 1024
"""25 options with every key take about 10 kB."""

SLASH_OPTIONS = 25
"""Discord's limit for the options of one command."""
MAX_OPTIONS = 100
"""Options beyond Discord's limit go into a form."""
MAX_COMMAND_LENGTH = 8000
"""Discord's limit for all names, descriptions and choices of one command together."""
PRESET, ADVANCED = "preset", "advanced"
"""Options that a command gets automatically: with presets, and with options in a form."""

RESERVED_NAMES = frozenset(
    {"run", "queue", "cancel", "history", "me", "server", "workflow", "moderate", "settings", "status", "help"}
)
"""The bot's own commands."""

_GRAPH_NAME = re.compile(r"[^/\\:\x00-\x1f]+\.json", re.IGNORECASE)


def require_name(name: str) -> str:
    """Return `name` if Discord accepts it for a command or an option. Raises `RefusedValueError`."""
    if name != name.lower():
        raise RefusedValueError(_("“{name}” must be lowercase (Discord's rule).", name=shown(name)))
    if not 1 <= len(name) <= 32 or not all(char.isalnum() or char in "-_" for char in name):
        raise RefusedValueError(
            _("“{name}” must be 1 to 32 letters, digits, - or _ (Discord's rule).", name=shown(name))
        )
    return name


def require_command_name(name: str) -> str:
    """Return `name` if a workflow can use it as its command. Raises `RefusedValueError`."""
    if require_name(name) in RESERVED_NAMES:
        raise RefusedValueError(_("“{name}” is one of the bot's own commands. Choose another name.", name=name))
    return name


def _require_graph_name(name: str | None) -> str | None:
    if name is not None and not _GRAPH_NAME.fullmatch(name):
        raise RefusedValueError(_("must be the name of a .json file in the same folder."))
    return name


def _require_command(name: str | None) -> str | None:
    return None if name is None else require_command_name(name)


def _require_version(version: object) -> object:
    if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA:
        raise RefusedValueError(
            _(
                "is {version}, but this bot only supports up to {known}. Update the bot.",
                version=version,
                known=SCHEMA,
            )
        )
    return version


Tag = Annotated[str, Field(min_length=1, max_length=30)]


class Manifest(BaseModel):
    """Makes a ComfyUI graph a Discord command."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Annotated[
        Literal[1],
        BeforeValidator(_require_version, json_schema_input_type=Literal[1]),
        Field(alias="schema", description="The version of this format: 1."),
    ]
    title: Annotated[str, Field(min_length=1, max_length=80, description="Heading above the result.")]
    description: Annotated[str, Field(min_length=1, max_length=100, description="Shown by Discord beside the command.")]
    command: Annotated[
        str | None,
        AfterValidator(_require_command),
        Field(description="Command name. Default: the manifest's file name."),
    ] = None
    tags: Annotated[
        tuple[Tag, ...],
        BeforeValidator(as_tuple, json_schema_input_type=str | list[Tag]),
        Field(max_length=10, description="Search words."),
    ] = ()
    slash: Annotated[bool, Field(description="Whether it gets its own slash command; /run always works.")] = True
    graph: Annotated[
        str | None,
        AfterValidator(_require_graph_name),
        Field(description="File name of the graph. Default: the manifest's name with .json."),
    ] = None
    outputs: Annotated[Outputs, Field(description="Nodes whose results are shown. Default: all output nodes.")] = ()
    idle_limit: Annotated[
        float,
        Field(
            ge=5,
            le=24 * 3600,
            allow_inf_nan=False,
            description="Seconds without progress after which a run counts as stuck.",
        ),
    ] = IDLE_LIMIT
    vram: Annotated[
        float | None,
        Field(gt=0, le=1024, allow_inf_nan=False, description="Graphics memory that it needs, in GB."),
    ] = None
    seconds: Annotated[
        float | None,
        Field(
            gt=0,
            le=24 * 3600,
            allow_inf_nan=False,
            description="Expected GPU seconds of a run, until the bot has measured some.",
        ),
    ] = None
    access: Annotated[Access, Field(description="Who can use it, and where.")] = Access()
    requires: Annotated[
        Requires, Field(description="What a ComfyUI server must have; otherwise the command is disabled.")
    ] = Requires()
    options: Annotated[
        dict[Annotated[str, AfterValidator(require_name)], Option], Field(description="What members can set.")
    ] = Field(default_factory=dict)
    presets: Annotated[dict[str, Preset], Field(max_length=MAX_PRESETS, description="Named sets of option values.")] = (
        Field(default_factory=dict[str, Preset])
    )
    actions: Annotated[
        dict[str, Action],
        Field(max_length=MAX_ACTIONS, description="Buttons under the result that run another workflow on it."),
    ] = Field(default_factory=dict[str, Action])

    @classmethod
    def parse(cls, data: bytes, source: str) -> Self:
        """Read a manifest. Raises `WorkflowError` with all problems; `source` is the file's name."""
        try:
            table = _decode(data)
        except RefusedValueError as refusal:
            raise WorkflowError(source, refusal.reason) from refusal
        return cls.read(table, source)

    @classmethod
    def read(cls, table: Mapping[str, Any], source: str) -> Self:
        """Validate a decoded manifest. Raises like `parse`."""
        try:
            return cls.model_validate(table)
        except ValidationError as err:
            raise WorkflowError(source, *manifest_errors(err, cls)) from err

    def ordered_options(self) -> tuple[tuple[str, Option], ...]:
        """Return the visible options: required ones first, then by `order`, then as in the file."""
        seen = [item for item in self.options.items() if not item[1].is_hidden]
        return tuple(sorted(seen, key=lambda item: (not item[1].required, item[1].order)))

    def slash_options(self) -> tuple[tuple[str, Option], ...]:
        """Return the options of the slash command itself, within Discord's limit."""
        plain = [item for item in self.ordered_options() if not item[1].advanced]
        places = SLASH_OPTIONS - bool(self.presets)
        if len(plain) > places or len(plain) < len(self.ordered_options()):
            places -= 1
        return tuple(plain[:places])

    def advanced_options(self) -> tuple[tuple[str, Option], ...]:
        """Return the options of the form: those marked as advanced, and those beyond Discord's limit."""
        plain = {name for name, _option in self.slash_options()}
        return tuple(item for item in self.ordered_options() if item[0] not in plain)

    def mask_for(self, name: str) -> str | None:
        """Return the name of the option that holds the mask of the image option `name`, if there is one."""
        for other, option in self.options.items():
            if option.masks == name:
                return other
        return None

    @model_validator(mode="after")
    def _must_make_sense(self) -> Self:
        if len(self.options) > MAX_OPTIONS:
            raise RefusedValueError(_("options: at most {limit} are allowed.", limit=MAX_OPTIONS))
        if self._command_length() > MAX_COMMAND_LENGTH:
            raise RefusedValueError(
                _(
                    "options: all names, descriptions and choices together are longer than {limit} characters"
                    " (Discord's limit for one command). Shorten some, or mark options as advanced.",
                    limit=MAX_COMMAND_LENGTH,
                )
            )
        self._require_own_names()
        self._require_masked_pictures()
        self._require_presets()
        self._require_actions()
        return self

    def _command_length(self) -> int:
        length = len(self.description)
        for name, option in self.slash_options():
            length += len(name) + len(option.description)
            length += sum(2 * len(choice.label) for choice in option.choices)
        return length + sum(len(name) + len(preset.title) for name, preset in self.presets.items())

    def _require_own_names(self) -> None:
        shown_options = dict(self.slash_options())
        lost = [name for name, option in self.options.items() if option.required and name not in shown_options]
        if lost and not any(self.options[name].advanced for name in lost):
            raise RefusedValueError(
                _("options: at most {limit} can be required (Discord's limit).", limit=len(shown_options))
            )
        if lost:
            raise RefusedValueError(_("[options.{name}] advanced: a required option can't be advanced.", name=lost[0]))
        if self.presets and PRESET in self.options:
            raise RefusedValueError(
                _("[options.{name}]: this name is reserved if there are presets. Choose another one.", name=PRESET)
            )
        if self.advanced_options() and ADVANCED in self.options:
            raise RefusedValueError(
                _(
                    "[options.{name}]: this name is reserved if there are advanced options. Choose another one.",
                    name=ADVANCED,
                )
            )

    def _require_masked_pictures(self) -> None:
        masked: set[str] = set()
        for name, option in self.options.items():
            target = option.masks
            if target is None:
                continue
            picture = self.options.get(target)
            if picture is None or picture.kind != "image" or picture.masks is not None:
                raise RefusedValueError(
                    _("[options.{mask}] mask_of: there is no image option “{name}”.", mask=name, name=shown(target))
                )
            if target in masked:
                raise RefusedValueError(
                    _("[options.{mask}] mask_of: “{name}” already has a mask.", mask=name, name=target)
                )
            masked.add(target)

    def _require_presets(self) -> None:
        for name, preset in self.presets.items():
            for option_name, value in preset.values.items():
                option = self._settable(option_name, f"presets.{shown(name)}")
                try:
                    option.read(value, option.own_limits())
                except RefusedValueError as refusal:
                    raise RefusedValueError(
                        _(
                            "[presets.{preset}] {option}: {reason}",
                            preset=shown(name),
                            option=option_name,
                            reason=refusal.reason,
                        )
                    ) from refusal
        titles = [preset.title for preset in self.presets.values()]
        if len(set(titles)) < len(titles):
            raise RefusedValueError(_("presets: each title must be unique."))

    def _require_actions(self) -> None:
        for name, action in self.actions.items():
            for option_name in action.keep:
                self._settable(option_name, f"actions.{shown(name)}")

    def _settable(self, name: str, table: str) -> Option:
        option = self.options.get(name)
        known = [each for each, other in self.options.items() if not other.is_hidden and not other.is_file]
        if option is not None and name in known:
            return option
        guess = nearest(name, known)
        if guess is not None:
            raise RefusedValueError(
                _(
                    "[{table}]: there is no option “{name}”. Did you mean “{guess}”?",
                    table=table,
                    name=shown(name),
                    guess=guess,
                )
            )
        raise RefusedValueError(
            _(
                "[{table}]: there is no option “{name}” that can be set. Available: {known}.",
                table=table,
                name=shown(name),
                known=listed(known),
            )
        )


def _decode(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise RefusedValueError(_("is too large. A manifest can have up to {limit} KiB.", limit=MAX_BYTES // 1024))
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        raise RefusedValueError(_("is not UTF-8 text. Save it as UTF-8.")) from err
    except tomllib.TOMLDecodeError as err:
        raise RefusedValueError(_("is not valid TOML: {reason}.", reason=shown(err, 150))) from err
    except (RecursionError, ValueError) as err:  # tomllib raises both: for deep nesting and for endless numbers
        raise RefusedValueError(_("contains values that cannot be read.")) from err
