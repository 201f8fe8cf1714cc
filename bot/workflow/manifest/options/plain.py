"""Options whose value is one text, number, or true or false."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest import values
from bot.workflow.manifest.options.base import (
    NoText,
    OptionBase,
    Unbounded,
    Unlisted,
)
from bot.workflow.manifest.values import AllowedValues, Scalar

MAX_TEXT = 6000
"""Discord's limit for one text option."""

_ARITHMETIC = frozenset({"scale", "offset", "round"})


class TextOption(Unbounded, Unlisted, OptionBase):
    """Free text, such as a prompt."""

    changes: ClassVar[frozenset[str]] = frozenset({"template"})

    kind: Literal["text"]
    default: Annotated[str | None, Field(description="Default value.")] = None
    max_length: Annotated[int, Field(ge=1, le=MAX_TEXT, description="Maximum number of characters.")] = 2000

    def read(self, value: object, allowed: AllowedValues) -> str:
        text = values.read_text(value, self.max_length)
        if self.required and not text.strip():
            raise RefusedValueError(_("must not be empty."))
        return text

    def is_off(self, value: object) -> bool:
        return not isinstance(value, str) or not value.strip()


class _Bounded(Unlisted, NoText, OptionBase):
    changes: ClassVar[frozenset[str]] = _ARITHMETIC | {"template", "map"}

    def require_sense(self) -> None:
        super().require_sense()
        allowed = self.own_limits()
        if allowed.minimum is not None and allowed.maximum is not None and allowed.minimum > allowed.maximum:
            raise RefusedValueError(_("must not be greater than max."), key="min")

    def is_off(self, value: object) -> bool:
        return value is None or value == 0


class IntegerOption(_Bounded):
    """A whole number."""

    kind: Literal["integer"]
    default: Annotated[int | None, Field(description="Default value.")] = None
    minimum: Annotated[
        int | None,
        Field(alias="min", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The smallest value."),
    ] = None
    maximum: Annotated[
        int | None, Field(alias="max", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The largest value.")
    ] = None
    step: Annotated[int | None, Field(ge=1, description="Values must be multiples of it.")] = None

    def own_limits(self) -> AllowedValues:
        return AllowedValues(self.minimum, self.maximum)

    def read(self, value: object, allowed: AllowedValues) -> int:
        return values.read_integer(value, allowed, self.step)


class NumberOption(_Bounded):
    """A decimal number."""

    kind: Literal["number"]
    default: Annotated[float | None, Field(description="Default value.")] = None
    minimum: Annotated[
        float | None,
        Field(alias="min", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The smallest value."),
    ] = None
    maximum: Annotated[
        float | None, Field(alias="max", ge=-values.MAX_WHOLE, le=values.MAX_WHOLE, description="The largest value.")
    ] = None
    step: Annotated[float | None, Field(gt=0, description="Values must be multiples of it.")] = None

    def own_limits(self) -> AllowedValues:
        return AllowedValues(self.minimum, self.maximum)

    def read(self, value: object, allowed: AllowedValues) -> float:
        return values.read_number(value, allowed, self.step)


class BooleanOption(Unbounded, Unlisted, NoText, OptionBase):
    """True or false. With `bypass` it can work as a switch without `bind`."""

    changes: ClassVar[frozenset[str]] = frozenset({"map"})

    kind: Literal["boolean"]
    default: Annotated[bool | None, Field(description="Default value.")] = None

    def read(self, value: object, allowed: AllowedValues) -> bool:
        return values.read_boolean(value)

    def require_bind(self) -> None:
        if not self.bindings and not self.bypass:
            raise RefusedValueError(_("needs bind, or bypass if it only switches nodes on and off."))


class SeedOption(Unbounded, Unlisted, NoText, OptionBase):
    """A seed for repeatable results; random by default. Typed as text, because seeds exceed Discord's numbers."""

    changes: ClassVar[frozenset[str]] = frozenset({"offset"})

    kind: Literal["seed"]
    default: Annotated[int | str | None, Field(description="Default value, instead of a random one.")] = None

    def read(self, value: object, allowed: AllowedValues) -> int:
        return values.read_seed(value, allowed)

    def draw(self, source: values.RandomSource, allowed: AllowedValues) -> int:
        return source.randint(*values.seed_range(allowed))


class ConstantOption(Unbounded, Unlisted, NoText, OptionBase):
    """A fixed value that members never see, set without editing the exported graph."""

    is_hidden: ClassVar[bool] = True
    changes: ClassVar[frozenset[str]] = frozenset()
    default: ClassVar[None] = None

    kind: Literal["constant"]
    description: Annotated[str, Field(max_length=100, description="What it is for; not shown to members.")] = ""
    value: Annotated[str | int | float | bool, Field(description="The value to set.")]

    def read(self, value: object, allowed: AllowedValues) -> Scalar:
        if value != self.value:
            raise RefusedValueError(_("is fixed and can't be changed."))
        return self.value

    def require_sense(self) -> None:
        super().require_sense()
        if self.required or self.bypass or self.advanced:
            raise RefusedValueError(_("a constant can only have value and bind."))
