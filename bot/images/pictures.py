"""What the rest of the bot may ask for about pictures; every answer is worked out off the event loop."""

from bot.errors import LimitError
from bot.images.clips import check_clip_size, take_clip
from bot.images.fit import FittedFile, fit
from bot.images.intake import IntakeLimits, check_size, prepare_input
from bot.images.mask import apply_mask, require_transparency
from bot.images.pool import ImagePool
from bot.images.preview import shrink_preview
from bot.workflow.execution import InputFile


class Pictures:
    """Pictures in, pictures out. All methods but `preview` may raise `InputError` and `LimitError`."""

    def __init__(self, *, pool: ImagePool, limits: IntakeLimits | None = None) -> None:
        """Work in the threads of `pool`, which the owner of both closes."""
        self._pool = pool
        self._limits = limits or IntakeLimits()

    def check_size(self, size: int) -> None:
        """Refuse an attachment by its length in bytes, before it is downloaded."""
        check_size(size, self._limits)

    async def intake(self, data: bytes) -> InputFile:
        """Check an attached picture and make it ready for upload to a server."""
        return await self._pool.run(prepare_input, data, self._limits)

    def check_clip_size(self, size: int, kind: str) -> None:
        """Refuse a film or sound (`kind` "video" or "audio") by its length in bytes, before it is downloaded."""
        check_clip_size(size, kind)

    async def clip(self, data: bytes, kind: str) -> InputFile:
        """Check an attached film or sound and make it ready for upload to a server."""
        return await self._pool.run(take_clip, data, kind)

    async def with_mask(self, image: InputFile, mask: InputFile | None) -> InputFile:
        """Mark the part to be repainted: by `mask`, or, without one, by what is transparent in the picture itself."""
        if mask is not None:
            return await self._pool.run(apply_mask, image, mask)
        await self._pool.run(require_transparency, image)
        return image

    async def fit(self, data: bytes, limit: int) -> FittedFile:
        """Make a result fit into `limit` bytes and take its metadata out."""
        return await self._pool.run_promised(fit, data, limit)

    async def preview(self, data: bytes) -> bytes | None:
        """Make a half-finished picture small; None when it cannot be read, or while there is more important work."""
        if self._pool.busy:
            return None
        try:
            return await self._pool.run(shrink_preview, data)
        except LimitError:
            return None
