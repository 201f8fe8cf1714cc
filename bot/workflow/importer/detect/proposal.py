"""An option that a draft proposes, and the descriptions and limits of common options."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.i18n import Message
from bot.workflow.graph.graph import Target
from bot.workflow.manifest.values import Number, Scalar


@dataclass(frozen=True, slots=True)
class Use:
    """A value in the graph that an option can set, and the input that it ends up in."""

    target: Target
    """Where the value is stored, which can be a value node in front of the input."""
    class_type: str
    input_name: str
    """The input whose limits and choices apply."""

    @property
    def source(self) -> str:
        """The manifest's name for the input's live list."""
        return f"{self.class_type}.{self.input_name}"


@dataclass(frozen=True, slots=True)
class OptionProposal:
    """An option as it would appear in a manifest."""

    name: str
    kind: str
    description: str
    targets: tuple[Target, ...] = ()
    is_required: bool = False
    default: Scalar | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    step: Number | None = None
    source: str | None = None
    choices: tuple[str, ...] = ()
    max_length: int | None = None
    needs_mask: bool = False
    mask_of: str | None = None
    fit: Target | None = None
    remark: Message | None = None
    """A comment for its author."""
    rank: int = 0
    """Sort key: the smallest comes first."""


@dataclass(frozen=True, slots=True)
class OptionRole:
    """Usual values of one kind of option. Limits are widened to include the graph's own value."""

    kind: str
    description: str
    low: Number | None = None
    high: Number | None = None
    is_required: bool = False


ROLES: Mapping[str, OptionRole] = {
    "image": OptionRole("image", "Image to start from", is_required=True),
    "video": OptionRole("video", "Video to start from", is_required=True),
    "audio": OptionRole("audio", "Audio to start from", is_required=True),
    "prompt": OptionRole("text", "Describe what you want", is_required=True),
    "mask": OptionRole("image", "Mask: white where to edit, black elsewhere", is_required=True),
    "lyrics": OptionRole("text", "Lyrics"),
    "negative": OptionRole("text", "What to avoid (negative prompt)"),
    "strength": OptionRole("number", "How much to change (0.3 keeps most of the image, 0.8 very little)", 0.05, 1),
    "factor": OptionRole("number", "Scale factor (2 = twice the width and height)", 1, 4),
    "size": OptionRole("integer", "Width and height in pixels", 64, 2048),
    "resolution": OptionRole("choice", "Image size"),
    "width": OptionRole("integer", "Width in pixels", 64, 2048),
    "height": OptionRole("integer", "Height in pixels", 64, 2048),
    "length": OptionRole("integer", "Number of frames", 1, 121),
    "seconds": OptionRole("number", "Length in seconds", 1, 240),
    "count": OptionRole("integer", "Number of images", 1, 4),
    "steps": OptionRole("integer", "Steps (more is slower)", 1, 60),
    "cfg": OptionRole("number", "Prompt strength (lower = more creative)", 1, 20),
    "guidance": OptionRole("number", "Prompt strength (lower = more creative)", 1, 10),
    "denoise": OptionRole("number", "How much the last pass can change", 0.05, 1),
    "sampler": OptionRole("choice", "Sampling method"),
    "scheduler": OptionRole("choice", "Noise schedule"),
    "seed": OptionRole("seed", "Seed for repeatable results (random if omitted)"),
    "checkpoint": OptionRole("model", "Image model (default: chosen automatically)"),
    "model": OptionRole("model", "Model (default: chosen automatically)"),
    "lora": OptionRole("model", "LoRA: a style or subject to add (default: chosen automatically)"),
    "lora_strength": OptionRole("number", "LoRA strength", 0, 2),
    "controlnet": OptionRole("model", "ControlNet model (default: chosen automatically)"),
    "control_strength": OptionRole("number", "How closely to follow the control image", 0, 2),
    "upscaler": OptionRole("model", "Upscale model (default: chosen automatically)"),
}
"""In the order in which members look for them."""

RANKS: Mapping[str, int] = {name: at * 10 for at, name in enumerate(ROLES)}

OTHER = len(ROLES) * 10
"""The rank of options without a role."""
