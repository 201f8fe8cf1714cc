"""Options with a list of choices: the author's, or what the servers offer."""

from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest import values
from bot.workflow.manifest.loras import Lora, read_loras, written
from bot.workflow.manifest.options.base import (
    SOURCE_PATTERN,
    ChoiceList,
    NoText,
    OptionBase,
    Unbounded,
)
from bot.workflow.manifest.options.binds import Addresses
from bot.workflow.manifest.sizes import Size, read_size
from bot.workflow.manifest.values import AllowedValues, Choice, Scalar
from bot.workflow.patterns import matching

MAX_CHOICES = 25
"""Discord's limit for the choices of an option."""
SUGGESTED_SIDES = (1.0, 1.5, 2.0)

Source = Annotated[
    str, Field(alias="from", pattern=SOURCE_PATTERN, description="“Class.input” whose live list is offered.")
]
Match = Annotated[
    Addresses,
    Field(description="Patterns such as “*flux*”: only names that match one of them are offered and accepted."),
]


def require_choices(choices: tuple[Choice, ...]) -> None:
    """Raise `RefusedValueError` for a list that Discord does not accept."""
    if len(choices) > MAX_CHOICES:
        raise RefusedValueError(_("choices: at most {limit} are allowed (Discord's limit).", limit=MAX_CHOICES))
    if len({choice.label for choice in choices}) < len(choices):
        raise RefusedValueError(_("choices: each label must be unique."))


class ChoiceOption(Unbounded, NoText, OptionBase):
    """One value from a list: the author's own, or (`from`) the servers' list for an input."""

    changes: ClassVar[frozenset[str]] = frozenset({"map", "template", "scale", "offset", "round"})
    match: ClassVar[tuple[str, ...]] = ()
    is_settled: ClassVar[bool] = True

    kind: Literal["choice"]
    default: Annotated[Scalar | None, Field(description="Default value.")] = None
    choices: Annotated[ChoiceList, Field(description="Up to 25 values, or a table of labels and values.")] = ()
    source: Annotated[
        str | None,
        Field(alias="from", pattern=SOURCE_PATTERN, description="“Class.input” whose live list is offered."),
    ] = None

    def read(self, value: object, allowed: AllowedValues) -> Scalar:
        return values.read_live(value, allowed) if self.source else values.read_choice(value, self.choices)

    def require_sense(self) -> None:
        super().require_sense()
        if bool(self.choices) == (self.source is not None):
            raise RefusedValueError(
                _("needs either choices (a fixed list) or from (“Class.input”, a live list), not both.")
            )
        require_choices(self.choices)

    def is_off(self, value: object) -> bool:
        return value is None or value is False or (isinstance(value, str) and value.casefold() in ("", "none", "off"))


class ModelOption(Unbounded, NoText, OptionBase):
    """A model file from the live list of a loader. Default: the graph's own model, or else the server's first."""

    is_settled: ClassVar[bool] = True
    choices: ClassVar[tuple[Choice, ...]] = ()

    kind: Literal["model"]
    default: Annotated[str | None, Field(description="Default value, if a server has it.")] = None
    source: Source
    match: Match = ()

    def own_limits(self) -> AllowedValues:
        return AllowedValues()

    def read(self, value: object, allowed: AllowedValues) -> str:
        name = values.read_live(value, allowed)
        if self.match and not matching((name,), self.match):
            raise RefusedValueError(
                _(
                    "can't be “{name}”. This command accepts: {patterns}.",
                    name=name,
                    patterns=", ".join(self.match),
                )
            )
        return name


class LorasOption(Unbounded, OptionBase):
    """LoRAs with strengths, such as "detail:0.8, style". `bind` names one LoRA loader of the graph.

    Without LoRAs the loader is bypassed; for several it is repeated in a chain.
    """

    choices: ClassVar[tuple[Choice, ...]] = ()
    max_length: ClassVar[int] = 1000

    kind: Literal["loras"]
    default: Annotated[str | None, Field(description="Default value, such as “detail:0.8”.")] = None
    source: Source = "LoraLoader.lora_name"
    match: Match = ()
    most: Annotated[int, Field(alias="max", ge=1, le=20, description="How many LoRAs a member can name.")] = 5

    def read(self, value: object, allowed: AllowedValues) -> tuple[Lora, ...]:
        return read_loras(value, allowed, self.most, self.match)

    def is_off(self, value: object) -> bool:
        return not value

    def reported(self, value: object) -> object:
        return written(cast("tuple[Lora, ...]", value)) if isinstance(value, tuple) else value

    def require_bind(self) -> None:
        if len(self.bindings) != 1:
            raise RefusedValueError(_("must be the title or “#id” of one node that loads a LoRA."), key="bind")


class SizeOption(Unbounded, OptionBase):
    """Width and height as one text, such as "1024x768". Members can pick one of the choices or type another size."""

    changes: ClassVar[frozenset[str]] = frozenset({"part", "scale", "offset", "round"})
    source: ClassVar[None] = None
    match: ClassVar[tuple[str, ...]] = ()
    max_length: ClassVar[int] = 40

    kind: Literal["size"]
    default: Annotated[str | None, Field(description="Default value, such as “1024x768”.")] = None
    choices: Annotated[ChoiceList, Field(description="Suggested sizes, or a table of labels and sizes.")] = ()
    least: Annotated[int, Field(alias="min", ge=1, le=100_000, description="Minimum pixels per side.")] = 64
    most: Annotated[int, Field(alias="max", ge=1, le=100_000, description="Maximum pixels per side.")] = 2048
    step: Annotated[int, Field(ge=1, le=1024, description="Sides must be multiples of it.")] = 8
    megapixels: Annotated[
        float, Field(gt=0, le=64, description="Size for a ratio such as 3:2, in units of 1024 × 1024 pixels.")
    ] = 1.0

    def own_limits(self) -> AllowedValues:
        return AllowedValues(self.least, self.most)

    def read(self, value: object, allowed: AllowedValues) -> Size:
        if isinstance(value, str):
            labels = {choice.label.casefold(): choice.value for choice in self.choices}
            value = labels.get(value.strip().casefold(), value)
        return read_size(value, allowed, self.step, self.megapixels)

    def reported(self, value: object) -> object:
        return str(value)

    def require_sense(self) -> None:
        super().require_sense()
        if self.least > self.most:
            raise RefusedValueError(_("must not be greater than max."), key="min")
        if any(each.part is None for each in self.bindings):
            raise RefusedValueError(
                _(
                    "must say which side goes where: {example}.",
                    example='bind = { width = "Canvas.width", height = "Canvas.height" }',
                ),
                key="bind",
            )
        require_choices(self.choices)
        for choice in self.choices:
            try:
                self.read(choice.value, self.own_limits())
            except RefusedValueError as refusal:
                raise RefusedValueError(
                    _("choices: “{label}” {reason}", label=choice.label, reason=refusal.reason)
                ) from refusal
