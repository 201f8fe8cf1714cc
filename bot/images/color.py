"""Converts every colour mode and profile that Pillow reads to 8-bit RGB or RGBA in sRGB."""

from io import BytesIO

from PIL import Image, ImageChops, ImageCms

_SRGB_TOLERANCE = 3
"""Levels by which sRGB profiles of different vendors differ; converting would only add rounding errors."""

_HIGH_BYTE = 1 / 256


def as_rgb(image: Image.Image) -> Image.Image:
    """Return `image` as 8-bit RGB, or as RGBA if it has any kind of transparency."""
    if image.mode == "RGBA" or (image.mode == "RGB" and not image.has_transparency_data):
        return image
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """Keep the high byte of each sample; Pillow's own conversion clips everything above 255 to white."""
    high = image.point(lambda sample: sample * _HIGH_BYTE)  # pyright: ignore[reportUnknownMemberType] # numpy's types
    return high.convert("L").convert("RGB")


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Convert RGB, RGBA or CMYK from its ICC profile to sRGB.

    Returns the same object when there is no usable profile or it already is sRGB.
    """
    if not isinstance(profile, bytes) or not profile:
        return image
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = _srgb()
        if image.mode != "CMYK" and _is_srgb(source, target):
            return image
        converted = ImageCms.profileToProfile(image, source, target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a damaged profile, or one for another mode: the raw values are the closest match
    return image if converted is None else converted


def _is_srgb(source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile leaves 216 test colours visibly unchanged; profile names are unreliable."""
    levels = range(0, 256, 51)
    colours = bytes(value for red in levels for green in levels for blue in levels for value in (red, green, blue))
    probe = Image.frombytes("RGB", (216, 1), colours)
    moved = ImageCms.profileToProfile(probe, source, target)
    if moved is None:
        return False
    return max(ImageChops.difference(probe, moved).tobytes()) <= _SRGB_TOLERANCE


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] # a C type
