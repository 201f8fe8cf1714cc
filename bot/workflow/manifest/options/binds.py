"""How the value of an option reaches an input: unchanged, scaled, mapped or inside a template.

Pure; `bot.workflow.manifest.binding` resolves the addresses.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.sizes import Size
from bot.workflow.manifest.values import Number, Scalar
from bot.workflow.text_format import listed, shown

PLACEHOLDER = "{value}"

Address = Annotated[str, Field(min_length=1, max_length=300)]


class Bind(BaseModel):
    """One input that an option fills, and how its value is changed first."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    to: Annotated[Address, Field(description="“Node title.input” or “#id.input”.")]
    part: Annotated[Literal["width", "height"] | None, Field(description="Which side of a size the input gets.")] = None
    scale: Annotated[float | None, Field(description="Factor for a number.")] = None
    offset: Annotated[float | None, Field(description="Added to a number after scaling.")] = None
    round: Annotated[bool, Field(description="Whether to round to a whole number.")] = False
    map: Annotated[
        dict[str, str | int | float | bool] | None,
        Field(description="What the input gets for each value of a choice, or for true and false."),
    ] = None
    template: Annotated[
        str | None, Field(max_length=2000, description="A text in which {value} is replaced by the value.")
    ] = None

    @property
    def is_plain(self) -> bool:
        """Whether the input gets the value unchanged."""
        return not self.used

    @property
    def used(self) -> frozenset[str]:
        """The keys that change the value."""
        ways = {"part", "scale", "offset", "map", "template"}
        return frozenset({way for way in ways if getattr(self, way) is not None} | ({"round"} if self.round else set()))

    def apply(self, value: object) -> object:
        """Return what the input gets. Raises `RefusedValueError` for a value that `map` does not have."""
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
                _("can't be “{value}” here. Choose one of: {keys}.", value=shown(key), keys=listed(table))
            )
        return table[key]

    def _computed(self, value: Number) -> Number:
        if self.scale is None and self.offset is None and not self.round:
            return value
        result = value * (1.0 if self.scale is None else self.scale) + (self.offset or 0.0)
        stays_whole = isinstance(value, int) and result.is_integer()
        return round(result) if self.round or stays_whole else round(result, 6)


def _as_binds(value: object) -> object:
    """Read an address, a table, a list of both, or `{ width = "…", height = "…" }`."""
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


Sides = Annotated[dict[Literal["width", "height"], str], Field(description="The inputs for the two sides of a size.")]
Binds = Annotated[
    tuple[Bind, ...], BeforeValidator(_as_binds, json_schema_input_type=str | Bind | Sides | list[str | Bind])
]


def as_tuple(value: object) -> object:
    """Accept one text as a list of one, and a TOML array as a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


Addresses = Annotated[tuple[Address, ...], BeforeValidator(as_tuple, json_schema_input_type=str | list[str])]
