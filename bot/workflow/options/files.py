"""Options that members attach: pictures, masks, videos, sounds."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bot.i18n import _
from bot.workflow.errors import RefusedValueError
from bot.workflow.execution import InputFile
from bot.workflow.options.base import NoText, OptionBase, Unbounded, Unlisted
from bot.workflow.options.binds import Address
from bot.workflow.values import Allowed


class FileOption(Unbounded, Unlisted, NoText, OptionBase):
    """A file. It is stored on the server first, and the graph gets the name that the server gave it."""

    is_file: ClassVar[bool] = True
    default: ClassVar[None] = None

    def read(self, value: object, allowed: Allowed) -> InputFile:
        """See `OptionBase.read`."""
        if not isinstance(value, InputFile):
            raise RefusedValueError(_("must be a picture."))
        return value

    def reported(self, value: object) -> object:
        """See `OptionBase.reported`."""
        return value.name if isinstance(value, InputFile) else value


class ImageOption(FileOption):
    """A picture."""

    kind: Literal["image"]
    fit: Annotated[
        Address | None,
        Field(description="The input that takes a factor of at most 1, which scales the picture to max_megapixels."),
    ] = None
    max_megapixels: Annotated[
        float | None, Field(gt=0, le=64, description="In units of 1024 × 1024 pixels, as ComfyUI counts.")
    ] = None
    needs_mask: Annotated[
        bool, Field(description="Whether the transparent areas of the picture say what is painted.")
    ] = False
    mask_of: Annotated[
        str | None,
        Field(description="The option whose picture this one is the mask of: white areas become transparent there."),
    ] = None

    @property
    def masks(self) -> str | None:
        """See `OptionBase.masks`."""
        return self.mask_of

    def require_bind(self) -> None:
        """See `OptionBase.require_bind`."""
        if (self.mask_of is None) == (not self.bindings):
            raise RefusedValueError(_("give bind, or mask_of for a picture that is the mask of another."))

    def require_sense(self) -> None:
        """See `OptionBase.require_sense`."""
        super().require_sense()
        if (self.fit is None) != (self.max_megapixels is None):
            raise RefusedValueError(_("fit and max_megapixels belong together."))
        if self.mask_of is not None and (self.fit is not None or self.needs_mask):
            raise RefusedValueError(_("a mask needs neither fit nor needs_mask; they belong to its picture."))

    def fit_factor(self, file: InputFile) -> float:
        """Return by how much the picture must be scaled to hold no more than `max_megapixels`; never more than 1."""
        pixels = max(1, file.width * file.height)
        most = (self.max_megapixels or 1.0) * 1024 * 1024
        return min(1.0, round((most / pixels) ** 0.5, 6))


class MaskOption(FileOption):
    """A picture that says where to work: white there, black elsewhere. Of another picture, or for a node of its own."""

    kind: Literal["mask"]
    picture: Annotated[
        str | None,
        Field(alias="of", description="The option whose picture it is the mask of: white becomes transparent there."),
    ] = None

    @property
    def masks(self) -> str | None:
        """See `OptionBase.masks`."""
        return self.picture

    def require_bind(self) -> None:
        """See `OptionBase.require_bind`."""
        if (self.picture is None) == (not self.bindings):
            raise RefusedValueError(_("give bind, or of for a mask that belongs to the picture of another option."))


class VideoOption(FileOption):
    """A film."""

    kind: Literal["video"]

    def read(self, value: object, allowed: Allowed) -> InputFile:
        """See `OptionBase.read`."""
        if not isinstance(value, InputFile):
            raise RefusedValueError(_("must be a video."))
        return value


class AudioOption(FileOption):
    """A sound."""

    kind: Literal["audio"]

    def read(self, value: object, allowed: Allowed) -> InputFile:
        """See `OptionBase.read`."""
        if not isinstance(value, InputFile):
            raise RefusedValueError(_("must be a sound file."))
        return value
