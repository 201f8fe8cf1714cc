"""The page of `/history`: a member's own jobs with their state, and a menu that shows a result again.

Pure: jobs in, a Discord view out. `cogs.history` answers the menu.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import discord
from discord.utils import escape_markdown

from bot.i18n import Message, _, n_
from bot.jobs.job import Delivery, Job, JobState
from bot.ui.locale import Languages, cut
from bot.ui.page import Tone

PER_PAGE = 8
"""Jobs on a page; their texts stay well below Discord's 4000 characters per message."""
CHOOSE = "cc:again"
"""The menu's custom id. Old messages keep it, so it must never change."""
TURN_PAGE = "cc:history:"
"""Prefix of the page buttons' custom ids; the page number follows."""
MAX_PROMPT = 90
MAX_REASON = 200
MAX_LABEL = 100
"""Discord's limit for a menu option."""

ICONS = {
    JobState.HELD: "⏳",
    JobState.QUEUED: "⏳",
    JobState.RUNNING: "⚙️",
    JobState.DELIVERING: "📦",
    JobState.DONE: "✅",
    JobState.FAILED: "❌",
    JobState.CANCELLED: "🚫",
}


@dataclass(frozen=True, slots=True)
class HistoryPage:
    languages: Languages

    def view(self, jobs: Sequence[Job], number: int, *, has_more: bool, locale: str) -> discord.ui.LayoutView:
        """Return page `number` (from 0); `jobs` are newest first."""
        view = discord.ui.LayoutView(timeout=None)
        texts = [self._entry(job, locale) for job in jobs] or [self._said(_empty_text(number), locale)]
        heading = self._said(_("Your requests"), locale)
        body = [discord.ui.TextDisplay[Any](f"**{heading}**"), *(discord.ui.TextDisplay[Any](text) for text in texts)]
        view.add_item(discord.ui.Container(*body, accent_colour=Tone.RUNNING.value))
        if choices := [self._choice(job, locale) for job in jobs if has_result(job)]:
            placeholder = self._said(_("Choose a result to view…"), locale)
            view.add_item(
                discord.ui.ActionRow(discord.ui.Select[Any](custom_id=CHOOSE, placeholder=placeholder, options=choices))
            )
        if buttons := self._page_buttons(number, has_more=has_more, locale=locale):
            view.add_item(discord.ui.ActionRow(*buttons))
        view.stop()  # presses are matched by custom id, so discord.py need not keep the view
        return view

    def _entry(self, job: Job, locale: str) -> str:
        title = escape_markdown(job.spec.title)
        where = _link(job)
        head = f"{ICONS[job.state]} **{f'[{title}]({where})' if where else title}** <t:{int(job.created)}:R>"
        lines = [head]
        if prompt := _prompt(job):
            lines.append(f"> {escape_markdown(cut(prompt, MAX_PROMPT))}")
        if (text := _state_text(job)) is not None:
            lines.append(cut(self._said(text, locale), MAX_REASON))
        return "\n".join(lines)

    def _choice(self, job: Job, locale: str) -> discord.SelectOption:
        label = cut(_prompt(job) or job.spec.title, MAX_LABEL)
        description = cut(f"{job.spec.title} · {self._said(_count(job), locale)}", MAX_LABEL)
        return discord.SelectOption(label=label, value=job.id, description=description)

    def _page_buttons(self, number: int, *, has_more: bool, locale: str) -> list[discord.ui.Button[Any]]:
        buttons: list[discord.ui.Button[Any]] = []
        if number > 0:
            buttons.append(self._page_button(number - 1, _("Newer"), locale))
        if has_more:
            buttons.append(self._page_button(number + 1, _("Older"), locale))
        return buttons

    def _page_button(self, number: int, label: Message, locale: str) -> discord.ui.Button[Any]:
        return discord.ui.Button(custom_id=f"{TURN_PAGE}{number}", label=self._said(label, locale))

    def _said(self, message: Message, locale: str) -> str:
        return self.languages.render(message, locale)


def has_result(job: Job) -> bool:
    return job.state is JobState.DONE


def _empty_text(number: int) -> Message:
    if number:
        return _("No older requests.")
    return _("Nothing here yet – type `/` to see the commands.")


def _count(job: Job) -> Message:
    return n_("{count} file", "{count} files", len(job.outputs))


def _prompt(job: Job) -> str:
    value = job.spec.values.get("prompt")
    return " ".join(value.split()) if isinstance(value, str) else ""


def _state_text(job: Job) -> Message | None:
    """Return the text below a job's title, if its icon does not say it all."""
    match job.state:
        case JobState.FAILED:
            return job.error or _("Failed.")
        case JobState.CANCELLED:
            return _("Cancelled.")
        case JobState.HELD | JobState.QUEUED:
            return _("Waiting.")
        case JobState.RUNNING:
            return _("Sent to the GPU server.")
        case JobState.DELIVERING:
            return _("The result is on its way.")
        case JobState.DONE:
            return _("Ready – open it below.") if job.delivery is Delivery.UNDELIVERABLE else None


def _link(job: Job) -> str:
    """Return the URL of the job's message, or nothing if it is private."""
    place = job.place
    if not place.message_id or not place.bot_can_edit or job.delivery is Delivery.UNDELIVERABLE:
        return ""
    return f"https://discord.com/channels/{place.guild_id or '@me'}/{place.channel_id}/{place.message_id}"
