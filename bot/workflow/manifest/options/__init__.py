"""The options of a workflow: what members can set, and which values are valid.

Each kind is one pydantic model that reads an `[options.<name>]` table of a manifest. Pure: the servers' limits are
passed in as `AllowedValues`.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from bot.workflow.manifest.options.base import MAX_LABEL, OptionBase
from bot.workflow.manifest.options.files import (
    AudioOption,
    FileOption,
    ImageOption,
    MaskOption,
    VideoOption,
)
from bot.workflow.manifest.options.lists import (
    MAX_CHOICES,
    ChoiceOption,
    LorasOption,
    ModelOption,
    SizeOption,
)
from bot.workflow.manifest.options.plain import (
    MAX_TEXT,
    BooleanOption,
    ConstantOption,
    IntegerOption,
    NumberOption,
    SeedOption,
    TextOption,
)

__all__ = [
    "KINDS",
    "MAX_CHOICES",
    "MAX_LABEL",
    "MAX_TEXT",
    "AudioOption",
    "BooleanOption",
    "ChoiceOption",
    "ConstantOption",
    "FileOption",
    "ImageOption",
    "IntegerOption",
    "LorasOption",
    "MaskOption",
    "ModelOption",
    "NumberOption",
    "Option",
    "OptionBase",
    "SeedOption",
    "SizeOption",
    "TextOption",
    "VideoOption",
]

Option = Annotated[
    TextOption
    | IntegerOption
    | NumberOption
    | BooleanOption
    | SeedOption
    | ChoiceOption
    | ModelOption
    | LorasOption
    | SizeOption
    | ImageOption
    | MaskOption
    | VideoOption
    | AudioOption
    | ConstantOption,
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
    "loras": LorasOption,
    "size": SizeOption,
    "image": ImageOption,
    "mask": MaskOption,
    "video": VideoOption,
    "audio": AudioOption,
    "constant": ConstantOption,
}
