"""The values that pass along the links of a graph: simple stand-ins for tensors.

Sizes are in pixels, also for latents.
"""

from dataclasses import dataclass, field, replace
from typing import Self

from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded checkpoint with its applied LoRAs."""

    name: str
    loras: tuple[tuple[str, float], ...] = ()

    def with_lora(self, name: str, strength: float) -> Self:
        return replace(self, loras=(*self.loras, (name, strength)))


@dataclass(frozen=True, slots=True)
class Clip:
    name: str


@dataclass(frozen=True, slots=True)
class Vae:
    """Decodes latents to images."""

    name: str


@dataclass(frozen=True, slots=True)
class ControlNet:
    name: str


@dataclass(frozen=True, slots=True)
class UpscaleModel:
    """A loaded upscaler with its scale factor."""

    name: str
    factor: int


@dataclass(frozen=True, slots=True)
class Conditioning:
    """An encoded text; `guides` are ControlNet images with their strength."""

    text: str
    guides: tuple[tuple[Image, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Latent:
    """A batch of latents. `pictures` is empty for pure noise, else it has `batch` RGB images."""

    width: int
    height: int
    batch: int = 1
    pictures: tuple[Image, ...] = ()
    mask: Image | None = None
    """Mode "L", of any size; white parts may change."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """An IMAGE: RGB images of one size."""

    images: tuple[Image, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Masks:
    """A MASK: images of mode "L"."""

    images: tuple[Image, ...] = field(default=())
