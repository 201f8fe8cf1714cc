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
from bot.i18n import Message, _
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
        self._collecting = asyncio.Semaphore(MAX_CONCURRENT_FETCHES)
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
        return sum(self._remaining(visit.job, now) for visit in self._attempts)

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
        mine = [visit for visit in self._attempts if visit.job.id == job_id]
        for visit in mine:
            visit.cancel(by)
        return bool(mine)

    def withdraw_waiting(self) -> None:
        """Take jobs that are not running yet off the server, so that others can run them."""
        for visit in self._attempts:
            visit.withdraw()

    async def abandon_all(self) -> None:
        """Requeue jobs of an offline server that another one can run. May raise `DatabaseUnavailableError`."""
        for visit in tuple(self._attempts):
            if await self._elsewhere(visit.job, self._backend.key) and not self._backend.online:
                visit.abandon()

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
        for visit in self._attempts:
            visit.show()

    async def execute(self, job: Job, slot: Slot) -> None:
        """Execute a RUNNING job until it ends or is requeued; `slot` is freed once its prompt has left the server.

        Raises `DatabaseUnavailableError` when the outcome could not be saved: the job is then still RUNNING.
        """
        visit = RunAttempt(job, backend=self._backend, store=self._store, show=self._show, clock=self._clock)
        self._attempts.add(visit)
        try:
            await self._attempt(visit, slot)
        except StaleJobError:
            log.info("job %s was taken over elsewhere", job.id)
        finally:
            slot.free()
            self._attempts.discard(visit)
            await visit.close()

    def _show(self, job: Job, update: JobUpdate) -> None:
        """Show a job's status, unless the lease is lost: another process may have shown its end."""
        if self._leases.holds(self._backend.key):
            self._presenter.update(job, update)

    async def _attempt(self, visit: RunAttempt, slot: Slot) -> None:
        try:
            await self._run_attempt(visit, slot)
        except (StaleJobError, DatabaseUnavailableError):
            raise
        except ServerOfflineError:
            if visit.is_cancelled and not visit.job.posted:
                await self._delivery_service.cancel(visit.job)
            else:
                await self._unreachable(visit.job)
        except ServerFaultError as error:
            await self._faulty(visit.job, error)
        except BotError as error:
            await self._fail(visit.job, error.user_message)
        except Exception:
            log.exception("job %s crashed", visit.job.id)
            reason = _("Something went wrong on my side. Please try again (reference {id}).", id=visit.job.id[:8])
            await self._fail(visit.job, reason)

    async def _run_attempt(self, visit: RunAttempt, slot: Slot) -> None:
        self.breaker.begin()
        try:
            stay = await visit.follow()
        finally:
            self.breaker.left()
        if stay is AttemptEnd.ABANDONED:
            await self._remember_abandoned(visit)
        elif visit.is_cancelled and stay is not AttemptEnd.ENDED:
            await self._delivery_service.cancel(visit.job)
        elif stay is AttemptEnd.NEVER_BEGAN:
            self.breaker.failed()
            await self._requeue.requeue_later(visit.job)
        elif stay is AttemptEnd.ENDED:
            slot.free()
            self.breaker.succeeded()
            await self._collect(visit)
        else:
            slot.free()
            await self._forgotten(visit)

    async def _collect(self, visit: RunAttempt) -> None:
        async with self._collecting:
            if not visit.is_cancelled:
                self._show(visit.job, FetchingStatus())
            try:
                outcome = await visit.outputs.collect(visit.job, visit.watchdog.verdict)
            except RunForgottenError:
                if visit.is_cancelled:
                    await self._delivery_service.cancel(visit.job)
                else:
                    await self._requeue.requeue(visit.job)
            except FilesGoneError as gone:
                await self._rerun_with_new_filename(visit, gone.rest)
            else:
                self._learn(visit.job, outcome)
                await self._end(visit, outcome)

    # ------------------------------------------------------------------ consequences

    def _learn(self, job: Job, outcome: Outcome) -> None:
        if job.started and outcome.files and not outcome.was_stopped:
            self._run_times.record(job.spec.workflow, self._backend.key, max(0.0, self._clock.now() - job.started))

    async def _end(self, visit: RunAttempt, outcome: Outcome) -> None:
        if visit.is_cancelled and outcome.was_stopped:
            await self._delivery_service.cancel(visit.job)
        elif visit.is_withdrawn and outcome.was_stopped:
            await self._requeue.requeue(visit.job)
        elif outcome.files:
            await self._delivery_service.succeed(visit.job, outcome)
        elif outcome.note:
            await self._fail(visit.job, outcome.note)

    async def _forgotten(self, visit: RunAttempt) -> None:
        """Requeue a job that the server does not know: it crashed, or the prompt was removed."""
        crashed = visit.was_running and not visit.is_withdrawn
        if crashed:
            self.breaker.failed()
        await self._requeue.requeue(visit.job, crashed=crashed)

    async def _remember_abandoned(self, visit: RunAttempt) -> None:
        log.warning("job %s: %s stays offline; another server can run it", visit.job.id, self._backend.name)
        if visit.job.posted and len(self._abandoned) < MAX_ABANDONED:
            self._abandoned[visit.job.prompt_id] = None
        if visit.is_cancelled:
            await self._delivery_service.cancel(visit.job)
        else:
            await self._requeue.requeue(visit.job, crashed=visit.was_running)

    async def _faulty(self, job: Job, error: ServerFaultError) -> None:
        """Handle an error answer; if it is the server's own fault (5xx), try another server."""
        if is_server_error(error):
            self.breaker.failed()
            with suppress(DatabaseUnavailableError):
                if await self._elsewhere(job, self._backend.key):
                    await self._requeue.requeue_later(job)
                    return
        await self._fail(job, error.user_message)

    async def _fail(self, job: Job, reason: Message) -> None:
        await self._delivery_service.fail(job, reason)

    async def _rerun_with_new_filename(self, visit: RunAttempt, rest: Outcome) -> None:
        """Rerun once with another filename prefix; after that, deliver the remaining files."""
        job = visit.job
        spec = with_new_filename_prefix(
            job.spec, f"_j{job.id[:8]}"
        )  # digits alone would be read as ComfyUI's file counter
        if spec is None or job.attempts >= MAX_ATTEMPTS:
            await self._end(visit, rest)
            return
        log.info("job %s: its files are gone or outdated; rerunning it with another filename prefix", job.id)
        await self._store.transition(job, JobState.QUEUED, spec=spec)

    async def _unreachable(self, job: Job) -> None:
        """Handle a server that accepts connections but does not answer."""
        self.breaker.failed()
        if job.posted:
            await self._fail(
                job,
                _("The GPU server has this request, but won't report its result. Please tell the bot's owner."),
            )
        else:
            await self._requeue.requeue_later(job)
