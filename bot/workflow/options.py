"""The options of a workflow: what members may set, and which values will do.

Each kind is one pydantic model that reads an `[options.<name>]` table of a manifest. Pure: what servers take comes in
as `Allowed`. Knows nothing of where values go, nor of Discord beyond its size limits.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

from bot.errors import InputError
from bot.i18n import _
from bot.workflow import values
from bot.workflow.errors import RefusedValueError
from bot.workflow.execution import InputFile
from bot.workflow.values import Allowed, Choice, Scalar
from bot.workflow.wording import shown

MAX_TEXT = 6000
"""Discord's limit for one text option."""

MAX_CHOICES = 25
MAX_LABEL = 100
"""Discord's limits for the fixed list of an option."""


def _as_tuple(value: object) -> object:
    """Let one text stand for a list of one, and a TOML array for a tuple."""
    if isinstance(value, str):
        return (value,)
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value


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


Address = Annotated[str, Field(min_length=1, max_length=300)]
Bind = Annotated[tuple[Address, ...], BeforeValidator(_as_tuple)]
ChoiceList = Annotated[tuple[InstanceOf[Choice], ...], BeforeValidator(_as_choices)]

SOURCE_PATTERN = r"^.+\..+$"


class _Unbounded:
    """Kinds that are no numbers."""

    minimum: ClassVar[None] = None
    maximum: ClassVar[None] = None


class _Unlisted:
    """Kinds that are not chosen from a list."""

    choices: ClassVar[tuple[Choice, ...]] = ()
    source: ClassVar[None] = None


class _NoText:
    """Kinds that are not typed as text."""

    max_length: ClassVar[None] = None


class OptionBase(BaseModel):
    """What every kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    description: Annotated[str, Field(min_length=1, max_length=100)]
    required: bool = False
    bind: Annotated[Bind, Field(min_length=1)]

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

    def require_sense(self) -> None:
        """Raise `RefusedValueError` when the keys of this table contradict each other."""

    @model_validator(mode="after")
    def _must_make_sense(self) -> Self:
        self.require_sense()
        default: object = getattr(self, "default", None)
        if default is not None:
            try:
                self.read(default, self.own_limits())
            except RefusedValueError as refusal:
                raise RefusedValueError(_("default: {reason}", reason=refusal.reason)) from refusal
        return self


class TextOption(_Unbounded, _Unlisted, OptionBase):
    """What a member writes: a prompt, mostly."""

    kind: Literal["text"]
    default: str | None = None
    max_length: Annotated[int, Field(ge=1, le=MAX_TEXT)] = 2000

    def read(self, value: object, allowed: Allowed) -> str:
        """See `OptionBase.read`."""
        text = values.read_text(value, self.max_length)
        if self.required and not text.strip():
            raise RefusedValueError(_("must not be empty."))
        return text


class _Bounded(_Unlisted, _NoText, OptionBase):
    """What both kinds of numbers share."""

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        allowed = self.own_limits()
        if allowed.minimum is not None and allowed.maximum is not None and allowed.minimum > allowed.maximum:
            raise RefusedValueError(_("min: must not be greater than max."))


class IntegerOption(_Bounded):
    """A whole number."""

    kind: Literal["integer"]
    default: int | None = None
    minimum: Annotated[int | None, Field(alias="min", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE)] = None
    maximum: Annotated[int | None, Field(alias="max", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE)] = None
    step: Annotated[int, Field(ge=1)] | None = None

    def own_limits(self) -> Allowed:
        """See `OptionBase.own_limits`."""
        return Allowed(self.minimum, self.maximum)

    def read(self, value: object, allowed: Allowed) -> int:
        """See `OptionBase.read`."""
        return values.read_integer(value, allowed, self.step)


class NumberOption(_Bounded):
    """A number with a fraction."""

    kind: Literal["number"]
    default: float | None = None
    minimum: Annotated[float | None, Field(alias="min", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE)] = None
    maximum: Annotated[float | None, Field(alias="max", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE)] = None
    step: Annotated[float, Field(gt=0)] | None = None

    def own_limits(self) -> Allowed:
        """See `OptionBase.own_limits`."""
        return Allowed(self.minimum, self.maximum)

    def read(self, value: object, allowed: Allowed) -> float:
        """See `OptionBase.read`."""
        return values.read_number(value, allowed, self.step)


class BooleanOption(_Unbounded, _Unlisted, _NoText, OptionBase):
    """Yes or no."""

    kind: Literal["boolean"]
    default: bool | None = None

    def read(self, value: object, allowed: Allowed) -> bool:
        """See `OptionBase.read`."""
        return values.read_boolean(value)


class SeedOption(_Unbounded, _Unlisted, _NoText, OptionBase):
    """Where chance begins. Comes as text, because seeds are longer than Discord's numbers; empty means random."""

    kind: Literal["seed"]
    default: int | str | None = None

    def read(self, value: object, allowed: Allowed) -> int:
        """See `OptionBase.read`."""
        return values.read_seed(value, allowed)

    def draw(self, source: values.RandomSource, allowed: Allowed) -> int:
        """Return a random seed that the servers take."""
        return source.randint(*values.seed_range(allowed))


