"""Answers `/me` and `/moderate member`: a member's usage, limits, active jobs and the pauses that affect them."""

import discord

from bot.clock import Clock
from bot.i18n import Message
from bot.jobs.job import Job
from bot.jobs.scheduling.queue_view import QueueView
from bot.policy.admission import Admission, Requester
from bot.policy.pauses import concerning
from bot.policy.repository import PolicyRepository
from bot.ui.locale import Languages
from bot.ui.pages.account import AccountPage, AccountSummary
from bot.ui.replies import ANSWER_TIMEOUT, in_time, reply_view


class AccountService:
    def __init__(
        self,
        *,
        policies: PolicyRepository,
        admission: Admission,
        queue_view: QueueView,
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._admission = admission
        self._queue_view = queue_view
        self._page = AccountPage(languages)
        self._clock = clock

    async def show(self, interaction: discord.Interaction, requester: Requester, heading: Message) -> None:
        """Answer with a member's account in a guild or in direct messages."""
        async with in_time(ANSWER_TIMEOUT):
            account = await self._read(requester)
        await reply_view(interaction, self._page.view(account, heading, interaction.locale.value))

    async def _read(self, requester: Requester) -> AccountSummary:
        now = self._clock.now()
        queue = await self._queue_view.status()
        pauses = await self._policies.pauses(now)
        return AccountSummary(
            guild_id=requester.guild_id,
            allowance=await self._admission.allowance(requester),
            usage=await self._policies.usage(requester.guild_id, requester.user_id, now),
            running=[job for job in queue.running if _is_of(job, requester)],
            waiting=[position for position in queue.waiting if _is_of(position.job, requester)],
            pauses=concerning(pauses, requester.guild_id, requester.user_id),
            now=now,
        )


def _is_of(job: Job, requester: Requester) -> bool:
    """Whether a job belongs to the account; jobs from other guilds stay private."""
    return job.requester.user_id == requester.user_id and job.place.guild_id == requester.guild_id
