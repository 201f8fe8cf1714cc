"""Image, video and audio processing for the rest of the bot, always off the event loop."""

from bot.errors import LimitError
from bot.images.av_input import check_av_size, prepare_av
from bot.images.fit import FittedFile, fit
from bot.images.input import InputLimits, check_size, prepare_input
from bot.images.mask import apply_mask, require_transparency
from bot.images.pool import ImagePool
from bot.images.preview import shrink_preview
from bot.workflow.run.events import InputFile


class ImageService:
    """All methods but `preview` may raise `InputError` and `LimitError`."""

    def __init__(self, *, pool: ImagePool, limits: InputLimits | None = None) -> None:
        """The owner of `pool` closes it."""
        self._pool = pool
        self._limits = limits or InputLimits()

    def check_size(self, size: int) -> None:
        """Check an attachment's size in bytes before it is downloaded."""
        check_size(size, self._limits)

    async def prepare_input(self, data: bytes) -> InputFile:
        """Validate an attached image and prepare it for upload to a server."""
        return await self._pool.run(prepare_input, data, self._limits)

    def check_av_size(self, size: int, kind: str) -> None:
        """Check the size in bytes of a video or audio file (`kind` "video" or "audio") before it is downloaded."""
        check_av_size(size, kind)

    async def prepare_av(self, data: bytes, kind: str) -> InputFile:
        """Validate an attached video or audio file and prepare it for upload to a server."""
        return await self._pool.run(prepare_av, data, kind)

    async def with_mask(self, image: InputFile, mask: InputFile | None) -> InputFile:
        """Mark the part to repaint: by `mask` or, without one, by the image's own transparency."""
        if mask is not None:
            return await self._pool.run(apply_mask, image, mask)
        await self._pool.run(require_transparency, image)
        return image

    async def fit(self, data: bytes, limit: int) -> FittedFile:
        """Make a result fit into `limit` bytes and remove its metadata."""
        return await self._pool.run_unbounded(fit, data, limit)

    async def preview(self, data: bytes) -> bytes | None:
        """Shrink a preview image; None when it cannot be read or while all threads are busy."""
        if self._pool.busy:
            return None
        try:
            return await self._pool.run(shrink_preview, data)
        except LimitError:
            return None
