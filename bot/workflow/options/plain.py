"""Options whose value is one text, number or truth value that a member gives."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bot.i18n import _
from bot.workflow import values
from bot.workflow.errors import RefusedValueError
from bot.workflow.options.base import NoText, OptionBase, Unbounded, Unlisted
from bot.workflow.values import Allowed, Scalar

MAX_TEXT = 6000
"""Discord's limit for one text option."""

_ARITHMETIC = frozenset({"scale", "offset", "round"})


class TextOption(Unbounded, Unlisted, OptionBase):
    """What a member writes: a prompt, mostly."""

    changes: ClassVar[frozenset[str]] = frozenset({"template"})

    kind: Literal["text"]
    default: Annotated[str | None, Field(description="Used when a member says nothing.")] = None
    max_length: Annotated[int, Field(ge=1, le=MAX_TEXT, description="Characters that a member may write.")] = 2000

    def read(self, value: object, allowed: Allowed) -> str:
        """See `OptionBase.read`."""
        text = values.read_text(value, self.max_length)
        if self.required and not text.strip():
            raise RefusedValueError(_("must not be empty."))
        return text

    def is_off(self, value: object) -> bool:
        """See `OptionBase.is_off`."""
        return not isinstance(value, str) or not value.strip()


class _Bounded(Unlisted, NoText, OptionBase):
    """What both kinds of numbers share."""

    changes: ClassVar[frozenset[str]] = _ARITHMETIC | {"template", "map"}

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        super().require_sense()
        allowed = self.own_limits()
        if allowed.minimum is not None and allowed.maximum is not None and allowed.minimum > allowed.maximum:
            raise RefusedValueError(_("must not be greater than max."), key="min")

    def is_off(self, value: object) -> bool:
        """See `OptionBase.is_off`."""
        return value is None or value == 0


class IntegerOption(_Bounded):
    """A whole number."""

    kind: Literal["integer"]
    default: Annotated[int | None, Field(description="Used when a member says nothing.")] = None
    minimum: Annotated[
        int | None,
        Field(alias="min", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The smallest value."),
    ] = None
    maximum: Annotated[
        int | None, Field(alias="max", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The largest value.")
    ] = None
    step: Annotated[int | None, Field(ge=1, description="Values are multiples of it.")] = None

    def own_limits(self) -> Allowed:
        """See `OptionBase.own_limits`."""
        return Allowed(self.minimum, self.maximum)

    def read(self, value: object, allowed: Allowed) -> int:
        """See `OptionBase.read`."""
        return values.read_integer(value, allowed, self.step)


class NumberOption(_Bounded):
    """A number with a fraction."""

    kind: Literal["number"]
    default: Annotated[float | None, Field(description="Used when a member says nothing.")] = None
    minimum: Annotated[
        float | None,
        Field(alias="min", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The smallest value."),
    ] = None
    maximum: Annotated[
        float | None, Field(alias="max", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The largest value.")
    ] = None
    step: Annotated[float | None, Field(gt=0, description="Values are multiples of it.")] = None

    def own_limits(self) -> Allowed:
        """See `OptionBase.own_limits`."""
        return Allowed(self.minimum, self.maximum)

    def read(self, value: object, allowed: Allowed) -> float:
        """See `OptionBase.read`."""
        return values.read_number(value, allowed, self.step)


class BooleanOption(Unbounded, Unlisted, NoText, OptionBase):
    """Yes or no. With `bypass` it may be a mere switch, without `bind`."""

    changes: ClassVar[frozenset[str]] = frozenset({"map"})

    kind: Literal["boolean"]
    default: Annotated[bool | None, Field(description="Used when a member says nothing.")] = None

    def read(self, value: object, allowed: Allowed) -> bool:
        """See `OptionBase.read`."""
        return values.read_boolean(value)

    def require_bind(self) -> None:
        """See `OptionBase.require_bind`."""
        if not self.bindings and not self.bypass:
            raise RefusedValueError(_("give bind, or bypass for a switch of nodes."))


class SeedOption(Unbounded, Unlisted, NoText, OptionBase):
    """Where chance begins. Comes as text, because seeds are longer than Discord's numbers; empty means random."""

    changes: ClassVar[frozenset[str]] = frozenset({"offset"})

    kind: Literal["seed"]
    default: Annotated[int | str | None, Field(description="Used when a member says nothing, instead of chance.")] = (
        None
    )

    def read(self, value: object, allowed: Allowed) -> int:
        """See `OptionBase.read`."""
        return values.read_seed(value, allowed)

    def draw(self, source: values.RandomSource, allowed: Allowed) -> int:
        """Return a random seed that the servers take."""
        return source.randint(*values.seed_range(allowed))


class ConstantOption(Unbounded, Unlisted, NoText, OptionBase):
    """A value that is always set, and that nobody sees: it keeps the export untouched."""

    is_hidden: ClassVar[bool] = True
    changes: ClassVar[frozenset[str]] = frozenset()
    default: ClassVar[None] = None

    kind: Literal["constant"]
    description: Annotated[str, Field(max_length=100, description="What it is for; nobody sees it.")] = ""
    value: Annotated[str | int | float | bool, Field(description="What is set.")]

    def read(self, value: object, allowed: Allowed) -> Scalar:
        """See `OptionBase.read`: nobody may give another value."""
        if value != self.value:
            raise RefusedValueError(_("is fixed and cannot be given."))
        return self.value

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        super().require_sense()
        if self.required or self.bypass or self.advanced:
            raise RefusedValueError(_("a constant takes value and bind only."))
