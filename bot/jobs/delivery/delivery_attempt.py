"""One attempt to deliver the result of a job, and saving how it went.

During the attempt `not_before` is extended like a visibility timeout, so that no other process delivers the job. If the
process crashes, the delivery becomes due again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from bot.aio import cancel_and_wait
from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import _
from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.jobs.outcome import cancellation_text
from bot.jobs.ports import Backend, DeliveryResult, Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository, ResultStore
from bot.workflow.run.events import OutputFile, ServerOfflineError

log = logging.getLogger(__name__)

VISIBILITY_TIMEOUT = 60.0
"""Seconds for which a delivery is reserved; extended while it is in progress."""
EXTEND_INTERVAL = 20.0
LIMIT = 600.0
"""Seconds for one attempt, with all its files and retries."""
PUT_OFF_FIRST, PUT_OFF_MOST = 5.0, 600.0
"""Seconds until a failed delivery is retried; doubled each time."""
TRIED_FOR = 24 * 3600.0
"""Seconds after the end of a job for which delivery is retried."""


class DeliveryAttempt:
    """Delivers jobs. `find` returns the server of a key, which may have files that the result store lacks."""

    def __init__(
        self,
        *,
        store: JobRepository,
        presenter: Presenter,
        results: ResultStore,
        find: Callable[[str], Backend | None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._presenter = presenter
        self._results = results
        self._find = find
        self._clock = clock

    async def attempt(self, job: Job, files: Sequence[OutputFile]) -> None:
        """Deliver a DELIVERING or ended job, or reschedule it; `files` saves reading them from the result store."""
        try:
            await self._attempt(job, files)
        except StaleJobError:
            log.info("job %s is delivered elsewhere", job.id)
        except DatabaseUnavailableError:
            log.warning("job %s: delivery will be repeated: the database does not answer", job.id)
        except Exception:  # whatever is wrong with one job, it is retried less and less often
            log.exception("job %s: delivery crashed", job.id)
            await self._reschedule_quietly(job)

    async def _attempt(self, job: Job, files: Sequence[OutputFile]) -> None:
        if job.state is JobState.DONE:
            await self._deliver_again(job)
            return
        if job.state is not JobState.DELIVERING:
            await self._explain(job)
            return
        try:
            await self._show(job, files)
        except FailedError as error:  # the result cannot be shown in any way
            log.warning("job %s: its result cannot be shown: %s", job.id, error)
            not_before = self._clock.now() + VISIBILITY_TIMEOUT
            await self._explain(
                await self._store.transition(job, JobState.FAILED, error=error.user_message, not_before=not_before)
            )

    async def _show(self, job: Job, files: Sequence[OutputFile]) -> None:
        try:
            pictures = files or await self._results.get(job.id) or await self._refetched(job)
        except ServerOfflineError:
            await self._reschedule(job)
            return
        told = await self._with_visibility_timeout(job, self._presenter.deliver(job, pictures, job.note))
        if told is DeliveryResult.LATER:
            await self._reschedule(job)
        else:
            await self._store.transition(job, JobState.DONE, delivery=_delivery(told))

    async def _deliver_again(self, job: Job) -> None:
        """Show a delivered result again, because an outdated edit may have overwritten it."""
        pictures = await self._results.get(job.id)
        told = (
            await self._with_visibility_timeout(job, self._presenter.deliver(job, pictures, job.note))
            if pictures
            else DeliveryResult.SENT
        )
        if told is DeliveryResult.LATER:
            await self._reschedule(job)
        else:
            await self._store.update(job, delivery=_delivery(told))

    async def _explain(self, job: Job) -> None:
        reason = job.error or cancellation_text(job)
        told = await self._with_visibility_timeout(job, self._presenter.fail(job, reason))
        if told is DeliveryResult.LATER:
            await self._reschedule(job)
        else:
            await self._store.update(job, delivery=_delivery(told))

    async def _refetched(self, job: Job) -> Sequence[OutputFile]:
        """Fetch a result again that is missing in the result store, as far as the server still has it."""
        files: list[OutputFile] = []
        if backend := self._find(job.server):
            for ref in job.outputs:
                try:
                    files.append(await backend.fetch(ref))
                except ServerOfflineError:
                    raise
                except BotError as error:
                    log.warning("job %s: %s cannot be fetched again: %s", job.id, ref.filename, error)
        if not files:
            raise FailedError(_("The images were made, but their files are gone. Please run the command again."))
        return files

    # ------------------------------------------------------------------ reservation and retries

    async def _with_visibility_timeout(self, job: Job, telling: Coroutine[Any, Any, DeliveryResult]) -> DeliveryResult:
        """Await a delivery while extending its reservation."""
        keeper = asyncio.create_task(self._extend(job), name=f"delivery reservation of job {job.id}")
        try:
            async with asyncio.timeout(LIMIT):
                return await telling
        except TimeoutError:
            return DeliveryResult.LATER
        finally:
            await cancel_and_wait(keeper)

    async def _extend(self, job: Job) -> None:
        while True:
            await self._clock.sleep(EXTEND_INTERVAL)
            try:
                await self._store.update(job, not_before=self._clock.now() + VISIBILITY_TIMEOUT)
            except DatabaseUnavailableError:
                continue

    async def _reschedule(self, job: Job) -> None:
        now = self._clock.now()
        if now - job.finished < TRIED_FOR:
            pause = min(PUT_OFF_FIRST * 2 ** min(job.tries, 16), PUT_OFF_MOST)
            await self._store.update(job, not_before=now + pause, tries=job.tries + 1)
            return
        log.error("job %s: delivery to Discord failed for a day; its result stays in /history", job.id)
        if job.state is JobState.DELIVERING:
            await self._store.transition(job, JobState.DONE, delivery=Delivery.UNDELIVERABLE)
        else:
            await self._store.update(job, delivery=Delivery.UNDELIVERABLE)

    async def _reschedule_quietly(self, job: Job) -> None:
        try:
            await self._reschedule(job)
        except (StaleJobError, DatabaseUnavailableError):
            log.info("job %s: its delivery will become due again", job.id)


def _delivery(told: DeliveryResult) -> Delivery:
    return Delivery.SENT if told is DeliveryResult.SENT else Delivery.UNDELIVERABLE
