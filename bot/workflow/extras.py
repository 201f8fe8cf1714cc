"""What a manifest says beside its options: who may use it, what it needs, presets, next steps, what it shows.

Checks each table alone; whether the names in it exist is `bot.workflow.manifest`'s to say, or the catalogue's.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.options.base import SOURCE_PATTERN
from bot.workflow.options.binds import Address, Addresses, as_tuple
from bot.workflow.wording import shown

MAX_ACTIONS = 4
"""Buttons under a result: Discord shows five in a row, and one is ours."""
MAX_PRESETS = 25

_SOURCE = re.compile(SOURCE_PATTERN)


class Table(BaseModel):
    """One table of a manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class OutputKind(StrEnum):
    """What a node shows."""

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
    """A node whose results are shown, and as what."""

    node: Annotated[Address, Field(description="The title of the node, or “#id”.")]
    kind: Annotated[
        OutputKind | None,
        BeforeValidator(_as_kind, json_schema_input_type=OutputKind | None),
        Field(description="Show only its results of this kind."),
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
    """Who may use the workflow, and where. Empty: everybody, everywhere."""

    roles: Annotated[Addresses, Field(description="Names or ids of roles; one of them will do.")] = ()
    channels: Annotated[Addresses, Field(description="Names or ids of channels or categories where it works.")] = ()
    age_restricted: Annotated[bool, Field(description="Only in channels that Discord marks as age-restricted.")] = False
    direct_messages: Annotated[bool, Field(description="Whether it works in direct messages.")] = True


def _as_nodes(value: object) -> object:
    """Read a list of classes, or a table of classes with the packs that bring them."""
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
            raise RefusedValueError(_("“{source}” must name a pattern, such as “*flux*”.", source=shown(source)))
    return table


class Requires(Table):
    """What one server must have. Where none has it, the workflow is switched off, and its reason told."""

    nodes: Annotated[
        dict[Address, str],
        BeforeValidator(_as_nodes, json_schema_input_type=list[str] | dict[str, str]),
        Field(description="Node classes: a list, or a table with the names of the packs that bring them."),
    ] = Field(default_factory=dict[str, str])
    models: Annotated[
        dict[Address, tuple[Address, ...]],
        BeforeValidator(_as_models, json_schema_input_type=dict[str, str | list[str]]),
        AfterValidator(_require_sources),
        Field(description="“Class.input” = patterns such as “*flux*”, one of which a model in its list must fit."),
    ] = Field(default_factory=dict[str, tuple[str, ...]])

    @property
    def is_empty(self) -> bool:
        """Whether any server will do."""
        return not self.nodes and not self.models


class Preset(Table):
    """Values that belong together, under one name."""

    title: Annotated[str, Field(min_length=1, max_length=80, description="What members read in the list.")]
    values: Annotated[
        dict[str, str | int | float | bool],
        Field(min_length=1, description="Option = value; used where a member says nothing else."),
    ]


class Action(Table):
    """A next step: another workflow, with this result as its input."""

    label: Annotated[str, Field(min_length=1, max_length=80, description="What the button says.")]
    workflow: Annotated[str, Field(min_length=1, max_length=32, description="The command that is run.")]
    input: Annotated[str, Field(min_length=1, max_length=32, description="Its option that takes this result.")]
    optional: Annotated[
        bool, Field(description="Say nothing when that command is not there; there is no button then.")
    ] = False
    keep: Annotated[Addresses, Field(description="Options whose values are handed on under the same name.")] = ()
    values: Annotated[
        dict[str, str | int | float | bool], Field(description="Values of further options of that command.")
    ] = Field(default_factory=dict[str, str | int | float | bool])
