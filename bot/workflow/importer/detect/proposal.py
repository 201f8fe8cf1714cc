"""An option that a draft proposes, and the descriptions and limits of common options."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.i18n import Message
from bot.workflow.manifest.values import Number, Scalar
from bot.workflow.run.spec import Target


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
class Proposal:
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
class Role:
    """Usual values of one kind of option. Limits are widened to include the graph's own value."""

    kind: str
    description: str
    low: Number | None = None
    high: Number | None = None
    is_required: bool = False


ROLES: Mapping[str, Role] = {
    "image": Role("image", "Image to start from", is_required=True),
    "video": Role("video", "Video to start from", is_required=True),
    "audio": Role("audio", "Audio to start from", is_required=True),
    "prompt": Role("text", "Describe what you want", is_required=True),
    "mask": Role("image", "Mask: white where to edit, black elsewhere", is_required=True),
    "lyrics": Role("text", "Lyrics"),
    "negative": Role("text", "What to avoid (negative prompt)"),
    "strength": Role("number", "How much to change (0.3 keeps most of the image, 0.8 very little)", 0.05, 1),
    "factor": Role("number", "Scale factor (2 = twice the width and height)", 1, 4),
    "size": Role("integer", "Width and height in pixels", 64, 2048),
    "resolution": Role("choice", "Image size"),
    "width": Role("integer", "Width in pixels", 64, 2048),
    "height": Role("integer", "Height in pixels", 64, 2048),
    "length": Role("integer", "Number of frames", 1, 121),
    "seconds": Role("number", "Length in seconds", 1, 240),
    "count": Role("integer", "Number of images", 1, 4),
    "steps": Role("integer", "Steps (more is slower)", 1, 60),
    "cfg": Role("number", "Prompt strength (lower = more creative)", 1, 20),
    "guidance": Role("number", "Prompt strength (lower = more creative)", 1, 10),
    "denoise": Role("number", "How much the last pass can change", 0.05, 1),
    "sampler": Role("choice", "Sampling method"),
    "scheduler": Role("choice", "Noise schedule"),
    "seed": Role("seed", "Seed for repeatable results (random if omitted)"),
    "checkpoint": Role("model", "Image model (default: chosen automatically)"),
    "model": Role("model", "Model (default: chosen automatically)"),
    "lora": Role("model", "LoRA: a style or subject to add (default: chosen automatically)"),
    "lora_strength": Role("number", "LoRA strength", 0, 2),
    "controlnet": Role("model", "ControlNet model (default: chosen automatically)"),
    "control_strength": Role("number", "How closely to follow the control image", 0, 2),
    "upscaler": Role("model", "Upscale model (default: chosen automatically)"),
}
"""In the order in which members look for them."""

RANKS: Mapping[str, int] = {name: at * 10 for at, name in enumerate(ROLES)}

OTHER = len(ROLES) * 10
"""The rank of options without a role."""
