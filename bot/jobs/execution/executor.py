"""Executes the jobs of one server, each until it ends or returns to the queue, whatever happens.

A job is either freshly claimed or orphaned by a crashed process; its state decides where to resume. Knows neither
Discord nor HTTP: a `Backend` runs graphs, a `DeliveryService` delivers the results.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import _
from bot.jobs.cluster.leases import LeaseManager
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.execution.circuit_breaker import CircuitBreaker
from bot.jobs.execution.output_fetcher import FilesGoneError, RunForgottenError
from bot.jobs.execution.retry import MAX_ATTEMPTS, RequeuePolicy, with_new_filename_prefix
from bot.jobs.execution.run_attempt import AttemptEnd, RunAttempt
from bot.jobs.execution.slots import Slot
from bot.jobs.job import Job, JobState, StaleJobError
from bot.jobs.outcome import Outcome
from bot.jobs.ports import Backend, Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.status import FetchingStatus, JobUpdate
from bot.workflow.run.events import ServerFaultError, ServerOfflineError, is_server_error

log = logging.getLogger(__name__)

MAX_CONCURRENT_FETCHES = 2
"""Runs whose files are fetched concurrently; files of further runs stay on the server meanwhile."""
MAX_ABANDONED = 64
"""Maximum prompts remembered on an offline server, to be interrupted when it is back."""

CanRunElsewhere = Callable[[Job, str], Awaitable[bool]]
"""Whether a server other than the one with this key can run the job."""


async def nowhere(_job: Job, _key: str) -> bool:
    return False


class JobExecutor:
    """Executes the jobs of one server; `elsewhere` says whether another one can run a job."""

    def __init__(
        self,
        *,
        backend: Backend,
        store: JobRepository,
        leases: LeaseManager,
        run_times: RunTimeEstimates,
        presenter: Presenter,
        delivery_service: DeliveryService,
        clock: Clock,
        elsewhere: CanRunElsewhere = nowhere,
    ) -> None:
        self.breaker = CircuitBreaker(clock)
        self._requeue = RequeuePolicy(store=store, delivery_service=delivery_service, clock=clock)
        self._elsewhere = elsewhere
        self._abandoned: dict[str, None] = {}
        self._backend = backend
        self._store = store
        self._leases = leases
        self._run_times = run_times
        self._presenter = presenter
        self._delivery_service = delivery_service
        self._clock = clock
        self._fetching = asyncio.Semaphore(MAX_CONCURRENT_FETCHES)
        self._attempts: set[RunAttempt] = set()

    @property
    def server(self) -> str:
        return self._backend.key

    @property
    def is_busy(self) -> bool:
        return bool(self._attempts)

    @property
    def busy_for(self) -> float:
        """Estimated seconds until the server has finished its jobs."""
        now = self._clock.now()
        return sum(self._remaining(attempt.job, now) for attempt in self._attempts)

    @property
    def mean(self) -> float:
        """Average seconds of a run on this server."""
        return self._run_times.expect("", self._backend.key)

    def _remaining(self, job: Job, now: float) -> float:
        if job.state is not JobState.RUNNING:
            return 0.0
        expected = self._run_times.expect(job.spec.workflow, self._backend.key)
        return max(0.0, expected - (now - job.started)) if job.started else expected

    def cancel(self, job_id: str, by: int) -> bool:
        """Stop a job for the user `by`; return whether it is here. A run that has already ended is still delivered."""
        attempts = [attempt for attempt in self._attempts if attempt.job.id == job_id]
        for attempt in attempts:
            attempt.cancel(by)
        return bool(attempts)

    def withdraw_waiting(self) -> None:
        """Take jobs that are not running yet off the server, so that others can run them."""
        for attempt in self._attempts:
            attempt.withdraw()

    async def abandon_all(self) -> None:
        """Requeue jobs of an offline server that another one can run. May raise `DatabaseUnavailableError`."""
        for attempt in tuple(self._attempts):
            if await self._elsewhere(attempt.job, self._backend.key) and not self._backend.online:
                attempt.abandon()

    async def interrupt_abandoned(self) -> None:
        """Interrupt abandoned prompts on a server that is back online."""
        while self._abandoned and self._backend.online:
            prompt_id = next(iter(self._abandoned))
            try:
                await self._backend.interrupt(prompt_id)
            except ServerOfflineError:
                return
            except BotError as error:
                log.warning("cannot interrupt an abandoned prompt: %s", error)
            self._abandoned.pop(prompt_id, None)

    def update_status(self) -> None:
        """Refresh the messages of all jobs here: the server went offline or came back."""
        for attempt in self._attempts:
            attempt.show()

    async def execute(self, job: Job, slot: Slot) -> None:
        """Execute a RUNNING job until it ends or is requeued; `slot` is freed once its prompt has left the server.

        Raises `DatabaseUnavailableError` when the outcome could not be saved: the job is then still RUNNING.
        """
        attempt = RunAttempt(job, backend=self._backend, store=self._store, show=self._show, clock=self._clock)
        self._attempts.add(attempt)
        try:
            await self._execute(attempt, slot)
        except StaleJobError:
            log.info("job %s was taken over elsewhere", job.id)
        finally:
            slot.free()
            self._attempts.discard(attempt)
            await attempt.close()

    def _show(self, job: Job, update: JobUpdate) -> None:
        """Show a job's status, unless the lease is lost: another process may have shown its end."""
        if self._leases.holds(self._backend.key):
            self._presenter.update(job, update)

    async def _execute(self, attempt: RunAttempt, slot: Slot) -> None:
        try:
            await self._run_attempt(attempt, slot)
        except (StaleJobError, DatabaseUnavailableError):
            raise
        except ServerOfflineError:
            if attempt.is_cancelled and not attempt.job.posted:
                await self._delivery_service.cancel(attempt.job)
            else:
                await self._unreachable(attempt.job)
        except ServerFaultError as error:
            await self._faulty(attempt.job, error)
        except BotError as error:
            await self._delivery_service.fail(attempt.job, error.user_message)
        except Exception:
            log.exception("job %s crashed", attempt.job.id)
            reason = _("Something went wrong on my side. Please try again (reference {id}).", id=attempt.job.id[:8])
            await self._delivery_service.fail(attempt.job, reason)

    async def _run_attempt(self, attempt: RunAttempt, slot: Slot) -> None:
        self.breaker.begin()
        try:
            end = await attempt.follow()
        finally:
            self.breaker.left()
        if end is AttemptEnd.ABANDONED:
            await self._remember_abandoned(attempt)
        elif attempt.is_cancelled and end is not AttemptEnd.ENDED:
            await self._delivery_service.cancel(attempt.job)
        elif end is AttemptEnd.NEVER_BEGAN:
            self.breaker.failed()
            await self._requeue.requeue_later(attempt.job)
        elif end is AttemptEnd.ENDED:
            slot.free()
            self.breaker.succeeded()
            await self._collect(attempt)
        else:
            slot.free()
            await self._forgotten(attempt)

    async def _collect(self, attempt: RunAttempt) -> None:
        async with self._fetching:
            if not attempt.is_cancelled:
                self._show(attempt.job, FetchingStatus())
            try:
                outcome = await attempt.outputs.collect(attempt.job, attempt.watchdog.verdict)
            except RunForgottenError:
                if attempt.is_cancelled:
                    await self._delivery_service.cancel(attempt.job)
                else:
                    await self._requeue.requeue(attempt.job)
            except FilesGoneError as gone:
                await self._rerun_with_new_filename(attempt, gone.rest)
            else:
                self._learn(attempt.job, outcome)
                await self._end(attempt, outcome)

    # ------------------------------------------------------------------ consequences

    def _learn(self, job: Job, outcome: Outcome) -> None:
        if job.started and outcome.files and not outcome.was_stopped:
            self._run_times.record(job.spec.workflow, self._backend.key, max(0.0, self._clock.now() - job.started))

    async def _end(self, attempt: RunAttempt, outcome: Outcome) -> None:
        if attempt.is_cancelled and outcome.was_stopped:
            await self._delivery_service.cancel(attempt.job)
        elif attempt.is_withdrawn and outcome.was_stopped:
            await self._requeue.requeue(attempt.job)
        elif outcome.files:
            await self._delivery_service.succeed(attempt.job, outcome)
        elif outcome.note:
            await self._delivery_service.fail(attempt.job, outcome.note)

    async def _forgotten(self, attempt: RunAttempt) -> None:
        """Requeue a job that the server does not know: it crashed, or the prompt was removed."""
        crashed = attempt.was_running and not attempt.is_withdrawn
        if crashed:
            self.breaker.failed()
        await self._requeue.requeue(attempt.job, crashed=crashed)

    async def _remember_abandoned(self, attempt: RunAttempt) -> None:
        log.warning("job %s: %s stays offline; another server can run it", attempt.job.id, self._backend.name)
        if attempt.job.posted and len(self._abandoned) < MAX_ABANDONED:
            self._abandoned[attempt.job.prompt_id] = None
        if attempt.is_cancelled:
            await self._delivery_service.cancel(attempt.job)
        else:
            await self._requeue.requeue(attempt.job, crashed=attempt.was_running)

    async def _faulty(self, job: Job, error: ServerFaultError) -> None:
        """Handle an error answer; if it is the server's own fault (5xx), try another server."""
        if is_server_error(error):
            self.breaker.failed()
            with suppress(DatabaseUnavailableError):
                if await self._elsewhere(job, self._backend.key):
                    await self._requeue.requeue_later(job)
                    return
        await self._delivery_service.fail(job, error.user_message)

    async def _rerun_with_new_filename(self, attempt: RunAttempt, rest: Outcome) -> None:
        """Rerun once with another filename prefix; after that, deliver the remaining files."""
        job = attempt.job
        # Digits alone would be read as ComfyUI's file counter
        spec = with_new_filename_prefix(job.spec, f"_j{job.id[:8]}")
        if spec is None or job.attempts >= MAX_ATTEMPTS:
            await self._end(attempt, rest)
            return
        log.info("job %s: its files are gone or outdated; rerunning it with another filename prefix", job.id)
        await self._store.transition(job, JobState.QUEUED, spec=spec)

    async def _unreachable(self, job: Job) -> None:
        """Handle a server that accepts connections but does not answer."""
        self.breaker.failed()
        if job.posted:
            await self._delivery_service.fail(
                job,
                _("The GPU server has this request, but won't report its result. Please tell the bot's owner."),
            )
        else:
            await self._requeue.requeue_later(job)
