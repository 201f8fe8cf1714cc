"""Forms for options that do not fit a slash command: modals of five fields, and an overview page between them.

A form keeps its values for ten minutes, shows errors and lets members correct them. No job exists before *Start*; then
the request is submitted like any other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import discord

from bot.errors import BotError
from bot.i18n import Message, _
from bot.ui.client.error_handler import CommandTree, explain_error
from bot.ui.commands.attachments import KeptFile, UnreadFile
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.form_fields import Field, Say, choice_of_files
from bot.ui.commands.form_fields import field as field_of
from bot.ui.commands.submit import JobSubmitter
from bot.ui.locale import Languages, cut
from bot.ui.page import SILENT, Tone
from bot.ui.replies import reply_view
from bot.workflow.manifest.manifest import PRESET
from bot.workflow.text_format import shown
from bot.workflow.workflow import Workflow

PER_PAGE = 5
"""Fields of a modal; Discord's limit."""
LIFETIME = 600.0
"""Seconds since the last interaction."""
MAX_PAGES = 20
MAX_TITLE = 45

Act = Callable[[discord.Interaction], Awaitable[None]]


@dataclass(slots=True)
class FormState:
    """The state of one member's form."""

    workflow: Workflow
    given: dict[str, object]
    pages: Sequence[Sequence[str]]
    """Option names, up to `PER_PAGE` on each page."""
    kept: Mapping[str, Sequence[KeptFile]] = field(default_factory=dict[str, Sequence[KeptFile]])
    """Option name → files of an earlier result to choose from instead of an attachment."""
    fault: Message | None = None
    origin: discord.Interaction | None = field(default=None, repr=False)
    """The interaction whose response shows the overview."""


class Forms:
    def __init__(
        self, *, submitter: JobSubmitter, autocompleter: Autocompleter, tree: CommandTree, languages: Languages
    ) -> None:
        self._submitter = submitter
        self._autocompleter = autocompleter
        self._tree = tree
        self._languages = languages

    async def open(
        self,
        interaction: discord.Interaction,
        workflow: Workflow,
        given: dict[str, object],
        names: Sequence[str],
        *,
        kept: Mapping[str, Sequence[KeptFile]] | None = None,
    ) -> None:
        """Ask for the options `names`; must be the first response to the interaction."""
        wanted = list(names)
        if workflow.manifest.presets and PRESET not in given and PRESET not in wanted:
            wanted.insert(0, PRESET)
        pages = [wanted[at : at + PER_PAGE] for at in range(0, len(wanted), PER_PAGE)][:MAX_PAGES]
        await self.ask(interaction, FormState(workflow, given, pages, kept or {}), 0)

    async def ask(self, interaction: discord.Interaction, sheet: FormState, page: int) -> None:
        say = self._sayer(interaction)
        fields = [self._field(sheet, name, say) for name in sheet.pages[page]]
        await interaction.response.send_modal(_FormModal(self, sheet, fields, page))

    async def take(self, interaction: discord.Interaction, sheet: FormState, fields: Sequence[Field]) -> None:
        """Handle a submitted page: start the job if it was the only page, else show the overview."""
        for each in fields:
            self._take(sheet, each)
        sheet.fault = await self._fault(interaction, sheet)
        if sheet.fault is None and len(sheet.pages) == 1 and sheet.origin is None:
            await self._submitter.submit(interaction, sheet.workflow, sheet.given)
            return
        await self._show(interaction, sheet)

    async def start(self, interaction: discord.Interaction, sheet: FormState) -> bool:
        """Submit the request; return False, and show the error, if a value is invalid."""
        sheet.fault = await self._fault(interaction, sheet)
        if sheet.fault is not None:
            await self._show(interaction, sheet)
            return False
        await self._submitter.submit(interaction, sheet.workflow, sheet.given)
        await self.retire(sheet, _("Sent – see below."))
        return True

    async def retire(self, sheet: FormState, last_word: Message) -> None:
        """Replace the form with a sentence; raises nothing."""
        if sheet.origin is None:
            return
        view = discord.ui.LayoutView(timeout=None)
        text = self._languages.render(last_word, sheet.origin.locale.value)
        view.add_item(discord.ui.TextDisplay[Any](text))
        view.stop()
        try:
            await sheet.origin.edit_original_response(view=view, allowed_mentions=SILENT)
        except Exception:  # discord.py lets errors of its HTTP library through; the form is closed anyway
            return

    async def reply(self, interaction: discord.Interaction, error: Exception) -> None:
        await self._tree.reply_error(interaction, error)

    def _sayer(self, interaction: discord.Interaction) -> Say:
        return partial(self._languages.render, locale=interaction.locale.value)

    def _field(self, sheet: FormState, name: str, say: Say) -> Field:
        if name in sheet.kept:
            return choice_of_files(sheet.workflow, name, sheet.kept[name], sheet.given.get(name))
        return field_of(sheet.workflow, name, sheet.given.get(name), self._autocompleter, say)

    def _take(self, sheet: FormState, each: Field) -> None:
        answer = each.answer()
        option = sheet.workflow.manifest.options.get(each.name)
        if option is not None and option.source is not None and option.kind != "loras" and isinstance(answer, str):
            answer = self._autocompleter.index(option).resolve(answer) or answer
        if answer is not None:
            sheet.given[each.name] = answer
        elif option is None or not option.is_file:  # an empty upload field keeps the earlier attachment
            sheet.given.pop(each.name, None)

    async def _fault(self, interaction: discord.Interaction, sheet: FormState) -> Message | None:
        try:
            await self._submitter.validate(interaction, sheet.workflow, sheet.given)
        except BotError as error:
            return explain_error(error)
        return None

    async def _show(self, interaction: discord.Interaction, sheet: FormState) -> None:
        say = self._sayer(interaction)
        view = FormView(self, sheet, self._text(sheet, say), say)
        if sheet.origin is not None and interaction.message is not None:
            await interaction.response.edit_message(view=view, allowed_mentions=SILENT)
            return
        await reply_view(interaction, view)
        sheet.origin = interaction

    def _text(self, sheet: FormState, say: Say) -> str:
        manifest = sheet.workflow.manifest
        lines = [f"**{shown(manifest.title)}**"]
        for page in sheet.pages:
            for name in page:
                value = sheet.given.get(name)
                option = manifest.options.get(name)
                group = f"{shown(option.group)} · " if option is not None and option.group else ""
                said = "–" if value is None else discord.utils.escape_markdown(shown(_spoken(value)))
                lines.append(f"{group}`{name}`: {said}")
        if sheet.fault is not None:
            lines.append(f"⚠️ {say(sheet.fault)}")
        return cut("\n".join(lines), 3500)


