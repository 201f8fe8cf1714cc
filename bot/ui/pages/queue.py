"""The page of `/queue`: running jobs, the head of the queue, and the reader's own jobs behind it.

Pure: a queue status in, a Discord view out. Jobs from other guilds show neither member nor title.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import discord
from discord.utils import escape_markdown

from bot.i18n import Message, _, n_
from bot.jobs.job import Job
from bot.jobs.status import QueuePosition, QueueStatus
from bot.ui.locale import Languages, cut
from bot.ui.messages.render import span
from bot.ui.page import Tone
from bot.ui.replies import text_page

SHOWN = 10
"""Waiting jobs that all readers see."""
OWN_SHOWN = 5
"""The reader's own jobs shown behind those."""
RUNNING_SHOWN = 8
MAX_NAME = 40
MAX_REASON = 200
HELD = "⏸️"
"""Marks a job that is on hold while others start."""


@dataclass(frozen=True, slots=True)
class Reader:
    user_id: int
    guild_id: int | None
    locale: str


@dataclass(frozen=True, slots=True)
class QueuePage:
    languages: Languages
    fraction: Callable[[str], float | None] = lambda _job_id: None
    """The progress of a running job by id, from 0 to 1; None if unknown."""

    def view(self, status: QueueStatus, reader: Reader) -> discord.ui.LayoutView:
        tone = Tone.RUNNING if status.running or status.total else Tone.WAITING
        return text_page(self._said(_("Queue"), reader), list(self._sections(status, reader)), tone=tone)

    def _sections(self, status: QueueStatus, reader: Reader) -> Iterator[str]:
        if status.is_offline:
            yield self._said(_("GPU server offline – the queue resumes automatically."), reader)
        if status.running:
            yield "\n".join(self._running(job, reader) for job in status.running[:RUNNING_SHOWN])
        if not status.total:
            yield self._said(_empty_text(status), reader)
            return
        lines = [self._waiting(position, reader) for position in _shown_positions(status, reader)]
        waiting = n_("1 request waiting", "{count} requests waiting", status.total)
        yield "\n".join([self._said(waiting, reader), *lines])

    def _running(self, job: Job, reader: Reader) -> str:
        fraction = self.fraction(job.id)
        progress = "" if fraction is None else f" · {fraction * 100:.0f}%"
        return f"⚙️ {self._job_text(job, reader)}{progress}"

    def _waiting(self, position: QueuePosition, reader: Reader) -> str:
        parts = [self._job_text(position.job, reader)]
        if position.reason is not None:
            parts.append(self._blocked(position.job, position.reason, reader))
        elif position.starts_in is not None:
            parts.append(self._said(_("starts in about {time}", time=span(position.starts_in)), reader))
        return f"{position.position}\\. {' · '.join(parts)}"

    def _blocked(self, job: Job, reason: Message, reader: Reader) -> str:
        """Only the job's member sees the reason: it can be a moderator's remark about them."""
        if job.requester.user_id != reader.user_id:
            return HELD
        return f"{HELD} {cut(self._said(reason, reader), MAX_REASON)}"

    def _job_text(self, job: Job, reader: Reader) -> str:
        if job.requester.user_id == reader.user_id:
            return f"**{self._said(_('you'), reader)}** · {escape_markdown(job.spec.title)}"
        if job.place.guild_id is None or job.place.guild_id != reader.guild_id:
            return self._said(_("a request from elsewhere"), reader)
        return f"{escape_markdown(cut(job.requester.name, MAX_NAME))} · {escape_markdown(job.spec.title)}"

    def _said(self, message: Message, reader: Reader) -> str:
        return self.languages.render(message, reader.locale)


def _empty_text(status: QueueStatus) -> Message:
    if status.running or status.is_offline:
        return _("The queue is empty – your request would be next.")
    return _("The queue is empty – your request would start right away.")


def _shown_positions(status: QueueStatus, reader: Reader) -> list[QueuePosition]:
    """Return the head of the queue, and the reader's own jobs behind it."""
    head = list(status.waiting[:SHOWN])
    own = [position for position in status.waiting[SHOWN:] if position.job.requester.user_id == reader.user_id]
    return head + own[:OWN_SHOWN]
