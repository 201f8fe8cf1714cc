"""How the value of an option reaches an input: as it is, or changed a little on the way.

Pure. Where an address leads is `bot.workflow.binding`'s to say.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.sizes import Size
from bot.workflow.values import Number, Scalar
from bot.workflow.wording import listed, shown

PLACEHOLDER = "{value}"

Address = Annotated[str, Field(min_length=1, max_length=300)]


class Bind(BaseModel):
    """One input that an option fills, and what its value becomes on the way."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    to: Annotated[Address, Field(description="“Node title.input” or “#id.input”.")]
    part: Annotated[Literal["width", "height"] | None, Field(description="Which side of a size goes there.")] = None
    scale: Annotated[float | None, Field(description="What a number is multiplied by.")] = None
    offset: Annotated[float | None, Field(description="What is added to a number, after it was multiplied.")] = None
    round: Annotated[bool, Field(description="Whether a number is rounded to a whole one.")] = False
    map: Annotated[
        dict[str, str | int | float | bool] | None,
        Field(description="What goes there for each value; the values of a choice, or true and false."),
    ] = None
    template: Annotated[
        str | None, Field(max_length=2000, description="A text around the value, which stands there as {value}.")
    ] = None

    @property
    def is_plain(self) -> bool:
        """Whether the value arrives as it is."""
        return not self.used

    @property
    def used(self) -> frozenset[str]:
        """The ways in which the value is changed."""
        ways = {"part", "scale", "offset", "map", "template"}
        return frozenset({way for way in ways if getattr(self, way) is not None} | ({"round"} if self.round else set()))

    def apply(self, value: object) -> object:
        """Return what the input gets. Raises `RefusedValueError` for a value that the map does not know."""
        if self.part is not None and isinstance(value, Size):
            value = value.width if self.part == "width" else value.height
        if self.map is not None:
            value = self._mapped(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = self._computed(value)
        if self.template is not None:
            value = self.template.replace(PLACEHOLDER, str(value))
        return value

    def _mapped(self, value: object) -> Scalar:
        table = self.map or {}
        key = str(value).lower() if isinstance(value, bool) else str(value)
        if key not in table:
            raise RefusedValueError(
                _("“{value}” is not in the map, which has: {keys}.", value=shown(key), keys=listed(table))
            )
        return table[key]

    def _computed(self, value: Number) -> Number:
        if self.scale is None and self.offset is None and not self.round:
            return value
        result = value * (1.0 if self.scale is None else self.scale) + (self.offset or 0.0)
        stays_whole = isinstance(value, int) and result.is_integer()
        return round(result) if self.round or stays_whole else round(result, 6)


def _as_binds(value: object) -> object:
    """Read one address, one table, a list of both, and `{ width = "…", height = "…" }`."""
    if isinstance(value, str):
        return ({"to": value},)
    if isinstance(value, Mapping):
        table = cast("Mapping[str, Any]", value)
        if table.keys() and table.keys() <= {"width", "height"}:
            return tuple({"to": address, "part": part} for part, address in table.items())
        return (table,)
    if isinstance(value, list | tuple):
        entries = cast("list[object] | tuple[object, ...]", value)
        return tuple({"to": entry} if isinstance(entry, str) else entry for entry in entries)
    return value


Sides = Annotated[dict[Literal["width", "height"], str], Field(description="The inputs of both sides of a size.")]
Binds = Annotated[
    tuple[Bind, ...], BeforeValidator(_as_binds, json_schema_input_type=str | Bind | Sides | list[str | Bind])
]


def as_tuple(value: object) -> object:
    """Let one text stand for a list of one, and a TOML array for a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


Addresses = Annotated[tuple[Address, ...], BeforeValidator(as_tuple, json_schema_input_type=str | list[str])]
"""One text, or a list of texts."""
