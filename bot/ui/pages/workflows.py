"""The pages of `/workflow`: all workflows, the details of one, and the changes after a reload.

Pure: no I/O; texts and a Discord view out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import discord

from bot.i18n import Message, _
from bot.policy.guild_workflows import EVERYWHERE, GuildLimits, GuildWorkflowRules
from bot.ui.locale import Languages
from bot.ui.page import Tone
from bot.ui.replies import text_page
from bot.workflow.importer.risks import risks
from bot.workflow.library.catalog import Problem
from bot.workflow.library.library import Changes, LibraryEntry
from bot.workflow.text_format import lines, listed, shown, tidy
from bot.workflow.workflow import Workflow

ON, OFF, BROKEN, KEPT = "🟢", "⚪", "🔴", "🟠"
MEGAPIXEL = 1024 * 1024
MAX_PROBLEMS = 3
ReasonOff = Callable[[Workflow], Message | None]


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    languages: Languages

    def overview(
        self, entries: Sequence[LibraryEntry], reason_off: ReasonOff, rules: GuildWorkflowRules, locale: str
    ) -> discord.ui.LayoutView:
        """Return the page of all workflows; those with problems first."""
        ranked = sorted(entries, key=lambda entry: (entry.workflow is not None and not entry.problems, entry.name))
        messages = [self._row(entry, reason_off, rules) for entry in ranked]
        if not messages:
            messages = [_("No workflows yet. Upload one with `/workflow add`.")]
        heading = self.languages.render(_("Workflows"), locale)
        tone = Tone.FAILED if any(entry.problems for entry in entries) else Tone.RUNNING
        return text_page(heading, [self.languages.render(message, locale) for message in messages], tone=tone)

    def details(
        self, entry: LibraryEntry, off: Message | None, rules: GuildWorkflowRules, locale: str
    ) -> discord.ui.LayoutView:
        messages = [*self._problems(entry, 20), *([off] if off else [])]
        if entry.workflow is not None:
            messages += _details(entry.workflow)
            messages += _guild_settings(entry.workflow, rules)
        tone = Tone.FAILED if entry.problems else Tone.RUNNING
        texts = [self.languages.render(message, locale) for message in messages]
        return text_page(f"/{shown(entry.name)}", texts, tone=tone)

    def changes(self, changes: Changes, problems: Sequence[Problem]) -> Message:
        found = [
            (_("New: {names}.", names=listed(changes.added)), changes.added),
            (_("Changed: {names}.", names=listed(changes.changed)), changes.changed),
            (_("Removed: {names}.", names=listed(changes.removed)), changes.removed),
            (_("Errors (previous version stays active): {names}.", names=listed(changes.kept)), changes.kept),
        ]
        told = [message for message, names in found if names] or [_("No workflows changed.")]
        told += [Message("- {file}: {why}", {"file": shown(each.file), "why": each.message}) for each in problems[:10]]
        return lines(told)

    def limits(self, limits: GuildLimits) -> Message:
        found = [
            (_("{most} px per side", most=limits.max_side), limits.max_side),
            (_("{most} megapixels per image", most=tidy(round(limits.max_pixels / MEGAPIXEL, 2))), limits.max_pixels),
            (_("{most} steps", most=limits.max_steps), limits.max_steps),
            (_("{most} images", most=limits.max_count), limits.max_count),
        ]
        told = [message for message, most in found if most]
        if not told:
            return _("No per-request limits are set for this Discord server.")
        return lines([_("Limits per request in this Discord server:"), *(_dash(each) for each in told)])

    def _row(self, entry: LibraryEntry, reason_off: ReasonOff, rules: GuildWorkflowRules) -> Message:
        workflow = entry.workflow
        if workflow is None:
            head = _("{mark} **{name}** is broken", mark=BROKEN, name=shown(entry.name))
            return lines([head, *self._problems(entry, MAX_PROBLEMS)])
        off = reason_off(workflow)
        if off is None and not rules.is_ever_enabled(workflow.name):
            off = _("disabled in this Discord server.")
        mark = KEPT if entry.is_kept else OFF if off else ON
        facts = {"mark": mark, "name": workflow.name, "title": shown(workflow.manifest.title)}
        rows = [Message("{mark} **/{name}** – {title}", facts)]
        rows += [_dash(off)] if off else []
        rows += [_dash(_("its files have errors; the previous version stays active:"))] if entry.is_kept else []
        rows += self._problems(entry, MAX_PROBLEMS)
        return lines(rows)

    def _problems(self, entry: LibraryEntry, most: int) -> Iterator[Message]:
        yield from (_dash(problem) for problem in entry.problems[:most])
        if len(entry.problems) > most:
            yield _dash(_("and {count} more", count=len(entry.problems) - most))


def _details(workflow: Workflow) -> Iterator[Message]:
    manifest = workflow.manifest
    yield Message("{title}: {text}", {"title": shown(manifest.title), "text": shown(manifest.description, 100)})
    yield _("Options: {names}", names=listed([name for name, _option in manifest.ordered_options()], 25))
    if manifest.presets:
        yield _("Presets: {names}", names=listed([preset.title for preset in manifest.presets.values()]))
    yield _("Files: {manifest}, version {version}", manifest=shown(workflow.source), version=workflow.version or "–")
    given = {target for targets in workflow.bindings.values() for target in targets}
    for warning in risks(workflow.graph, given):
        yield Message("⚠️ {warning}", {"warning": warning})


def _guild_settings(workflow: Workflow, rules: GuildWorkflowRules) -> Iterator[Message]:
    for rule in rules.rules:
        if rule.workflow != workflow.name:
            continue
        place = _("this Discord server") if rule.channel_id == EVERYWHERE else _("<#{id}>", id=rule.channel_id)
        if rule.is_enabled is not None:
            state = _("on") if rule.is_enabled else _("off")
            yield Message("{place}: {state}", {"place": place, "state": state})
        for name, value in rule.defaults.items():
            yield _("{place}: default for `{option}` is {value}", place=place, option=name, value=shown(value))


def _dash(message: Message) -> Message:
    return Message("- {message}", {"message": message})
