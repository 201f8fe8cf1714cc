"""Carries one job at a time from a server's hands to its end, or back into the line, whatever happens.

The job was claimed just now, or was left behind by a process that is gone; what it says about itself decides which
questions come first. It knows no Discord and no HTTP: a `Backend` runs graphs, a `Deliverer` tells how it ended.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import Message, _
from bot.jobs.breaker import Breaker
from bot.jobs.deliverer import Deliverer
from bot.jobs.durations import Durations
from bot.jobs.givingback import MAX_ATTEMPTS, GivingBack
from bot.jobs.harvest import FilesGoneError, RunForgottenError
from bot.jobs.job import IllegalMoveError, Job, JobState
from bot.jobs.outcome import Outcome
from bot.jobs.ports import Backend, Presenter
from bot.jobs.records import JobStore, StoreDownError
from bot.jobs.resave import saved_anew
from bot.jobs.slots import Slot
from bot.jobs.tenancy import Tenancy
from bot.jobs.updates import Fetching, JobUpdate
from bot.jobs.visit import Stay, Visit
from bot.workflow.execution import ServerFaultError, ServerOfflineError

log = logging.getLogger(__name__)

COLLECTED_AT_ONCE = 2
"""Runs whose files are fetched at the same time; those of further ones stay on the server meanwhile."""


INTERNAL = 500
"""The first HTTP status that is the server's own fault."""
LEFT_BEHIND = 64
"""Prompts on a server that went away which are remembered, to be stopped when it is back."""

Elsewhere = Callable[[Job, str], Awaitable[bool]]
"""Says whether another server than the one with this key is there that can run a job."""


async def nowhere(_job: Job, _key: str) -> bool:
    """Say that there is no other server."""
    return False


