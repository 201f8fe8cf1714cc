"""The tables of a manifest besides its options: access, requirements, presets, next steps, outputs.

Each table is checked on its own; `bot.workflow.manifest.manifest` and the catalog check that the names in it exist.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.options.base import SOURCE_PATTERN
from bot.workflow.manifest.options.binds import Address, Addresses, as_tuple
from bot.workflow.text_format import shown

MAX_ACTIONS = 4
"""Buttons under a result: Discord allows five in a row, and one is the bot's own."""
MAX_PRESETS = 25

_SOURCE = re.compile(SOURCE_PATTERN)


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class OutputKind(StrEnum):
    """What kind of results a node produces."""

    IMAGES = "images"
    VIDEO = "video"
    ANIMATION = "animation"
    AUDIO = "audio"
    TEXT = "text"
    MODEL3D = "model3d"


def _as_kind(value: object) -> object:
    if isinstance(value, str) and value in set(OutputKind):
        return OutputKind(value)
    raise RefusedValueError(_("must be one of: {kinds}.", kinds=", ".join(OutputKind)))


class Output(Table):
    """A node whose results are shown."""

    node: Annotated[Address, Field(description="The title of the node, or “#id”.")]
    kind: Annotated[
        OutputKind | None,
        BeforeValidator(_as_kind, json_schema_input_type=OutputKind | None),
        Field(description="Show only results of this kind."),
    ] = None


def _as_outputs(value: object) -> object:
    several = (cast("object", value),) if isinstance(value, Mapping) else as_tuple(value)
    if not isinstance(several, tuple):
        return several
    entries = cast("tuple[object, ...]", several)
    return tuple({"node": entry} if isinstance(entry, str) else entry for entry in entries)


Outputs = Annotated[
    tuple[Output, ...], BeforeValidator(_as_outputs, json_schema_input_type=str | Output | list[str | Output])
]


class Access(Table):
    """Who can use the workflow, and where. Empty: everyone, everywhere."""

    roles: Annotated[Addresses, Field(description="Names or ids of roles; members need one of them.")] = ()
    channels: Annotated[Addresses, Field(description="Names or ids of the channels or categories where it works.")] = ()
    age_restricted: Annotated[bool, Field(description="Only in channels that Discord marks as age-restricted.")] = False
    direct_messages: Annotated[bool, Field(description="Whether it works in direct messages.")] = True


def _as_nodes(value: object) -> object:
    """Read a list of classes, or a table of classes and the packs that provide them."""
    listed = as_tuple(value)
    if not isinstance(listed, tuple):
        return listed
    names = cast("tuple[object, ...]", listed)
    return dict.fromkeys(names, "") if all(isinstance(name, str) for name in names) else value


def _as_models(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return {source: as_tuple(patterns) for source, patterns in cast("Mapping[str, Any]", value).items()}


def _require_sources(table: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for source, patterns in table.items():
        if not _SOURCE.fullmatch(source):
            raise RefusedValueError(
                _("“{source}” must look like “CheckpointLoaderSimple.ckpt_name”.", source=shown(source))
            )
        if not patterns:
            raise RefusedValueError(_("“{source}” needs at least one pattern, such as “*flux*”.", source=shown(source)))
    return table


class Requires(Table):
    """What a ComfyUI server must have. The workflow is disabled while no server has all of it."""

    nodes: Annotated[
        dict[Address, str],
        BeforeValidator(_as_nodes, json_schema_input_type=list[str] | dict[str, str]),
        Field(description="Node classes: a list, or a table of classes and the node packs that provide them."),
    ] = Field(default_factory=dict[str, str])
    models: Annotated[
        dict[Address, tuple[Address, ...]],
        BeforeValidator(_as_models, json_schema_input_type=dict[str, str | list[str]]),
        AfterValidator(_require_sources),
        Field(description="“Class.input” = patterns such as “*flux*”; a model in its list must match one of them."),
    ] = Field(default_factory=dict[str, tuple[str, ...]])

    @property
    def is_empty(self) -> bool:
        """Whether any server qualifies."""
        return not self.nodes and not self.models


class Preset(Table):
    """Option values that members choose together under one name."""

    title: Annotated[str, Field(min_length=1, max_length=80, description="The name that members see.")]
    values: Annotated[
        dict[str, str | int | float | bool],
        Field(min_length=1, description="Option = value; a member's own values take precedence."),
    ]


class Action(Table):
    """A button under the result that runs another workflow with this result as its input."""

    label: Annotated[str, Field(min_length=1, max_length=80, description="The text of the button.")]
    workflow: Annotated[str, Field(min_length=1, max_length=32, description="The command to run.")]
    input: Annotated[
        str, Field(min_length=1, max_length=32, description="The option of that command that takes this result.")
    ]
    optional: Annotated[
        bool, Field(description="Without that command, leave the button out and don't report a problem.")
    ] = False
    keep: Annotated[Addresses, Field(description="Options whose values are passed on under the same name.")] = ()
    values: Annotated[
        dict[str, str | int | float | bool], Field(description="Values for other options of that command.")
    ] = Field(default_factory=dict[str, str | int | float | bool])
