"""The manifest: the TOML file beside a graph that makes it a command. What it is called, and what members may set.

Checks the file alone. Whether its binds lead anywhere is `bot.workflow.binding`'s to say.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from bot.i18n import _
from bot.workflow.complaints import complaints
from bot.workflow.errors import RefusedValueError, WorkflowError
from bot.workflow.extras import MAX_ACTIONS, MAX_PRESETS, Access, Action, Outputs, Preset, Requires
from bot.workflow.options import Option
from bot.workflow.options.binds import as_tuple
from bot.workflow.spec import IDLE_LIMIT
from bot.workflow.wording import listed, nearest, shown

SCHEMA = 1
"""The newest version of the format that is understood here."""

MAX_BYTES = 64 * 1024
"""25 options with every key take some 10 kB."""

SLASH_OPTIONS = 25
"""Discord's limit for the options of one command."""
MAX_OPTIONS = 100
"""Beyond Discord's limit they stand in a form."""
MAX_COMMAND_LENGTH = 8000
"""Discord's limit for all names, descriptions and choices of one command together."""
PRESET, ADVANCED = "preset", "advanced"
"""Options that a command gets by itself: when there are presets, and when some options stand in a form."""

RESERVED_NAMES = frozenset(
    {"run", "queue", "cancel", "history", "me", "server", "workflow", "moderate", "settings", "status", "help"}
)
"""The bot's own commands."""

_GRAPH_NAME = re.compile(r"[^/\\:\x00-\x1f]+\.json", re.IGNORECASE)


def require_name(name: str) -> str:
    """Return a name that Discord takes for a command or an option. Raises `RefusedValueError`."""
    if name != name.lower():
        raise RefusedValueError(_("“{name}” must be in lower case, for Discord.", name=shown(name)))
    if not 1 <= len(name) <= 32 or not all(char.isalnum() or char in "-_" for char in name):
        raise RefusedValueError(_("“{name}” must be 1 to 32 letters, digits, - or _, for Discord.", name=shown(name)))
    return name


def require_command_name(name: str) -> str:
    """Return a name that a workflow may have as a command. Raises `RefusedValueError`."""
    if require_name(name) in RESERVED_NAMES:
        raise RefusedValueError(_("“{name}” is a command of the bot itself; choose another name.", name=name))
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
                "is {version}, and this bot knows {known}: the manifest was written for a newer one. Update the bot.",
                version=version,
                known=SCHEMA,
            )
        )
    return version


Tag = Annotated[str, Field(min_length=1, max_length=30)]


