"""What all kinds of options share."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

from bot.errors import InputError
from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.options.binds import Addresses, Bind, Binds
from bot.workflow.manifest.values import AllowedValues, Choice, Scalar
from bot.workflow.text_format import listed, shown

MAX_LABEL = 100
"""Discord's limit for the label of a choice."""
SOURCE_PATTERN = r"^.+\..+$"


def _as_choices(value: object) -> object:
    """Read `["a", "b"]` and `{ "Label" = "value" }` alike."""
    if isinstance(value, Mapping):
        return tuple(_choice(label, part) for label, part in cast("Mapping[object, object]", value).items())
    if isinstance(value, list):
        return tuple(_choice(part, part) for part in cast("list[object]", value))
    raise RefusedValueError(_("must be a list of values, or a table of labels and values."))


def _choice(label: object, value: object) -> Choice:
    if not isinstance(value, Scalar):
        raise RefusedValueError(_("each choice must be text, a number, true or false."))
    if not 1 <= len(str(label)) <= MAX_LABEL:
        raise RefusedValueError(
            _(
                "“{label}” needs a label of 1 to {limit} characters.",
                label=shown(label),
                limit=MAX_LABEL,
            )
        )
    return Choice(str(label), value)


ChoiceList = Annotated[
    tuple[InstanceOf[Choice], ...],
    BeforeValidator(_as_choices, json_schema_input_type=list[Scalar] | dict[str, Scalar]),
]


class Unbounded:
    """Mixin for kinds that are not numbers."""

    minimum: ClassVar[None] = None
    maximum: ClassVar[None] = None


class Unlisted:
    """Mixin for kinds without a list of choices."""

    choices: ClassVar[tuple[Choice, ...]] = ()
    source: ClassVar[None] = None
    match: ClassVar[tuple[str, ...]] = ()


class NoText:
    """Mixin for kinds without a text length."""

    max_length: ClassVar[None] = None


class OptionBase(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    changes: ClassVar[frozenset[str]] = frozenset()
    """The keys of a `bind` table that can change values of this kind."""
    is_file: ClassVar[bool] = False
    """Whether members attach it."""
    is_hidden: ClassVar[bool] = False
    """Whether members never see it."""
    is_settled: ClassVar[bool] = False
    """Whether a server picks from its own list when the member leaves it open."""

    description: Annotated[str, Field(min_length=1, max_length=100, description="Shown by Discord beside the option.")]
    required: Annotated[bool, Field(description="Whether members must set it.")] = False
    bindings: Annotated[Binds, Field(alias="bind", description="The inputs that get its value.")] = ()
    advanced: Annotated[bool, Field(description="Whether it only appears in the form “Advanced”.")] = False
    group: Annotated[str, Field(max_length=40, description="Its heading in forms.")] = ""
    order: Annotated[int, Field(ge=-1000, le=1000, description="Its position: smaller numbers come first.")] = 0
    bypass: Annotated[
        Addresses, Field(description="Titles or “#id” of nodes to bypass when the option is empty or off.")
    ] = ()

    @property
    def bind(self) -> tuple[str, ...]:
        return tuple(each.to for each in self.bindings)

    @property
    def masks(self) -> str | None:
        """The name of the image option that this one is the mask of."""
        return None

    def own_limits(self) -> AllowedValues:
        """Return the author's limits, without those of any server."""
        return AllowedValues()

    def parse(self, name: str, value: object, allowed: AllowedValues | None = None) -> object:
        """Return the graph's value for a raw value; without `allowed`, within the author's limits.

        Raises `InputError`, which names the option and the accepted values.
        """
        try:
            return self.read(value, allowed or self.own_limits())
        except RefusedValueError as refusal:
            raise InputError(_("**{option}** {reason}", option=name, reason=refusal.reason)) from refusal

    def read(self, value: object, allowed: AllowedValues) -> object:
        """Do the same as `parse`, but raise `RefusedValueError`, which does not name the option."""
        raise NotImplementedError

    def is_off(self, value: object) -> bool:
        """Whether a value (None: no value) means empty or off, so that the nodes in `bypass` are bypassed."""
        return value is None or value is False

    def reported(self, value: object) -> object:
        """Return a used value for display and storage: text, a number, true or false."""
        return value

    def require_sense(self) -> None:
        """Raise `RefusedValueError` if keys of this table contradict each other."""
        self.require_bind()
        for each in self.bindings:
            self._require_change(each)

    def require_bind(self) -> None:
        """Raise `RefusedValueError` if `bind` is missing but needed, or the other way round."""
        if not self.bindings:
            raise RefusedValueError(_("is missing. Add it."), key="bind")

    def _require_change(self, bind: Bind) -> None:
        odd = bind.used - self.changes
        if odd:
            possible = listed(sorted(self.changes)) if self.changes else _("none")
            raise RefusedValueError(
                _("this kind of option can't have “{key}”. Allowed: {possible}.", key=min(odd), possible=possible),
                key="bind",
            )

    @model_validator(mode="after")
    def _must_make_sense(self) -> Self:
        self.require_sense()
        default: object = getattr(self, "default", None)
        if default is not None:
            try:
                self.read(default, self.own_limits())
            except RefusedValueError as refusal:
                raise RefusedValueError(refusal.reason, key="default") from refusal
        return self
