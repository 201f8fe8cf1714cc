"""What `/me` and `/moderate member` do: show what a member has used, may use and waits for, and what is paused."""

from collections.abc import Awaitable, Callable

import discord

from bot.clock import Clock
from bot.i18n import Message, _
from bot.jobs.job import Job
from bot.jobs.survey import Survey
from bot.policy.pauses import concerning
from bot.policy.records import PolicyRecords
from bot.ui.admission import Admission, Asker
from bot.ui.answers import in_time, show
from bot.ui.authority import Authority
from bot.ui.i18n import Languages
from bot.ui.mepage import Account, MePage
from bot.ui.requester import member_of, requester_of

ANSWER_LIMIT = 2.0
"""Seconds for what comes before an answer: Discord waits three for it."""


class Members:
    """Answers those who look at an account: their own, or as a moderator."""

    def __init__(
        self,
        *,
        policies: PolicyRecords,
        admission: Admission,
        survey: Callable[[], Awaitable[Survey]],
        authority: Authority,
        languages: Languages,
        clock: Clock,
    ) -> None:
        self._policies = policies
        self._admission = admission
        self._survey = survey
        self._authority = authority
        self._page = MePage(languages)
        self._clock = clock

    async def me(self, interaction: discord.Interaction) -> None:
        """Show somebody their own account: in this guild, or in direct messages."""
        await self._show(interaction, requester_of(interaction), _("What you have used, and what you may have"))

    async def member(self, interaction: discord.Interaction, user: discord.User | discord.Member) -> None:
        """Show a moderator the account of a member of their guild."""
        self._authority.require_moderator(interaction)
        heading = _("{who}: what they have used, and what they may have", who=f"<@{user.id}>")
        await self._show(interaction, member_of(user, interaction.guild_id), heading)

    async def _show(self, interaction: discord.Interaction, asker: Asker, heading: Message) -> None:
        async with in_time(ANSWER_LIMIT):
            account = await self._account(asker)
        await show(interaction, self._page.view(account, heading, interaction.locale.value))

    async def _account(self, asker: Asker) -> Account:
        now = self._clock.now()
        survey = await self._survey()
        pauses = await self._policies.pauses(now)
        return Account(
            guild_id=asker.guild_id,
            allowance=await self._admission.allowance(asker),
            standing=await self._policies.standing(asker.guild_id, asker.user_id, now),
            running=[job for job in survey.running if _is_of(job, asker)],
            waiting=[standing for standing in survey.waiting if _is_of(standing.job, asker)],
            pauses=concerning(pauses, asker.guild_id, asker.user_id),
            now=now,
        )


def _is_of(job: Job, asker: Asker) -> bool:
    """Whether a job counts for an account: what somebody asks for elsewhere is nobody's business here."""
    return job.requester.user_id == asker.user_id and job.place.guild_id == asker.guild_id
