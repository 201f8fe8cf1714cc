"""Posts the follow-up messages of a result, each exactly once, even across crashes.

The intent is stored before a post, the message's id after it. A retry skips posts with a known id, repeats a recent
intent under the same nonce, and searches the channel for an older one. A post that can be neither repeated nor searched
for is left out and counted as missing.
"""

import hashlib
import logging
from collections.abc import Sequence

from bot.clock import Clock
from bot.jobs.job import Job, Part
from bot.ui.batches import Batch, Packer, stem
from bot.ui.endings import RETRY_PAUSES
from bot.ui.mailbox import Mailbox, Notes
from bot.ui.posts import ChannelPosts
from bot.ui.refusals import Meaning, RefusedError
from bot.ui.render import Renderer

log = logging.getLogger(__name__)

NONCE_TRUSTED = 120.0
"""Seconds for which Discord surely remembers a nonce; its documentation says "a few minutes"."""
SIZE_TRIES = 3
SHRINK = 0.6
"""Factor by which files are shrunk when Discord still finds them too large."""


class Parts:
    def __init__(
        self,
        *,
        posts: ChannelPosts,
        packer: Packer,
        renderer: Renderer,
        mailbox: Mailbox,
        notes: Notes,
        clock: Clock,
    ) -> None:
        self._posts = posts
        self._packer = packer
        self._renderer = renderer
        self._mailbox = mailbox
        self._notes = notes
        self._clock = clock

    async def post(self, job: Job, batches: Sequence[Batch]) -> tuple[Job, int]:
        """Post the batches not posted yet; return the newest version of the job and the number of files left out.

        Raises `RefusedError` if the caller should retry later, and `IllegalMoveError`.
        """
        left = 0
        for number, batch in enumerate(batches, start=1):
            try:
                job = await self._one(job, number, batch, total=len(batches) + 1)
            except RefusedError as refusal:
                if refusal.meaning in (Meaning.PASSING, Meaning.TOKEN_DEAD):
                    raise
                log.warning("job %s: skipped message %d of its result: %s", job.id, number + 1, refusal)
                if refusal.meaning is Meaning.FORBIDDEN:
                    await self._mailbox.ask_for_permission(job)
                left += len(batch)
        return job, left

    async def _one(self, job: Job, number: int, batch: Batch, total: int) -> Job:
        for pause in (*RETRY_PAUSES, None):
            job, is_known = await self._settled(job, number, batch)
            if is_known:
                return job
            try:
                message_id = await self._fitting(job, number, batch, total)
            except RefusedError as refusal:
                if refusal.meaning is not Meaning.PASSING or pause is None:
                    raise
                await self._clock.sleep(pause)
            else:
                return await self._remember(job, number, Part(message_id, self._clock.now()))
        return job

    async def _settled(self, job: Job, number: int, batch: Batch) -> tuple[Job, bool]:
        """Return whether a message is posted already; if not, its intent is stored."""
        part = job.parts.get(number)
        if part is not None and part.message_id:
            return job, True
        now = self._clock.now()
        if part is not None and now - part.at < NONCE_TRUSTED:
            return job, False
        names = tuple(f"{stem(job, piece.number)}." for piece in batch)
        if part is not None and (found := await self._posts.find(job.place, names)):
            return await self._remember(job, number, Part(found, part.at)), True
        return await self._remember(job, number, Part(0, now)), False

    async def _fitting(self, job: Job, number: int, batch: Batch, total: int) -> int:
        """Post a message, with its files shrunk if Discord finds them too large; return its id."""
        for _try in range(SIZE_TRIES):
            files = [piece.attached for piece in batch]
            page = self._renderer.more(job, [file.filename for file in files], number + 1, total)
            try:
                return await self._posts.post(job.place, page, files, _nonce(job, number))
            except RefusedError as refusal:
                if refusal.meaning is not Meaning.TOO_LARGE:
                    raise
            batch = await self._packer.shrink(job, batch, SHRINK)
            if not batch:
                break
        raise RefusedError(Meaning.TOO_LARGE, "files too large even after shrinking")

    async def _remember(self, job: Job, number: int, part: Part) -> Job:
        return await self._notes.note(job, parts={**job.parts, number: part})


def _nonce(job: Job, number: int) -> str:
    """Return a nonce for one message; Discord allows 25 characters."""
    return f"{hashlib.blake2b(job.id.encode(), digest_size=10).hexdigest()}-{number}"
