"""Direct messages: what a member must be told when the job's message cannot, and what a server's owner can mend.

A member is written to once for a job, an owner once a day for a permission. That it was done is written down before it
is done: rather never than twice.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import discord

from bot.clock import Clock
from bot.i18n import Message, _
from bot.jobs.job import Job
from bot.ui.layout import SILENT, layout
from bot.ui.page import Page
from bot.ui.permissions import Lack, Permissions
from bot.ui.refusals import Meaning, RefusedError, asking_discord
from bot.ui.render import Renderer

log = logging.getLogger(__name__)

SEND_TIMEOUT = 30.0
"""Seconds for opening a conversation and writing into it."""
DAY = 86_400.0


class Notes(Protocol):
    """What telling people must write down, and look up: a part of `bot.jobs.records.JobStore`."""

    async def get(self, job_id: str) -> Job | None:
        """Return the newest version of a job."""
        ...

    async def note(self, job: Job, **changes: Any) -> Job:
        """Set fields of a job that is still ours, and return it with its newest token. Raises `IllegalMoveError`."""
        ...

    async def record(self, what: str, *, job_id: str = "", actor: str = "", now: float) -> None:
        """Write an event into the log."""
        ...

    async def recorded_since(self, what: str, since: float) -> bool:
        """Return whether such an event was written at or after this time."""
        ...


class Mailbox:
    """Writes to people directly. A message that cannot be sent is no error: most people may be written to, not all."""

    def __init__(self, *, client: Callable[[], discord.Client], renderer: Renderer, notes: Notes, clock: Clock) -> None:
        self._client = client
        self._permissions = Permissions(client=client, clock=clock)
        self._renderer = renderer
        self._notes = notes
        self._clock = clock

    async def result_waits(self, job: Job, why: Meaning) -> Job:
        """Tell the requester why the result is not shown, and where it is instead."""
        lack = await self._permissions.lack_of(job.place) if why is Meaning.FORBIDDEN else None
        return await self._once(job, self._renderer.kept(job, _cause(why, lack)))

    async def failed(self, job: Job, reason: Message) -> Job:
        """Tell the requester why there is no result."""
        return await self._once(job, self._renderer.failure(job, reason))

    async def ask_for_permission(self, job: Job) -> None:
        """Tell the owner of the server which permission is missing where."""
        lack = await self._permissions.lack_of(job.place)
        if lack is None:
            log.warning("job %s: Discord says that a permission is missing in channel %s", job.id, job.place.channel_id)
            return
        wanted = ", ".join(lack.permissions)
        log.warning("server %s, channel %s: missing permission: %s", lack.guild_id, job.place.channel_id, wanted)
        what, now = f"missing permission {wanted} in {lack.guild_id}", self._clock.now()
        if await self._notes.recorded_since(what, now - DAY):
            return
        await self._notes.record(what, job_id=job.id, actor="bot", now=now)
        await self._send(lack.owner_id, self._renderer.notice(_("Missing permission"), _request(lack), lack.locale))

    async def _once(self, job: Job, page: Page) -> Job:
        if job.told:
            return job
        job = await self._notes.note(job, told=True)
        await self._send(job.requester.user_id, page)
        return job

    async def _send(self, user_id: int, page: Page) -> None:
        try:
            async with asking_discord(SEND_TIMEOUT):
                channel = await self._client().create_dm(discord.Object(user_id))
                await channel.send(view=layout(page), allowed_mentions=SILENT)
        except RefusedError as refusal:
            level = logging.INFO if refusal.meaning is Meaning.NO_DIRECT_MESSAGES else logging.WARNING
            log.log(level, "user %s could not be written to: %s", user_id, refusal)


def _cause(why: Meaning, lack: Lack | None) -> Message:
    match why:
        case Meaning.MESSAGE_GONE:
            return _("It is done, but its message was deleted. The result waits for you in /history.")
        case Meaning.PLACE_GONE:
            return _("It is done, but its channel is gone. The result waits for you in /history.")
        case Meaning.LOCKED | Meaning.ARCHIVED:
            return _("It is done, but its thread is locked. The result waits for you in /history.")
        case Meaning.FORBIDDEN if lack is not None:
            return _(
                "It is done, but the bot may not show it in its channel: the permission {permissions} is missing. "
                "The result waits for you in /history.",
                permissions=", ".join(lack.permissions),
            )
        case Meaning.FORBIDDEN:
            return _(
                "It is done, but the bot may not show it in its channel any more. The result waits for you in /history."
            )
        case _:
            return _("It is done. Press *Show result* below your request, or use /history: the result waits there.")


def _request(lack: Lack) -> Message:
    return _(
        "Results cannot be shown in #{channel} of {guild}: the bot lacks the permission {permissions} there. "
        "Please allow it, for the bot's role or for this channel.",
        channel=lack.channel_name,
        guild=lack.guild_name,
        permissions=", ".join(lack.permissions),
    )