class Carrier:
    """Carries the jobs of one server. `elsewhere` says of which jobs another one can be asked instead."""

    def __init__(
        self,
        *,
        backend: Backend,
        store: JobStore,
        tenancy: Tenancy,
        durations: Durations,
        presenter: Presenter,
        deliverer: Deliverer,
        clock: Clock,
        elsewhere: Elsewhere = nowhere,
    ) -> None:
        self.breaker = Breaker(clock)
        self._returns = GivingBack(store=store, deliverer=deliverer, clock=clock)
        self._elsewhere = elsewhere
        self._left_behind: dict[str, None] = {}
        self._backend = backend
        self._store = store
        self._tenancy = tenancy
        self._durations = durations
        self._presenter = presenter
        self._deliverer = deliverer
        self._clock = clock
        self._collecting = asyncio.Semaphore(COLLECTED_AT_ONCE)
        self._visits: set[Visit] = set()

    @property
    def server(self) -> str:
        """The key of the server."""
        return self._backend.key

    @property
    def is_busy(self) -> bool:
        """Whether it carries anything."""
        return bool(self._visits)

    @property
    def busy_for(self) -> float:
        """In how many seconds the server will have done what it has, as far as that can be foreseen."""
        now = self._clock.now()
        return sum(self._remaining(visit.job, now) for visit in self._visits)

    @property
    def mean(self) -> float:
        """About how many seconds a run takes here."""
        return self._durations.expect("", self._backend.key)

    def _remaining(self, job: Job, now: float) -> float:
        if job.state is not JobState.RUNNING:
            return 0.0
        expected = self._durations.expect(job.spec.workflow, self._backend.key)
        return max(0.0, expected - (now - job.started)) if job.started else expected

    def cancel(self, job_id: str, by: int) -> bool:
        """Stop a job for the user `by`; return whether it is carried here. What has ended is delivered all the same."""
        mine = [visit for visit in self._visits if visit.job.id == job_id]
        for visit in mine:
            visit.cancel(by)
        return bool(mine)

    def recall(self) -> None:
        """Take off the server what it does not work on yet: others shall run it."""
        for visit in self._visits:
            visit.recall()

    async def leave(self) -> None:
        """Give those jobs of a server that is away to others which they can run. May raise `StoreDownError`."""
        for visit in tuple(self._visits):
            if await self._elsewhere(visit.job, self._backend.key) and not self._backend.online:
                visit.leave()

    async def tidy_up(self) -> None:
        """Stop what was left behind on a server that is back."""
        while self._left_behind and self._backend.online:
            prompt_id = next(iter(self._left_behind))
            try:
                await self._backend.interrupt(prompt_id)
            except ServerOfflineError:
                return
            except BotError as error:
                log.warning("a prompt that was left behind cannot be stopped: %s", error)
            self._left_behind.pop(prompt_id, None)

    def inform(self) -> None:
        """Tell those whose jobs are on the server how they stand: it may have gone, or come back."""
        for visit in self._visits:
            visit.show()

    async def carry(self, job: Job, slot: Slot) -> None:
        """Bring a RUNNING job to its end, or back into the line; `slot` is free once its prompt has left the server.

        Raises `StoreDownError` when that could not be written down: the job is then still RUNNING.
        """
        visit = Visit(job, backend=self._backend, store=self._store, show=self._show, clock=self._clock)
        self._visits.add(visit)
        try:
            await self._attempt(visit, slot)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", job.id)
        finally:
            slot.free()
            self._visits.discard(visit)
            await visit.close()

    def _show(self, job: Job, update: JobUpdate) -> None:
        """Tell how a job stands, unless another instance may have told its end meanwhile."""
        if self._tenancy.holds(self._backend.key):
            self._presenter.update(job, update)

    async def _attempt(self, visit: Visit, slot: Slot) -> None:
        try:
            await self._visit(visit, slot)
        except (IllegalMoveError, StoreDownError):
            raise
        except ServerOfflineError:
            if visit.is_cancelled and not visit.job.posted:
                await self._deliverer.cancel(visit.job)
            else:
                await self._unreachable(visit.job)
        except ServerFaultError as error:
            await self._faulty(visit.job, error)
        except BotError as error:
            await self._fail(visit.job, error.user_message)
        except Exception:
            log.exception("job %s broke off", visit.job.id)
            reason = _("The bot made a mistake. Please try again (reference {id}).", id=visit.job.id[:8])
            await self._fail(visit.job, reason)

    async def _visit(self, visit: Visit, slot: Slot) -> None:
        self.breaker.begin()
        try:
            stay = await visit.follow()
        finally:
            self.breaker.left()
        if stay is Stay.LEFT:
            await self._leave_behind(visit)
        elif visit.is_cancelled and stay is not Stay.ENDED:
            await self._deliverer.cancel(visit.job)
        elif stay is Stay.NEVER_BEGAN:
            self.breaker.failed()
            await self._returns.after_a_pause(visit.job)
        elif stay is Stay.ENDED:
            slot.free()
            self.breaker.succeeded()
            await self._collect(visit)
        else:
            slot.free()
            await self._forgotten(visit)

    async def _collect(self, visit: Visit) -> None:
        async with self._collecting:
            if not visit.is_cancelled:
                self._show(visit.job, Fetching())
            try:
                outcome = await visit.harvest.collect(visit.job, visit.stall.verdict)
            except RunForgottenError:
                if visit.is_cancelled:
                    await self._deliverer.cancel(visit.job)
                else:
                    await self._returns.give_back(visit.job)
            except FilesGoneError as gone:
                await self._save_anew(visit, gone.rest)
            else:
                self._learn(visit.job, outcome)
                await self._end(visit, outcome)

    # ------------------------------------------------------------------ consequences

    def _learn(self, job: Job, outcome: Outcome) -> None:
        if job.started and outcome.files and not outcome.was_stopped:
            self._durations.learn(job.spec.workflow, self._backend.key, max(0.0, self._clock.now() - job.started))

    async def _end(self, visit: Visit, outcome: Outcome) -> None:
        if visit.is_cancelled and outcome.was_stopped:
            await self._deliverer.cancel(visit.job)
        elif visit.is_recalled and outcome.was_stopped:
            await self._returns.give_back(visit.job)
        elif outcome.files:
            await self._deliverer.succeed(visit.job, outcome)
        elif outcome.note:
            await self._fail(visit.job, outcome.note)

    async def _forgotten(self, visit: Visit) -> None:
        """Give back what the server knows nothing of: it broke down, or the prompt was taken off it."""
        crashed = visit.was_running and not visit.is_recalled
        if crashed:
            self.breaker.failed()
        await self._returns.give_back(visit.job, crashed=crashed)

    async def _leave_behind(self, visit: Visit) -> None:
        log.warning("job %s: %s stays away; another server can run it", visit.job.id, self._backend.name)
        if visit.job.posted and len(self._left_behind) < LEFT_BEHIND:
            self._left_behind[visit.job.prompt_id] = None
        if visit.is_cancelled:
            await self._deliverer.cancel(visit.job)
        else:
            await self._returns.give_back(visit.job, crashed=visit.was_running)

    async def _faulty(self, job: Job, error: ServerFaultError) -> None:
        """Draw the consequence of an answer that is the server's own error: another server may do better."""
        if error.status >= INTERNAL:
            self.breaker.failed()
            with suppress(StoreDownError):
                if await self._elsewhere(job, self._backend.key):
                    await self._returns.after_a_pause(job)
                    return
        await self._fail(job, error.user_message)

    async def _fail(self, job: Job, reason: Message) -> None:
        await self._deliverer.fail(job, reason)

    async def _save_anew(self, visit: Visit, rest: Outcome) -> None:
        """Let the run be saved under other names, once; after that, make do with the rest."""
        job = visit.job
        spec = saved_anew(job.spec, f"_j{job.id[:8]}")  # digits alone would be read as its counter
        if spec is None or job.attempts >= MAX_ATTEMPTS:
            await self._end(visit, rest)
            return
        log.info("job %s: its files are gone or old ones; it is saved again under other names", job.id)
        await self._store.move(job, JobState.QUEUED, spec=spec)

    async def _unreachable(self, job: Job) -> None:
        """Draw the consequence of a server that lets itself be connected to, and then does not answer."""
        self.breaker.failed()
        if job.posted:
            await self._fail(
                job,
                _("ComfyUI has this, but does not answer what became of it. Please tell the bot's owner."),
            )
        else:
            await self._returns.after_a_pause(job)
