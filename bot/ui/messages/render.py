"""Renders the message of a job (waiting, running, finished or failed) as a `Page`. Pure.

Prompts are escaped, cut to one line and shown as a quote.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from discord.utils import escape_markdown

from bot.i18n import Message, _, n_, verbatim
from bot.jobs.job import Job, JobState
from bot.jobs.status import (
    CancellingStatus,
    FetchingStatus,
    JobUpdate,
    QueuedStatus,
    RunningStatus,
    ServerOffline,
)
from bot.ui.locale import Languages, cut
from bot.ui.page import Button, Page, Picture, Tone
from bot.workflow.library.next_steps import usable_files
from bot.workflow.run.spec import RunSpec

MAX_QUOTE = 1000
"""Characters of a prompt that are shown, including escapes; Discord allows 4000 in all texts of a message."""
MAX_DETAILS = 1000
MAX_WORDS = 1500
MAX_ALT = 1000
BAR_CELLS = 12
MIN_SHOWN_WAIT = 8.0
"""Seconds of waiting from which on an estimate is shown."""
# Prefixes of custom ids, followed by the job's id. Messages keep them for years, so they never change.
CANCEL = "cc:cancel:"
SHOW_RESULT = "cc:show:"
NEXT = "cc:next:"
"""Followed by the number of a next step, a colon and the job's id."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders pages in the language of the job's message."""

    languages: Languages

    def update(self, job: Job, update: JobUpdate, *, preview: bool = False) -> Page:
        """Return the page of an unfinished job; `preview` says whether an image is attached."""
        match update:
            case QueuedStatus():
                return self._with_cancel(job, self._page(job, Tone.WAITING, self.waiting(update)))
            case RunningStatus():
                pictures = (Picture("preview.jpg"),) if preview else ()
                page = self._page(job, Tone.RUNNING, self._running(update), pictures=pictures)
                return self._with_cancel(job, page)
            case ServerOffline():
                text = _("Lost contact with the GPU server. Your request will continue when it's back.")
                return self._with_cancel(job, self._page(job, Tone.WAITING, text))
            case CancellingStatus():
                return self._page(job, Tone.WAITING, _("Cancelling…"))
            case FetchingStatus():
                return self._page(job, Tone.RUNNING, _("Fetching the result…"))

    def opening(self, job: Job, status: Message) -> Page:
        """Return the first page of a request, which may still be incomplete."""
        page = self._page(job, Tone.WAITING, status)
        return self._with_cancel(job, page) if job.spec.graph else page

    def result(self, job: Job, filenames: Sequence[str], note: Message | None, words: str = "") -> Page:
        """Return the page with a result's files, and its text outputs in `words`."""
        description = cut(_prompt(job.spec), MAX_ALT)
        pictures = tuple(Picture(name, description) for name in filenames)
        page = self._page(job, Tone.DONE, note, pictures=pictures, details=self._details(job))
        page = replace(page, buttons=tuple(_next_steps(job)))
        quoted = "\n".join(f"> {line}" for line in escape_markdown(words).splitlines())
        return replace(page, status=f"{page.status}\n{cut(quoted, MAX_WORDS)}".strip()) if words else page

    def more(self, job: Job, filenames: Sequence[str], number: int, total: int) -> Page:
        """Return the page of a follow-up message with files, the `number`th message of `total`."""
        where = _("{number} of {total}", number=number, total=total)
        return replace(self.result(job, filenames, where), quote="", details="", buttons=())

    def offer(self, job: Job, page: Page) -> Page:
        """Add the button that brings a fresh token to a page of an unfinished job."""
        hint = _("Discord lets me update this message for 15 minutes. After that, press **Show result**.")
        locale = job.requester.locale
        status = f"{page.status}\n-# {self.languages.render(hint, locale)}".strip()
        label = self.languages.render(_("Show result"), locale)
        return replace(page, status=status, buttons=(Button(f"{SHOW_RESULT}{job.id}", label), *page.buttons))

    def under_way(self, job: Job) -> Page:
        """Return the page of an unfinished job from its stored state alone."""
        match job.state:
            case JobState.HELD | JobState.QUEUED:
                return self._page(job, Tone.WAITING, _("Queued – it will start automatically."))
            case JobState.RUNNING:
                return self._page(job, Tone.RUNNING, _("Sent to the GPU server."))
            case _:
                return self._page(job, Tone.RUNNING, _("Fetching the result…"))

    def failure(self, job: Job, reason: Message) -> Page:
        return self._page(job, Tone.WAITING if job.state is JobState.CANCELLED else Tone.FAILED, reason)

    def kept(self, job: Job, reason: Message) -> Page:
        """Return the direct message about a result that the job's own message cannot show."""
        return self._page(job, Tone.DONE, reason)

    def notice(self, title: Message, text: Message, locale: str) -> Page:
        """Return a page that is not about a job."""
        return Page(
            title=self.languages.render(title, locale), tone=Tone.FAILED, status=self.languages.render(text, locale)
        )

    def refusal(self, title: str, reason: Message, locale: str) -> Page:
        return Page(title=escape_markdown(title), tone=Tone.FAILED, status=self.languages.render(reason, locale))

    def _with_cancel(self, job: Job, page: Page) -> Page:
        label = self.languages.render(_("Cancel"), job.requester.locale)
        return replace(page, buttons=(*page.buttons, Button(f"{CANCEL}{job.id}", label, is_danger=True)))

    def _page(
        self, job: Job, tone: Tone, status: Message | None, *, pictures: tuple[Picture, ...] = (), details: str = ""
    ) -> Page:
        text = self.languages.render(status, job.requester.locale) if status else ""
        return Page(
            title=escape_markdown(job.spec.title),
            tone=tone,
            quote=_quote(job.spec),
            status=text,
            details=details,
            pictures=pictures,
        )

    def waiting(self, update: QueuedStatus) -> Message:
        if update.reason is not None:
            return _("On hold: {reason}", reason=update.reason)
        if update.offline:
            return _("The GPU server is offline. Your request is saved and will start automatically when it's back.")
        if update.starts_in is not None and update.starts_in >= MIN_SHOWN_WAIT:
            return _(
                "Queued: #{position} of {total} – starts in about {time}.",
                position=update.position,
                total=update.total,
                time=span(update.starts_in),
            )
        if update.total <= 1:
            return _("Queued – starting in a moment…")
        return _("Queued: #{position} of {total}.", position=update.position, total=update.total)

    def _running(self, update: RunningStatus) -> Message:
        if update.fraction is None:
            return _("You're next – starts when the current request is done.")
        if update.steps:
            work = _("step {step}/{steps}", step=update.step, steps=update.steps)
        else:
            work = verbatim(cut(update.node, 80)) if update.node else _("Starting…")
        line = _(
            "`{bar}` {percent}% · {work} · {seconds} s elapsed",
            bar=_bar(update.fraction),
            percent=int(update.fraction * 100),
            work=work,
            seconds=int(update.elapsed),
        )
        return (
            _("{line}\nThe GPU server restarted, so this run started over.", line=line) if update.resubmitted else line
        )

    def _details(self, job: Job) -> str:
        files = {upload.file.name for upload in job.spec.uploads}
        parts = [
            f"{name} {escape_markdown(cut(_one_line(_plain(value)), 120))}"
            for name, value in job.spec.values.items()
            if isinstance(value, str | int | float) and value not in ("", *files) and not _is_prompt(name, job.spec)
        ]
        took = self.languages.render(
            _("{seconds} s", seconds=max(1, round(job.finished - job.started))), job.requester.locale
        )
        return cut(" · ".join([*parts, took]), MAX_DETAILS)


def span(seconds: float) -> Message:
    """Round an estimated time to seconds (in steps of 5), minutes or hours."""
    if seconds < 55:
        return _("{seconds} s", seconds=max(5, round(seconds / 5) * 5))
    if seconds < 50 * 60:
        return n_("{count} minute", "{count} minutes", max(1, round(seconds / 60)))
    return n_("{count} hour", "{count} hours", max(1, round(seconds / 3600)))


def _next_steps(job: Job) -> Iterator[Button]:
    for number, step in enumerate(job.spec.steps):
        if usable_files(step, job.outputs):
            yield Button(f"{NEXT}{number}:{job.id}", step.label)


def _prompt(spec: RunSpec) -> str:
    value = spec.values.get("prompt")
    return _one_line(value) if isinstance(value, str) else ""


def _is_prompt(name: str, spec: RunSpec) -> bool:
    return name == "prompt" and bool(_prompt(spec))


def _quote(spec: RunSpec) -> str:
    return cut(escape_markdown(_prompt(spec)), MAX_QUOTE)


def _plain(value: str | int | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _bar(fraction: float) -> str:
    filled = round(min(max(fraction, 0.0), 1.0) * BAR_CELLS)
    return "█" * filled + "░" * (BAR_CELLS - filled)