class ChoiceOption(_Unbounded, _NoText, OptionBase):
    """One of a list: the author's own, or (`from`) what the servers offer for an input."""

    kind: Literal["choice"]
    default: Scalar | None = None
    choices: ChoiceList = ()
    source: Annotated[str | None, Field(alias="from", pattern=SOURCE_PATTERN)] = None
    """ "Class.input", whose live list is offered."""

    def read(self, value: object, allowed: Allowed) -> Scalar:
        """See `OptionBase.read`."""
        return values.read_live(value, allowed) if self.source else values.read_choice(value, self.choices)

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        if bool(self.choices) == (self.source is not None):
            raise RefusedValueError(_("give either choices (a list) or from (“Class.input”, a live list)."))
        if len(self.choices) > MAX_CHOICES:
            raise RefusedValueError(_("choices: Discord shows {limit} at most.", limit=MAX_CHOICES))
        if len({choice.label for choice in self.choices}) < len(self.choices):
            raise RefusedValueError(_("choices: each may be there only once."))


class ModelOption(_Unbounded, _NoText, OptionBase):
    """A model file, from the live list of a loader. Empty means the graph's own, or the first one there is."""

    kind: Literal["model"]
    default: str | None = None
    source: Annotated[str, Field(alias="from", pattern=SOURCE_PATTERN)]
    """ "Class.input", whose live list is offered."""

    choices: ClassVar[tuple[Choice, ...]] = ()

    def read(self, value: object, allowed: Allowed) -> str:
        """See `OptionBase.read`."""
        return values.read_live(value, allowed)


class ImageOption(_Unbounded, _Unlisted, _NoText, OptionBase):
    """A picture. It is stored on the server first, and the graph gets the name that the server gave it."""

    kind: Literal["image"]
    default: ClassVar[None] = None
    bind: Bind = ()
    fit: Address | None = None
    """The input that takes a factor of at most 1, by which the picture is scaled to `max_megapixels`."""
    max_megapixels: Annotated[float, Field(gt=0, le=64)] | None = None
    """In units of 1024 × 1024 pixels, as ComfyUI counts."""
    needs_mask: bool = False
    """Whether the transparent areas of the picture say what is painted."""
    mask_of: str | None = None
    """This picture is no picture of its own: its white areas become transparent in that of the option named here."""

    def read(self, value: object, allowed: Allowed) -> InputFile:
        """See `OptionBase.read`."""
        if not isinstance(value, InputFile):
            raise RefusedValueError(_("must be a picture."))
        return value

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        if (self.mask_of is None) == (not self.bind):
            raise RefusedValueError(_("give bind, or mask_of for a picture that is the mask of another."))
        if (self.fit is None) != (self.max_megapixels is None):
            raise RefusedValueError(_("fit and max_megapixels belong together."))
        if self.mask_of is not None and (self.fit is not None or self.needs_mask):
            raise RefusedValueError(_("a mask needs neither fit nor needs_mask; they belong to its picture."))

    def fit_factor(self, file: InputFile) -> float:
        """Return by how much the picture must be scaled to hold no more than `max_megapixels`; never more than 1."""
        pixels = max(1, file.width * file.height)
        most = (self.max_megapixels or 1.0) * 1024 * 1024
        return min(1.0, round((most / pixels) ** 0.5, 6))


Option = Annotated[
    TextOption | IntegerOption | NumberOption | BooleanOption | SeedOption | ChoiceOption | ModelOption | ImageOption,
    Field(discriminator="kind"),
]

KINDS: Mapping[str, type[OptionBase]] = {
    "text": TextOption,
    "integer": IntegerOption,
    "number": NumberOption,
    "boolean": BooleanOption,
    "seed": SeedOption,
    "choice": ChoiceOption,
    "model": ModelOption,
    "image": ImageOption,
}
