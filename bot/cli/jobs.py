"""`python -m bot jobs`: lists, shows, requeues and fails jobs, whether or not a bot is running.

Uses only the database. Requeueing or failing a job raises its epoch, so a bot that is running it drops it; the bot
then notifies the member.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from bot.clock import Clock, SystemClock
from bot.errors import InputError
from bot.i18n import _, verbatim
from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.jobs.repository import JobRepository
from bot.log import configure_logging
from bot.settings import Settings, load_settings
from bot.storage.database import open_store

NO_REASON = "The bot's owner stopped this request."
PROMPT_SHOWN = 60
"""Characters of the prompt shown in a list."""
MAX_LIMIT = 10_000
"""Upper limit of `jobs list --limit`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="action")

    listing = actions.add_parser("list", help="list recent jobs")
    listing.add_argument(
        "--state",
        action="append",
        default=[],
        choices=[str(state) for state in JobState],
        help="only jobs in this state; repeatable",
    )
    listing.add_argument("--limit", type=_count, default=50, help="maximum number of jobs (default: 50)")
    listing.set_defaults(action="list")

    show = actions.add_parser("show", help="show one job")
    requeue = actions.add_parser("requeue", help="queue a failed, cancelled or running job again")
    fail = actions.add_parser("fail", help="fail a job and notify its member")
    for action, command in (("show", show), ("requeue", requeue), ("fail", fail)):
        command.add_argument("id", help="the job's id, or its first characters")
        command.set_defaults(action=action)
    fail.add_argument("--reason", default="", help="reason shown to the member")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_LIMIT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    configure_logging("ERROR", "console")
    for line in asyncio.run(_run(arguments)):
        print(line)
    return 0


async def _run(arguments: argparse.Namespace) -> Sequence[str]:
    async with opened_beside(load_settings()) as store:
        commands = JobCommands(store=store, clock=SystemClock())
        match arguments.action:
            case "list":
                return await commands.list([JobState(state) for state in arguments.state], arguments.limit)
            case "show":
                return await commands.show(arguments.id)
            case "requeue":
                return await commands.requeue(arguments.id)
            case _:
                return await commands.fail(arguments.id, arguments.reason)


@asynccontextmanager
async def opened_beside(settings: Settings) -> AsyncGenerator[JobRepository]:
    """Open the database beside a running bot. Raises `StartupError`."""
    store = await open_store(
        settings.database_url.get_secret_value(), synchronous=settings.database_synchronous, exclusive=False
    )
    try:
        yield store
    finally:
        await store.close()


class JobCommands:
    """The four subcommands; each returns the lines to print. Raises `InputError` if one isn't possible."""

    def __init__(self, *, store: JobRepository, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list(self, states: Sequence[JobState], limit: int) -> Sequence[str]:
        """Return one line per job, newest first, then the number of jobs per state."""
        jobs = await self._store.browse(states, limit=limit)
        counts = await self._store.count()
        total = ", ".join(f"{counts[state]} {state}" for state in JobState if counts.get(state))
        summary = _("Total: {counts}.", counts=total) if total else _("No jobs.")
        return [*(_line(job) for job in jobs), str(summary)]

    async def show(self, prefix: str) -> Sequence[str]:
        """Return the details of a job, without tokens and images."""
        return list(_facts(await self._one(prefix)))

    async def requeue(self, prefix: str) -> Sequence[str]:
        """Queue a failed, cancelled or running job again."""
        job = await self._one(prefix)
        if job.state in (JobState.HELD, JobState.QUEUED, JobState.DELIVERING, JobState.DONE):
            raise InputError(_("Job {id} is {state} and can't be queued again.", id=job.id, state=job.state))
        if not job.spec.graph:
            raise InputError(_("Job {id} was never fully accepted; the member must ask again.", id=job.id))
        moved = await self._change(
            job,
            JobState.QUEUED,
            attempts=0,
            losses=0,
            not_before=0.0,
            error=None,
            delivery=Delivery.NONE,
            tries=0,
            told=False,
        )
        return [str(_("Job {id} is queued again.", id=moved.id))]

    async def fail(self, prefix: str, reason: str) -> Sequence[str]:
        """Fail a job; the bot tells the member why."""
        job = await self._one(prefix)
        if job.state.is_final:
            raise InputError(_("Job {id} has already ended ({state}).", id=job.id, state=job.state))
        moved = await self._change(
            job,
            JobState.FAILED,
            error=verbatim(reason) if reason else _(NO_REASON),
            delivery=Delivery.PENDING,
            not_before=0.0,
            finished=self._clock.now(),
        )
        return [
            str(_("Job {id} is now failed. The bot notifies the member, or does so when it next starts.", id=moved.id))
        ]

    async def _change(self, job: Job, state: JobState, **changes: object) -> Job:
        seized = await self._store.take_over(job.id)
        if seized is None or seized.state is not job.state:
            raise _changed(job)
        try:
            return await self._store.transition(seized, state, **changes)
        except StaleJobError as error:
            raise _changed(job) from error

    async def _one(self, prefix: str) -> Job:
        found = await self._store.find(prefix)
        if not found:
            raise InputError(_("No job id starts with {prefix}. Run `jobs list` to see recent ones.", prefix=prefix))
        if len(found) > 1:
            ids = ", ".join(job.id for job in found)
            raise InputError(
                _("Several job ids start with {prefix}: {ids}. Add more characters.", prefix=prefix, ids=ids)
            )
        return found[0]


def _changed(job: Job) -> InputError:
    return InputError(_("Job {id} changed meanwhile; run `jobs show` again.", id=job.id))


def _line(job: Job) -> str:
    prompt = " ".join(str(job.spec.values.get("prompt", "")).split())
    shown = prompt if len(prompt) <= PROMPT_SHOWN else f"{prompt[: PROMPT_SHOWN - 1]}…"
    return f"{job.id[:8]}  {_time(job.created)}  {job.state:<10} {job.spec.workflow:<12} {job.requester.name}  {shown}"


def _facts(job: Job) -> Iterator[str]:
    facts: dict[str, object] = {
        "job": job.id,
        "state": job.state,
        "delivery": job.delivery,
        "workflow": job.spec.workflow,
        "version": job.spec.version or "–",
        "member": f"{job.requester.name} ({job.requester.user_id})",
        "message": f"{job.place.guild_id or '@me'}/{job.place.channel_id}/{job.place.message_id}",
        "created": _time(job.created),
        "started": _time(job.started),
        "finished": _time(job.finished),
        "server": job.server,
        "prompt id": job.prompt_id,
        "attempts": f"{job.attempts} ({job.losses} lost)",
        "images": len(job.outputs),
        "note": job.note or "",
        "error": job.error or "",
        **{f"option {name}": value for name, value in job.spec.values.items()},
    }
    for name, value in facts.items():
        if value not in ("", None):
            yield f"{name + ':':<18}{value}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S") if at else "–"
