"""`/me` and `/moderate member`: a member's usage, limits, active jobs and the pauses that affect them."""

from collections.abc import Awaitable, Callable

import discord

from bot.clock import Clock
from bot.i18n import Message, _
from bot.jobs.job import Job
from bot.jobs.status import QueueStatus
from bot.policy.admission import Admission, Requester
from bot.policy.pauses import concerning
from bot.policy.repository import PolicyRepository
from bot.ui.access_checks import AccessChecks
from bot.ui.commands.requester import member_of, requester_of
from bot.ui.locale import Languages
from bot.ui.pages.account import AccountPage, AccountSummary
from bot.ui.replies import in_time, reply_view

ANSWER_LIMIT = 2.0
"""Seconds for the work before an answer; Discord waits three."""


class AccountPages:
    def __init__(
        self,
        *,
        policies: PolicyRepository,
        admission: Admission,
        survey: Callable[[], Awaitable[QueueStatus]],
        access: AccessChecks,
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._admission = admission
        self._survey = survey
        self._access = access
        self._page = AccountPage(languages)
        self._clock = clock

    async def me(self, interaction: discord.Interaction) -> None:
        """Show the user their own account, in this guild or in direct messages."""
        await self._show(interaction, requester_of(interaction), _("Your usage and limits"))

    async def member(self, interaction: discord.Interaction, user: discord.User | discord.Member) -> None:
        self._access.require_moderator(interaction)
        heading = _("Usage and limits of {who}", who=f"<@{user.id}>")
        await self._show(interaction, member_of(user, interaction.guild_id), heading)

    async def _show(self, interaction: discord.Interaction, asker: Requester, heading: Message) -> None:
        async with in_time(ANSWER_LIMIT):
            account = await self._account(asker)
        await reply_view(interaction, self._page.view(account, heading, interaction.locale.value))

    async def _account(self, asker: Requester) -> AccountSummary:
        now = self._clock.now()
        survey = await self._survey()
        pauses = await self._policies.pauses(now)
        return AccountSummary(
            guild_id=asker.guild_id,
            allowance=await self._admission.allowance(asker),
            standing=await self._policies.usage(asker.guild_id, asker.user_id, now),
            running=[job for job in survey.running if _is_of(job, asker)],
            waiting=[standing for standing in survey.waiting if _is_of(standing.job, asker)],
            pauses=concerning(pauses, asker.guild_id, asker.user_id),
            now=now,
        )


def _is_of(job: Job, asker: Requester) -> bool:
    """Whether a job belongs to the account; jobs from other guilds stay private."""
    return job.requester.user_id == asker.user_id and job.place.guild_id == asker.guild_id