def _spoken(value: object) -> object:
    return value.filename if isinstance(value, UnreadFile) else value


class _FormModal(discord.ui.Modal):
    def __init__(self, forms: Forms, sheet: FormState, fields: Sequence[Field], page: int) -> None:
        count = f" {page + 1}/{len(sheet.pages)}" if len(sheet.pages) > 1 else ""
        title = f"{cut(sheet.workflow.manifest.title, MAX_TITLE - len(count))}{count}"
        super().__init__(title=title, timeout=LIFETIME)
        self._forms = forms
        self._sheet = sheet
        self._fields = fields
        for each in fields:
            self.add_item(each.label)

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        await self._forms.take(interaction, self._sheet, self._fields)

    async def on_error(self, interaction: discord.Interaction, error: Exception, /) -> None:
        await self._forms.reply(interaction, error)


class FormView(discord.ui.LayoutView):
    """The ephemeral overview: the values so far, and buttons to start, change or discard."""

    def __init__(self, forms: Forms, sheet: FormState, text: str, say: Say) -> None:
        super().__init__(timeout=LIFETIME)
        self._forms = forms
        self._sheet = sheet
        tone = Tone.FAILED if sheet.fault is not None else Tone.WAITING
        self.add_item(discord.ui.Container(discord.ui.TextDisplay[Any](text), accent_colour=tone.value))
        buttons = [self._button(say(_("Start")), self._start, discord.ButtonStyle.success)]
        for number, page in enumerate(sheet.pages):
            label = cut(", ".join(page), 76) if len(sheet.pages) > 1 else say(_("Change"))
            buttons.append(self._button(label, self._asks(number)))
        buttons.append(self._button(say(_("Discard")), self._discard, discord.ButtonStyle.danger))
        for at in range(0, len(buttons), 5):
            self.add_item(discord.ui.ActionRow(*buttons[at : at + 5]))

    async def on_error(self, interaction: discord.Interaction, error: Exception, item: Any, /) -> None:
        await self._forms.reply(interaction, error)

    async def on_timeout(self) -> None:
        await self._forms.retire(self._sheet, _("This form has expired. Please run the command again."))

    def _button(
        self, label: str, act: Act, style: discord.ButtonStyle = discord.ButtonStyle.secondary
    ) -> discord.ui.Button[Any]:
        button = discord.ui.Button[Any](label=label, style=style)
        button.callback = act  # type: ignore[method-assign]  # discord.py's documented way for dynamic buttons
        return button

    def _asks(self, page: int) -> Act:
        async def ask(interaction: discord.Interaction) -> None:
            await self._forms.ask(interaction, self._sheet, page)

        return ask

    async def _start(self, interaction: discord.Interaction) -> None:
        if await self._forms.start(interaction, self._sheet):
            self.stop()

    async def _discard(self, interaction: discord.Interaction) -> None:
        self.stop()
        await interaction.response.defer()
        await self._forms.retire(self._sheet, _("Discarded."))
