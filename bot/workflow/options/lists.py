"""Options that are chosen from a list: the author's, or what the servers have."""

from typing import Annotated, ClassVar, Literal, cast

from pydantic import Field

from bot.i18n import _
from bot.workflow import values
from bot.workflow.errors import RefusedValueError
from bot.workflow.loras import Lora, read_loras, written
from bot.workflow.options.base import SOURCE_PATTERN, ChoiceList, NoText, OptionBase, Unbounded
from bot.workflow.options.binds import Addresses
from bot.workflow.patterns import matching
from bot.workflow.sizes import Size, read_size
from bot.workflow.values import Allowed, Choice, Scalar

MAX_CHOICES = 25
"""Discord's limit for the fixed list of an option."""
SUGGESTED_SIDES = (1.0, 1.5, 2.0)

Source = Annotated[
    str, Field(alias="from", pattern=SOURCE_PATTERN, description="“Class.input”, whose live list is offered.")
]
Match = Annotated[
    Addresses,
    Field(description="Patterns such as “*flux*”: only names that fit one of them are offered and accepted."),
]


def require_choices(choices: tuple[Choice, ...]) -> None:
    """Raise `RefusedValueError` for a list that Discord does not take."""
    if len(choices) > MAX_CHOICES:
        raise RefusedValueError(_("choices: Discord shows {limit} at most.", limit=MAX_CHOICES))
    if len({choice.label for choice in choices}) < len(choices):
        raise RefusedValueError(_("choices: each may be there only once."))


class ChoiceOption(Unbounded, NoText, OptionBase):
    """One of a list: the author's own, or (`from`) what the servers offer for an input."""

    changes: ClassVar[frozenset[str]] = frozenset({"map", "template", "scale", "offset", "round"})
    match: ClassVar[tuple[str, ...]] = ()
    is_settled: ClassVar[bool] = True

    kind: Literal["choice"]
    default: Annotated[Scalar | None, Field(description="Used when a member says nothing.")] = None
    choices: Annotated[
        ChoiceList, Field(description="The values, or a table of labels with their values; 25 at most.")
    ] = ()
    source: Annotated[
        str | None,
        Field(alias="from", pattern=SOURCE_PATTERN, description="“Class.input”, whose live list is offered."),
    ] = None

    def read(self, value: object, allowed: Allowed) -> Scalar:
        """See `OptionBase.read`."""
        return values.read_live(value, allowed) if self.source else values.read_choice(value, self.choices)

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        super().require_sense()
        if bool(self.choices) == (self.source is not None):
            raise RefusedValueError(_("give either choices (a list) or from (“Class.input”, a live list)."))
        require_choices(self.choices)

    def is_off(self, value: object) -> bool:
        """See `OptionBase.is_off`."""
        return value is None or value is False or (isinstance(value, str) and value.casefold() in ("", "none", "off"))


class ModelOption(Unbounded, NoText, OptionBase):
    """A model file, from the live list of a loader. Empty means the graph's own, or the first one there is."""

    is_settled: ClassVar[bool] = True
    choices: ClassVar[tuple[Choice, ...]] = ()

    kind: Literal["model"]
    default: Annotated[str | None, Field(description="Used when a member says nothing and a server has it.")] = None
    source: Source
    match: Match = ()

    def own_limits(self) -> Allowed:
        """See `OptionBase.own_limits`."""
        return Allowed()

    def read(self, value: object, allowed: Allowed) -> str:
        """See `OptionBase.read`."""
        name = values.read_live(value, allowed)
        if self.match and not matching((name,), self.match):
            raise RefusedValueError(
                _(
                    "“{name}” is none of those that this command takes: {patterns}.",
                    name=name,
                    patterns=", ".join(self.match),
                )
            )
        return name


class LorasOption(Unbounded, OptionBase):
    """Any number of LoRAs with their strengths, as "detail:0.8, style". `bind` names one loader of the graph.

    None bypasses the loader; for several it is repeated, one behind the other.
    """

    choices: ClassVar[tuple[Choice, ...]] = ()
    max_length: ClassVar[int] = 1000

    kind: Literal["loras"]
    default: Annotated[str | None, Field(description="Used when a member says nothing: “detail:0.8”.")] = None
    source: Source = "LoraLoader.lora_name"
    match: Match = ()
    most: Annotated[int, Field(alias="max", ge=1, le=20, description="How many a member may name.")] = 5

    def read(self, value: object, allowed: Allowed) -> tuple[Lora, ...]:
        """See `OptionBase.read`."""
        return read_loras(value, allowed, self.most, self.match)

    def is_off(self, value: object) -> bool:
        """See `OptionBase.is_off`."""
        return not value

    def reported(self, value: object) -> object:
        """See `OptionBase.reported`."""
        return written(cast("tuple[Lora, ...]", value)) if isinstance(value, tuple) else value

    def require_bind(self) -> None:
        """See `OptionBase.require_bind`."""
        if len(self.bindings) != 1:
            raise RefusedValueError(_("must be the title or “#id” of one node that loads a LoRA."), key="bind")


class SizeOption(Unbounded, OptionBase):
    """Width and height in one text, such as "1024x768". Discord offers the author's choices, and takes others, too."""

    changes: ClassVar[frozenset[str]] = frozenset({"part", "scale", "offset", "round"})
    source: ClassVar[None] = None
    match: ClassVar[tuple[str, ...]] = ()
    max_length: ClassVar[int] = 40

    kind: Literal["size"]
    default: Annotated[str | None, Field(description="Used when a member says nothing: “1024x768”.")] = None
    choices: Annotated[ChoiceList, Field(description="Sizes to offer, or a table of labels with their sizes.")] = ()
    least: Annotated[int, Field(alias="min", ge=1, le=100_000, description="Pixels that a side must have.")] = 64
    most: Annotated[int, Field(alias="max", ge=1, le=100_000, description="Pixels that a side may have.")] = 2048
    step: Annotated[int, Field(ge=1, le=1024, description="Sides are multiples of it.")] = 8
    megapixels: Annotated[
        float, Field(gt=0, le=64, description="How large a ratio such as 3:2 becomes, in 1024 × 1024 pixels.")
    ] = 1.0

    def own_limits(self) -> Allowed:
        """See `OptionBase.own_limits`."""
        return Allowed(self.least, self.most)

    def read(self, value: object, allowed: Allowed) -> Size:
        """See `OptionBase.read`."""
        if isinstance(value, str):
            labels = {choice.label.casefold(): choice.value for choice in self.choices}
            value = labels.get(value.strip().casefold(), value)
        return read_size(value, allowed, self.step, self.megapixels)

    def reported(self, value: object) -> object:
        """See `OptionBase.reported`."""
        return str(value)

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        super().require_sense()
        if self.least > self.most:
            raise RefusedValueError(_("must not be greater than max."), key="min")
        if any(each.part is None for each in self.bindings):
            raise RefusedValueError(
                _(
                    "say which side goes where: {example}.",
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
