"""Reads the state of the servers, their running jobs, and the waiting jobs that each cannot run."""

from collections import Counter
from collections.abc import Mapping

from bot.jobs.repository import JobRepository
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.server_registry import ServerRegistry
from bot.ui.pages.servers import ServerView
from bot.workflow.run.needs import MissingResource

MAX_JOBS = 200
"""Waiting jobs that are checked against the servers."""
MAX_CLASSES = 20
"""Classes of requirements among them, the most frequent first."""


async def read_servers(registry: ServerRegistry, store: JobRepository, queue_view: QueueView) -> list[ServerView]:
    """Raises `DatabaseUnavailableError`."""
    records = await registry.servers()
    running = Counter(job.server for job in (await queue_view.status()).running)
    incompatible, missing = await _incompatible_jobs(registry, store)
    return [
        ServerView(
            record,
            jobs=running[record.key],
            incompatible_jobs=incompatible[record.key],
            missing=list(missing.get(record.key, {}).values()),
        )
        for record in records
    ]


async def _incompatible_jobs(
    registry: ServerRegistry, store: JobRepository
) -> tuple[Counter[str], Mapping[str, dict[str, MissingResource]]]:
    """Return, per server key, how many waiting jobs it cannot run and what it lacks for them."""
    snapshot = await store.snapshot(MAX_JOBS)
    classes = Counter(job.cls for job in snapshot.waiting if job.cls)
    incompatible: Counter[str] = Counter()
    missing: dict[str, dict[str, MissingResource]] = {}
    for cls, jobs in classes.most_common(MAX_CLASSES):
        for key, compatibility in (await registry.compatibility(cls)).items():
            if not compatibility.is_compatible:
                incompatible[key] += jobs
                missing.setdefault(key, {}).update({str(lack.message): lack for lack in compatibility.missing})
    return incompatible, missing
