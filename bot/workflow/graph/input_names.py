"""Guesses what the inputs of nodes are for, from the names of classes and inputs.

Servers do not tell. Custom nodes follow the same naming habits; when in doubt an input is refused, which only costs
an author a change.
"""

import re
from enum import IntEnum

_FILE_INPUT = re.compile(
    r"(?:^|_)(?:files?|filenames?|dir|subfolder|ur[il])(?:_|$)|(?:path|folder|directory|filename)s?$"
)
_PREFIX_INPUT = re.compile(r"(?:file|filename|output|save|path)_?(?:name_?)?prefix")
_MEDIA_LOADER = re.compile(r"load[\s_]*(?:an?[\s_]*)?(?:image|audio|video|3d|mask|gif|latent|media|file|text)")
_MEDIA_INPUT = re.compile(r"image|audio|video|mask|gif|latent|media|file|name")

_MODEL_FILE = re.compile(r"\.(?:safetensors|ckpt|pth?|bin|sft|gguf|onnx)\Z", re.IGNORECASE)
_LIGHT = re.compile(r"lora|vae")
_MAIN = re.compile(r"ckpt|checkpoint|unet|diffusion")


class Weight(IntEnum):
    """How long a model file takes to load, roughly."""

    LIGHT = 0
    """LoRAs and VAEs: a second or two."""
    FURTHER = 1
    """Text encoders, ControlNets, upscalers, and unknown kinds."""
    MAIN = 2
    """Checkpoints and diffusion models: gigabytes."""


def is_media_input(class_type: str, input_name: str) -> bool:
    """Whether a server might read or write the file or URL that the value names."""
    name = input_name.casefold()
    if _FILE_INPUT.search(name) or _PREFIX_INPUT.search(name):
        return True
    return bool(_MEDIA_LOADER.search(class_type.casefold()) and _MEDIA_INPUT.search(name))


def is_model_input(class_type: str, input_name: str) -> bool:
    """Whether the value names a model file. Servers check it against a list, so only free text is dangerous."""
    return "loader" in class_type.casefold() and input_name.casefold().endswith("_name")


def is_model_file(value: str) -> bool:
    return bool(_MODEL_FILE.search(value))


def model_weight(class_type: str, input_name: str) -> Weight:
    """Return the weight of a model in this input. A class can load several kinds, so the input's name counts first."""
    for name in (input_name.casefold(), class_type.casefold()):
        if _LIGHT.search(name):
            return Weight.LIGHT
        if _MAIN.search(name):
            return Weight.MAIN
    return Weight.FURTHER
