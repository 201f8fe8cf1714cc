"""What every kind of option has: a description, a place among the others, and where its value goes."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

from bot.errors import InputError
from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.options.binds import Addresses, Bind, Binds
from bot.workflow.values import Allowed, Choice, Scalar
from bot.workflow.wording import listed, shown

MAX_LABEL = 100
"""Discord's limit for an entry of a fixed list."""
SOURCE_PATTERN = r"^.+\..+$"


def _as_choices(value: object) -> object:
    """Read `["a", "b"]` and `{ "Label" = "value" }` alike."""
    if isinstance(value, Mapping):
        return tuple(_choice(label, part) for label, part in cast("Mapping[object, object]", value).items())
    if isinstance(value, list):
        return tuple(_choice(part, part) for part in cast("list[object]", value))
    raise RefusedValueError(_("must be a list of values, or a table of labels with their values."))


def _choice(label: object, value: object) -> Choice:
    if not isinstance(value, Scalar):
        raise RefusedValueError(_("each choice must be text, a number or a truth value."))
    if not 1 <= len(str(label)) <= MAX_LABEL:
        raise RefusedValueError(
            _(
                "“{label}” must have 1 to {limit} characters; give it a short label.",
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
    """Kinds that are no numbers."""

    minimum: ClassVar[None] = None
    maximum: ClassVar[None] = None


class Unlisted:
    """Kinds that are not chosen from a list."""

    choices: ClassVar[tuple[Choice, ...]] = ()
    source: ClassVar[None] = None
    match: ClassVar[tuple[str, ...]] = ()


class NoText:
    """Kinds that are not typed as text."""

    max_length: ClassVar[None] = None


class OptionBase(BaseModel):
    """What every kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    changes: ClassVar[frozenset[str]] = frozenset()
    """The ways in which a `bind` may change values of this kind."""
    is_file: ClassVar[bool] = False
    """Whether members attach it."""
    is_hidden: ClassVar[bool] = False
    """Whether members never see it."""
    is_settled: ClassVar[bool] = False
    """Whether the server chooses from its own list when nobody else does."""

    description: Annotated[
        str, Field(min_length=1, max_length=100, description="What Discord shows beside the option.")
    ]
    required: Annotated[bool, Field(description="Whether the command cannot run without it.")] = False
    bindings: Annotated[Binds, Field(alias="bind", description="The inputs that its value goes to.")] = ()
    advanced: Annotated[bool, Field(description="Whether it is asked for in the form “Advanced” only.")] = False
    group: Annotated[str, Field(max_length=40, description="The heading under which forms show it.")] = ""
    order: Annotated[int, Field(ge=-1000, le=1000, description="Its place: smaller ones come first.")] = 0
    bypass: Annotated[
        Addresses, Field(description="Titles or “#id” of nodes that are bypassed when the option is empty or off.")
    ] = ()

    @property
    def bind(self) -> tuple[str, ...]:
        """The addresses of the inputs that it fills."""
        return tuple(each.to for each in self.bindings)

    @property
    def masks(self) -> str | None:
        """The option whose picture this one is the mask of."""
        return None

    def own_limits(self) -> Allowed:
        """Return what the author allows, before any server was asked."""
        return Allowed()

    def parse(self, name: str, value: object, allowed: Allowed | None = None) -> object:
        """Return what the graph gets for a raw value. Raises `InputError`, which names the option and what would do.

        Without `allowed`, the author's own limits hold.
        """
        try:
            return self.read(value, allowed or self.own_limits())
        except RefusedValueError as refusal:
            raise InputError(_("{option}: {reason}", option=name, reason=refusal.reason)) from refusal

    def read(self, value: object, allowed: Allowed) -> object:
        """Do what `parse` promises, but raise `RefusedValueError`, which does not name the option."""
        raise NotImplementedError

    def is_off(self, value: object) -> bool:
        """Whether a value (None: none at all) stands for nothing, so that nodes in `bypass` are left out."""
        return value is None or value is False

    def reported(self, value: object) -> object:
        """Return a used value as it is told to people, and written down: text, a number or a truth value."""
        return value

    def require_sense(self) -> None:
        """Raise `RefusedValueError` when the keys of this table contradict each other."""
        self.require_bind()
        for each in self.bindings:
            self._require_change(each)

    def require_bind(self) -> None:
        """Raise `RefusedValueError` when it leads nowhere, and that makes no sense."""
        if not self.bindings:
            raise RefusedValueError(_("is missing. Add it."), key="bind")

    def _require_change(self, bind: Bind) -> None:
        odd = bind.used - self.changes
        if odd:
            possible = listed(sorted(self.changes)) if self.changes else _("none")
            raise RefusedValueError(
                _("“{key}” is not for this kind. Possible are: {possible}.", key=min(odd), possible=possible),
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
