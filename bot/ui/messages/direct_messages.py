"""Direct messages: to a member whose job's message cannot show the outcome, and to guild owners about permissions.

A member gets at most one for each job, an owner at most one a day for each permission. Each is recorded before it is
sent: better none than two.
"""

import logging
from collections.abc import Callable

import discord

from bot.clock import Clock
from bot.i18n import Message, _
from bot.jobs.job import Job
from bot.jobs.repository import JobRepository
from bot.ui.messages.discord_errors import DiscordError, ErrorKind, ask_discord
from bot.ui.messages.missing_permissions import MissingPermissions, PermissionCheck
from bot.ui.messages.render import Renderer
from bot.ui.page import SILENT, Page, layout

log = logging.getLogger(__name__)

SEND_TIMEOUT = 30.0
"""Seconds for opening the channel and sending the message."""
DAY = 86_400.0


class DirectMessages:
    """Sends direct messages. A message that cannot be sent is no error: people can disable them."""

    def __init__(
        self, *, client: Callable[[], discord.Client], renderer: Renderer, store: JobRepository, clock: Clock
    ) -> None:
        self._client = client
        self._permissions = PermissionCheck(client=client, clock=clock)
        self._renderer = renderer
        self._store = store
        self._clock = clock

    async def result_waits(self, job: Job, why: ErrorKind) -> Job:
        """Tell the requester why the result is not shown, and where to find it."""
        missing = await self._permissions.find_missing(job.place) if why is ErrorKind.FORBIDDEN else None
        return await self._once(job, self._renderer.kept(job, _cause(why, missing)))

    async def failed(self, job: Job, reason: Message) -> Job:
        return await self._once(job, self._renderer.failure(job, reason))

    async def ask_for_permission(self, job: Job) -> None:
        """Tell the guild's owner which permissions are missing, and where."""
        missing = await self._permissions.find_missing(job.place)
        if missing is None:
            log.warning("job %s: Discord reports a missing permission in channel %s", job.id, job.place.channel_id)
            return
        wanted = ", ".join(missing.permissions)
        log.warning("guild %s, channel %s: missing permission: %s", missing.guild_id, job.place.channel_id, wanted)
        what, now = f"missing permission {wanted} in {missing.guild_id}", self._clock.now()
        if await self._store.has_event_since(what, now - DAY):
            return
        await self._store.record_event(what, job_id=job.id, actor="bot", now=now)
        await self._send(
            missing.owner_id, self._renderer.notice(_("Missing permission"), _request(missing), missing.locale)
        )

    async def _once(self, job: Job, page: Page) -> Job:
        if job.told:
            return job
        job = await self._store.update(job, told=True)
        await self._send(job.requester.user_id, page)
        return job

    async def _send(self, user_id: int, page: Page) -> None:
        try:
            async with ask_discord(SEND_TIMEOUT):
                channel = await self._client().create_dm(discord.Object(user_id))
                await channel.send(view=layout(page), allowed_mentions=SILENT)
        except DiscordError as error:
            level = logging.INFO if error.kind is ErrorKind.NO_DIRECT_MESSAGES else logging.WARNING
            log.log(level, "cannot send a direct message to user %s: %s", user_id, error)


def _cause(why: ErrorKind, missing: MissingPermissions | None) -> Message:
    match why:
        case ErrorKind.MESSAGE_GONE:
            return _("Your result is ready, but its message was deleted. Find it in /history.")
        case ErrorKind.PLACE_GONE:
            return _("Your result is ready, but its channel no longer exists. Find it in /history.")
        case ErrorKind.LOCKED | ErrorKind.ARCHIVED:
            return _("Your result is ready, but its thread is locked. Find it in /history.")
        case ErrorKind.FORBIDDEN if missing is not None:
            return _(
                "Your result is ready, but I can't post it in that channel (missing: **{permissions}**). "
                "Find it in /history.",
                permissions=", ".join(missing.permissions),
            )
        case ErrorKind.FORBIDDEN:
            return _("Your result is ready, but I can no longer post in that channel. Find it in /history.")
        case _:
            return _("Done! Press **Show result** under your request, or open /history.")


def _request(missing: MissingPermissions) -> Message:
    return _(
        "I can't post results in #{channel} of {guild} (missing: **{permissions}**). "
        "Please grant this to my role or in the channel.",
        channel=missing.channel_name,
        guild=missing.guild_name,
        permissions=", ".join(missing.permissions),
    )
