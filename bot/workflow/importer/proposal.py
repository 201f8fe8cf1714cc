"""One option that a draft proposes, and the words and limits of the options that most workflows have.

Plain facts: who finds options and who writes them down is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.i18n import Message
from bot.workflow.spec import Target
from bot.workflow.values import Number, Scalar


@dataclass(frozen=True, slots=True)
class Use:
    """A value of the graph that an option may set, and the input that it is for in the end."""

    target: Target
    """Where the value stands, which may be a node of values in front of the input."""
    class_type: str
    input_name: str
    """The input whose limits and choices count."""

    @property
    def source(self) -> str:
        """Return how a manifest names the live list of the input."""
        return f"{self.class_type}.{self.input_name}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """An option as it would stand in a manifest."""

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
    """What its author should look at."""
    rank: int = 0
    """Its place among the others: the smallest first."""


@dataclass(frozen=True, slots=True)
class Role:
    """What is usual for one kind of option. Limits are widened where the graph's own value lies outside."""

    kind: str
    description: str
    low: Number | None = None
    high: Number | None = None
    is_required: bool = False


ROLES: Mapping[str, Role] = {
    "image": Role("image", "The picture to start from", is_required=True),
    "video": Role("video", "The film to start from", is_required=True),
    "audio": Role("audio", "The sound to start from", is_required=True),
    "prompt": Role("text", "What to paint", is_required=True),
    "mask": Role("image", "A picture, white where to work and black elsewhere", is_required=True),
    "lyrics": Role("text", "The words of the song"),
    "negative": Role("text", "What to keep out of the picture"),
    "strength": Role("number", "How much may change: 0.3 keeps most of the picture, 0.8 little", 0.05, 1),
    "factor": Role("number", "How many times as wide and as high", 1, 4),
    "size": Role("integer", "Width and height in pixels", 64, 2048),
    "resolution": Role("choice", "The size of the picture"),
    "width": Role("integer", "Width in pixels", 64, 2048),
    "height": Role("integer", "Height in pixels", 64, 2048),
    "length": Role("integer", "How many frames the video has", 1, 121),
    "seconds": Role("number", "How long it is, in seconds", 1, 240),
    "count": Role("integer", "How many pictures", 1, 4),
    "steps": Role("integer", "How long to work on it, in steps", 1, 60),
    "cfg": Role("number", "How closely to follow the prompt; less is freer", 1, 20),
    "guidance": Role("number", "How closely to follow the prompt; less is freer", 1, 10),
    "denoise": Role("number", "How much the last pass may change", 0.05, 1),
    "sampler": Role("choice", "The sampling method"),
    "scheduler": Role("choice", "How the noise is spread over the steps"),
    "seed": Role("seed", "The same seed and options give the same picture; empty for a new one each time"),
    "checkpoint": Role("model", "The model that paints; empty for the usual one"),
    "model": Role("model", "The model that paints; empty for the usual one"),
    "lora": Role("model", "A style or subject that is added to the model; empty for the usual one"),
    "lora_strength": Role("number", "How strongly the LoRA works", 0, 2),
    "controlnet": Role("model", "The model that follows the guiding picture; empty for the usual one"),
    "control_strength": Role("number", "How closely to follow the guiding picture", 0, 2),
    "upscaler": Role("model", "The model that enlarges; empty for the usual one"),
}
"""In the order in which people look for them."""

RANKS: Mapping[str, int] = {name: at * 10 for at, name in enumerate(ROLES)}

OTHER = len(ROLES) * 10
"""The rank of what has no role."""
