"""Options that members attach: images, masks, videos, audio."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.manifest.options.base import (
    NoText,
    OptionBase,
    Unbounded,
    Unlisted,
)
from bot.workflow.manifest.options.binds import Address
from bot.workflow.manifest.values import AllowedValues
from bot.workflow.run.events import InputFile


class FileOption(Unbounded, Unlisted, NoText, OptionBase):
    """A file. It is uploaded to the server first, and the graph gets the name that the server gives it."""

    is_file: ClassVar[bool] = True
    default: ClassVar[None] = None

    def read(self, value: object, allowed: AllowedValues) -> InputFile:
        if not isinstance(value, InputFile):
            raise RefusedValueError(_("must be an image."))
        return value

    def reported(self, value: object) -> object:
        return value.name if isinstance(value, InputFile) else value


class ImageOption(FileOption):
    """An image."""

    kind: Literal["image"]
    fit: Annotated[
        Address | None,
        Field(description="The input that takes a factor up to 1, which scales the image down to max_megapixels."),
    ] = None
    max_megapixels: Annotated[
        float | None, Field(gt=0, le=64, description="Size limit, in megapixels of 1024 × 1024 pixels.")
    ] = None
    needs_mask: Annotated[bool, Field(description="Whether transparent areas of the image mark what to change.")] = (
        False
    )
    mask_of: Annotated[
        str | None,
        Field(description="The image option that this one is the mask of: its white areas become transparent there."),
    ] = None

    @property
    def masks(self) -> str | None:
        return self.mask_of

    def require_bind(self) -> None:
        if (self.mask_of is None) == (not self.bindings):
            raise RefusedValueError(_("needs either bind, or mask_of if it is the mask of another image."))

    def require_sense(self) -> None:
        super().require_sense()
        if (self.fit is None) != (self.max_megapixels is None):
            raise RefusedValueError(_("fit and max_megapixels must be set together."))
        if self.mask_of is not None and (self.fit is not None or self.needs_mask):
            raise RefusedValueError(_("a mask can't have fit or needs_mask. Set them on its image."))

    def fit_factor(self, file: InputFile) -> float:
        """Return the factor, at most 1, that scales the image down to `max_megapixels`."""
        pixels = max(1, file.width * file.height)
        most = (self.max_megapixels or 1.0) * 1024 * 1024
        return min(1.0, round((most / pixels) ** 0.5, 6))


class MaskOption(FileOption):
    """A black and white image: white marks what to change, in the image of another option or for a node of its own."""

    kind: Literal["mask"]
    picture: Annotated[
        str | None,
        Field(alias="of", description="The image option that it is the mask of: white becomes transparent there."),
    ] = None

    @property
    def masks(self) -> str | None:
        return self.picture

    def require_bind(self) -> None:
        if (self.picture is None) == (not self.bindings):
            raise RefusedValueError(_("needs either bind, or “of” if it is the mask of another option's image."))


class VideoOption(FileOption):
    """A video."""

    kind: Literal["video"]

    def read(self, value: object, allowed: AllowedValues) -> InputFile:
        if not isinstance(value, InputFile):
            raise RefusedValueError(_("must be a video."))
        return value


class AudioOption(FileOption):
    """An audio file."""

    kind: Literal["audio"]

    def read(self, value: object, allowed: AllowedValues) -> InputFile:
        if not isinstance(value, InputFile):
            raise RefusedValueError(_("must be an audio file."))
        return value
