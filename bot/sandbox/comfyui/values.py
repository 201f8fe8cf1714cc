"""What flows along the links of a graph: much simpler than tensors, enough to draw real pictures.

Sizes are in pixels everywhere, also for latents.
"""

from dataclasses import dataclass, field, replace
from typing import Self

from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded checkpoint, with the loras on top of it."""

    name: str
    loras: tuple[tuple[str, float], ...] = ()

    def with_lora(self, name: str, strength: float) -> Self:
        """Return the model with one more lora."""
        return replace(self, loras=(*self.loras, (name, strength)))


@dataclass(frozen=True, slots=True)
class Clip:
    """A text encoder."""

    name: str


@dataclass(frozen=True, slots=True)
class Vae:
    """What turns latents into pictures."""

    name: str


@dataclass(frozen=True, slots=True)
class ControlNet:
    """A loaded control net."""

    name: str


@dataclass(frozen=True, slots=True)
class UpscaleModel:
    """A loaded upscaler and how much it enlarges."""

    name: str
    factor: int


@dataclass(frozen=True, slots=True)
class Conditioning:
    """An encoded text; `guides` are pictures that a control net holds it to, with their strength."""

    text: str
    guides: tuple[tuple[Image, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Latent:
    """A batch of pictures to be. `pictures` is empty for pure noise, else it has `batch` RGB pictures."""

    width: int
    height: int
    batch: int = 1
    pictures: tuple[Image, ...] = ()
    mask: Image | None = None
    """Mode "L", of any size: white is what may change."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """An IMAGE: RGB pictures of one size."""

    images: tuple[Image, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Masks:
    """A MASK: pictures of mode "L"."""

    images: tuple[Image, ...] = field(default=())
