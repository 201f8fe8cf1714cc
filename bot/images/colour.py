"""Colour modes and profiles: from everything that Pillow can hold to 8-bit RGB or RGBA in sRGB."""

from io import BytesIO

from PIL import Image, ImageChops, ImageCms

_SAME_COLOUR = 3
"""Levels by which sRGB profiles of different makers differ; converting would only add rounding errors."""

_HIGH_BYTE = 1 / 256


def as_rgb(image: Image.Image) -> Image.Image:
    """Return `image` in 8-bit RGB, or in RGBA when it has any kind of transparency."""
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

    The very same image comes back when there is no usable profile, or when it says sRGB anyway.
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
        return image  # a damaged profile, or one for another mode: the numbers as they are come closest
    return image if converted is None else converted


def _is_srgb(source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile) -> bool:
    """Say whether a profile moves none of 216 colours visibly; names of profiles are many and prove nothing."""
    levels = range(0, 256, 51)
    colours = bytes(value for red in levels for green in levels for blue in levels for value in (red, green, blue))
    probe = Image.frombytes("RGB", (216, 1), colours)
    moved = ImageCms.profileToProfile(probe, source, target)
    if moved is None:
        return False
    return max(ImageChops.difference(probe, moved).tobytes()) <= _SAME_COLOUR


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] # a C type