class Manifest(BaseModel):
    """One manifest. `options` keep the order of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Annotated[
        Literal[1],
        BeforeValidator(_require_version, json_schema_input_type=Literal[1]),
        Field(alias="schema", description="The version of this format: 1."),
    ]
    title: Annotated[str, Field(min_length=1, max_length=80, description="What people read above the result.")]
    description: Annotated[
        str, Field(min_length=1, max_length=100, description="What Discord shows beside the command.")
    ]
    command: Annotated[
        str | None,
        AfterValidator(_require_command),
        Field(description="The command's name, when it is not the file's own."),
    ] = None
    tags: Annotated[
        tuple[Tag, ...],
        BeforeValidator(as_tuple, json_schema_input_type=str | list[Tag]),
        Field(max_length=10, description="Words by which it is found."),
    ] = ()
    slash: Annotated[bool, Field(description="Whether it has a slash command of its own; /run reaches it anyway.")] = (
        True
    )
    graph: Annotated[
        str | None,
        AfterValidator(_require_graph_name),
        Field(description="The graph's file name, when it is not the manifest's own with .json."),
    ] = None
    outputs: Annotated[
        Outputs, Field(description="The nodes whose results are shown; without it, all that the graph saves.")
    ] = ()
    idle_limit: Annotated[
        float,
        Field(
            ge=5,
            le=24 * 3600,
            allow_inf_nan=False,
            description="Seconds without a word from the server, after which a run counts as stuck.",
        ),
    ] = IDLE_LIMIT
    vram: Annotated[
        float | None,
        Field(gt=0, le=1024, allow_inf_nan=False, description="Gigabytes of graphics memory that it needs."),
    ] = None
    seconds: Annotated[
        float | None,
        Field(
            gt=0,
            le=24 * 3600,
            allow_inf_nan=False,
            description="GPU-seconds that a run takes about, until the bot has seen some.",
        ),
    ] = None
    access: Annotated[Access, Field(description="Who may use it, and where.")] = Access()
    requires: Annotated[
        Requires, Field(description="What one server must have; without it the command is switched off.")
    ] = Requires()
    options: Annotated[
        dict[Annotated[str, AfterValidator(require_name)], Option], Field(description="What members may set.")
    ] = Field(default_factory=dict)
    presets: Annotated[dict[str, Preset], Field(max_length=MAX_PRESETS, description="Values that belong together.")] = (
        Field(default_factory=dict[str, Preset])
    )
    actions: Annotated[dict[str, Action], Field(max_length=MAX_ACTIONS, description="Next steps with a result.")] = (
        Field(default_factory=dict[str, Action])
    )

    @classmethod
    def parse(cls, data: bytes, source: str) -> Self:
        """Read a manifest. Raises `WorkflowError` with all that is wrong; `source` is the file's name."""
        try:
            table = _decode(data)
        except RefusedValueError as refusal:
            raise WorkflowError(source, refusal.reason) from refusal
        return cls.read(table, source)

    @classmethod
    def read(cls, table: Mapping[str, Any], source: str) -> Self:
        """Do the same for a manifest that is decoded already."""
        try:
            return cls.model_validate(table)
        except ValidationError as err:
            raise WorkflowError(source, *complaints(err, cls)) from err

    def ordered_options(self) -> tuple[tuple[str, Option], ...]:
        """Return what members may set as it is listed: what is required first, then by `order`, then as in the file."""
        seen = [item for item in self.options.items() if not item[1].is_hidden]
        return tuple(sorted(seen, key=lambda item: (not item[1].required, item[1].order)))

    def slash_options(self) -> tuple[tuple[str, Option], ...]:
        """Return what stands in the slash command itself, as far as Discord takes it."""
        plain = [item for item in self.ordered_options() if not item[1].advanced]
        places = SLASH_OPTIONS - bool(self.presets)
        if len(plain) > places or len(plain) < len(self.ordered_options()):
            places -= 1
        return tuple(plain[:places])

    def advanced_options(self) -> tuple[tuple[str, Option], ...]:
        """Return what members set in a form: what is marked so, and what Discord has no place for."""
        plain = {name for name, _option in self.slash_options()}
        return tuple(item for item in self.ordered_options() if item[0] not in plain)

    def mask_for(self, name: str) -> str | None:
        """Return the option whose picture is the mask of the picture `name`, if there is one."""
        for other, option in self.options.items():
            if option.masks == name:
                return other
        return None

    @model_validator(mode="after")
    def _must_make_sense(self) -> Self:
        if len(self.options) > MAX_OPTIONS:
            raise RefusedValueError(_("options: may be {limit} at most.", limit=MAX_OPTIONS))
        if self._command_length() > MAX_COMMAND_LENGTH:
            raise RefusedValueError(
                _(
                    "options: the names, descriptions and choices together are longer than {limit} characters,"
                    " Discord's limit for one command. Shorten some, or mark options as advanced.",
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
                _("options: {limit} at most can be required, Discord's limit.", limit=len(shown_options))
            )
        if lost:
            raise RefusedValueError(
                _("[options.{name}] advanced: what is required must stand in the command itself.", name=lost[0])
            )
        if self.presets and PRESET in self.options:
            raise RefusedValueError(_("[options.{name}]: this name is taken, because there are presets.", name=PRESET))
        if self.advanced_options() and ADVANCED in self.options:
            raise RefusedValueError(
                _("[options.{name}]: this name is taken, because there are advanced options.", name=ADVANCED)
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
                    _("[options.{mask}] mask_of: there is no picture “{name}”.", mask=name, name=shown(target))
                )
            if target in masked:
                raise RefusedValueError(
                    _("[options.{mask}] mask_of: “{name}” has a mask already.", mask=name, name=target)
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
            raise RefusedValueError(_("presets: two have the same title."))

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
                "[{table}]: there is no option “{name}” that can be set. There are: {known}.",
                table=table,
                name=shown(name),
                known=listed(known),
            )
        )


def _decode(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise RefusedValueError(_("is too large: a manifest may have {limit} KiB.", limit=MAX_BYTES // 1024))
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as err:
        raise RefusedValueError(_("is not text in UTF-8. Save it as UTF-8.")) from err
    except tomllib.TOMLDecodeError as err:
        raise RefusedValueError(_("is not valid TOML: {reason}.", reason=shown(err, 150))) from err
    except (RecursionError, ValueError) as err:  # tomllib lets both through: deep nesting, endless numbers
        raise RefusedValueError(_("holds values that cannot be read.")) from err
