"""Carries one job at a time from a server's hands to its end, or back into the line, whatever happens.

The job was claimed just now, or was left behind by a process that is gone; what it says about itself decides which
questions come first. It knows no Discord and no HTTP: a `Backend` runs graphs, a `Deliverer` tells how it ended.
"""

import asyncio
import logging

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import Message, _, n_
from bot.jobs.deliverer import Deliverer
from bot.jobs.durations import Durations
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
from bot.workflow.execution import ServerOfflineError

log = logging.getLogger(__name__)

MAX_LOSSES = 5
"""How often a server may break down while it works on a job before the job is taken for the reason."""
MAX_ATTEMPTS = 25
"""How often a job is claimed at all, counting tries that never reached a server and losses while it only waited."""
LOSS_PAUSES = (0.0, 2.0, 5.0, 10.0)
"""Seconds in which nobody takes a job that a server broke down on, by how often that happened."""
GIVE_BACK_PAUSES = (1.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds that a place on the server stays empty after a job could not be handed in, by the job's attempts."""
COLLECTED_AT_ONCE = 2
"""Runs whose files are fetched at the same time; those of further ones stay on the server meanwhile."""


class Carrier:
    """Carries the jobs of one server."""

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
    ) -> None:
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

    def _remaining(self, job: Job, now: float) -> float:
        if job.state is not JobState.RUNNING:
            return 0.0
        expected = self._durations.expect(job.spec.workflow, self._backend.key)
        return max(0.0, expected - (now - job.started)) if job.started else expected

    def cancel(self, job_id: str, by: int) -> None:
        """Stop a job for the user `by`, if it is carried here; what has ended already is delivered all the same."""
        for visit in self._visits:
            if visit.job.id == job_id:
                visit.cancel(by)

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
        except BotError as error:
            await self._fail(visit.job, error.user_message)
        except Exception:
            log.exception("job %s broke off", visit.job.id)
            reason = _("The bot made a mistake. Please try again (reference {id}).", id=visit.job.id[:8])
            await self._fail(visit.job, reason)

    async def _visit(self, visit: Visit, slot: Slot) -> None:
        stay = await (visit.resume() if visit.job.posted else visit.begin())
        if visit.is_cancelled and stay is not Stay.ENDED:
            await self._deliverer.cancel(visit.job)
            return
        if stay is Stay.NEVER_BEGAN:
            await self._pause_and_give_back(visit.job)
            return
        slot.free()
        if stay is Stay.FORGOTTEN:
            await self._give_back(visit.job, crashed=visit.was_running)
        else:
            await self._collect(visit)

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
                    await self._give_back(visit.job, crashed=False)
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
        elif outcome.files:
            await self._deliverer.succeed(visit.job, outcome)
        elif outcome.note:
            await self._fail(visit.job, outcome.note)

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
        if job.posted:
            await self._fail(
                job,
                _("ComfyUI has this, but does not answer what became of it. Please tell the bot's owner."),
            )
        else:
            await self._pause_and_give_back(job)

    async def _pause_and_give_back(self, job: Job) -> None:
        """Do so after a while, so that a server which takes nothing is not offered the whole line."""
        await self._clock.sleep(_pause(GIVE_BACK_PAUSES, job.attempts))
        await self._give_back(job, crashed=False)

    async def _give_back(self, job: Job, *, crashed: bool) -> None:
        """Let the job wait for another turn, in its old place, unless it had enough of them."""
        losses = job.losses + crashed
        if losses > MAX_LOSSES:
            await self._fail(job, _too_much(losses))
        elif job.attempts >= MAX_ATTEMPTS:
            await self._fail(
                job, _("ComfyUI could not be reached for this job, or lost it each time. Please try again later.")
            )
        else:
            log.warning("job %s goes back to the queue (lost %d times while it ran)", job.id, losses)
            pause = _pause(LOSS_PAUSES, losses) if crashed else 0.0
            await self._store.move(job, JobState.QUEUED, losses=losses, not_before=self._clock.now() + pause)


def _pause(pauses: tuple[float, ...], count: int) -> float:
    return pauses[min(max(count, 1), len(pauses)) - 1]


def _too_much(losses: int) -> Message:
    return n_(
        "ComfyUI broke down while it worked on this.",
        "ComfyUI broke down {count} times while it worked on this. It may be too much for it:"
        " try a smaller size or fewer pictures.",
        losses,
    )
