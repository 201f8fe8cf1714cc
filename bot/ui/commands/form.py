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
from bot.ui.client.error_handler import explain_error
from bot.ui.commands.attachments import KeptFile, UnreadFile
from bot.ui.commands.autocomplete import Autocompleter
from bot.ui.commands.form_fields import Field, Render, file_menu, form_field
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
    error: Message | None = None
    origin: discord.Interaction | None = field(default=None, repr=False)
    """The interaction whose response shows the overview."""


class Forms:
    def __init__(self, *, submitter: JobSubmitter, autocompleter: Autocompleter, languages: Languages) -> None:
        self._submitter = submitter
        self._autocompleter = autocompleter
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

    async def ask(self, interaction: discord.Interaction, state: FormState, page: int) -> None:
        render = self._render_for(interaction)
        fields = [self._field(state, name, render) for name in state.pages[page]]
        await interaction.response.send_modal(_FormModal(self, state, fields, page))

    async def take(self, interaction: discord.Interaction, state: FormState, fields: Sequence[Field]) -> None:
        """Handle a submitted page: start the job if it was the only page, else show the overview."""
        for each in fields:
            self._take(state, each)
        state.error = await self._check(interaction, state)
        if state.error is None and len(state.pages) == 1 and state.origin is None:
            await self._submitter.submit(interaction, state.workflow, state.given)
            return
        await self._show(interaction, state)

    async def start(self, interaction: discord.Interaction, state: FormState) -> bool:
        """Submit the request; return False, and show the error, if a value is invalid."""
        state.error = await self._check(interaction, state)
        if state.error is not None:
            await self._show(interaction, state)
            return False
        await self._submitter.submit(interaction, state.workflow, state.given)
        await self.close(state, _("Sent – see below."))
        return True

    async def close(self, state: FormState, text: Message) -> None:
        """Replace the form with a sentence; raises nothing."""
        if state.origin is None:
            return
        view = discord.ui.LayoutView(timeout=None)
        view.add_item(discord.ui.TextDisplay[Any](self._render_for(state.origin)(text)))
        view.stop()
        try:
            await state.origin.edit_original_response(view=view, allowed_mentions=SILENT)
        except Exception:  # discord.py lets errors of its HTTP library through; the form is closed anyway
            return

    def _render_for(self, interaction: discord.Interaction) -> Render:
        return partial(self._languages.render, locale=interaction.locale.value)

    def _field(self, state: FormState, name: str, render: Render) -> Field:
        if name in state.kept:
            return file_menu(state.workflow, name, state.kept[name], state.given.get(name))
        return form_field(state.workflow, name, state.given.get(name), self._autocompleter, render)

    def _take(self, state: FormState, each: Field) -> None:
        answer = each.answer()
        option = state.workflow.manifest.options.get(each.name)
        if option is not None and option.source is not None and option.kind != "loras" and isinstance(answer, str):
            answer = self._autocompleter.index(option).resolve(answer) or answer
        if answer is not None:
            state.given[each.name] = answer
        elif option is None or not option.is_file:  # an empty upload field keeps the earlier attachment
            state.given.pop(each.name, None)

    async def _check(self, interaction: discord.Interaction, state: FormState) -> Message | None:
        try:
            await self._submitter.validate(interaction, state.workflow, state.given)
        except BotError as error:
            return explain_error(error)
        return None

    async def _show(self, interaction: discord.Interaction, state: FormState) -> None:
        render = self._render_for(interaction)
        view = FormView(self, state, self._text(state, render), render)
        if state.origin is not None and interaction.message is not None:
            await interaction.response.edit_message(view=view, allowed_mentions=SILENT)
            return
        await reply_view(interaction, view)
        state.origin = interaction

    def _text(self, state: FormState, render: Render) -> str:
        manifest = state.workflow.manifest
        lines = [f"**{shown(manifest.title)}**"]
        for page in state.pages:
            for name in page:
                value = state.given.get(name)
                option = manifest.options.get(name)
                group = f"{shown(option.group)} · " if option is not None and option.group else ""
                text = "–" if value is None else discord.utils.escape_markdown(shown(_display(value)))
                lines.append(f"{group}`{name}`: {text}")
        if state.error is not None:
            lines.append(f"⚠️ {render(state.error)}")
        return cut("\n".join(lines), 3500)


def _display(value: object) -> object:
    return value.filename if isinstance(value, UnreadFile) else value


class _FormModal(discord.ui.Modal):
    def __init__(self, forms: Forms, state: FormState, fields: Sequence[Field], page: int) -> None:
        count = f" {page + 1}/{len(state.pages)}" if len(state.pages) > 1 else ""
        title = f"{cut(state.workflow.manifest.title, MAX_TITLE - len(count))}{count}"
        super().__init__(title=title, timeout=LIFETIME)
        self._forms = forms
        self._state = state
        self._fields = fields
        for each in fields:
            self.add_item(each.label)

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        await self._forms.take(interaction, self._state, self._fields)

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, /) -> None:
        await interaction.client.tree.reply_error(interaction, error)


class FormView(discord.ui.LayoutView):
    """The ephemeral overview: the values so far, and buttons to start, change or discard."""

    def __init__(self, forms: Forms, state: FormState, text: str, render: Render) -> None:
        super().__init__(timeout=LIFETIME)
        self._forms = forms
        self._state = state
        tone = Tone.FAILED if state.error is not None else Tone.WAITING
        self.add_item(discord.ui.Container(discord.ui.TextDisplay[Any](text), accent_colour=tone.value))
        buttons = [self._button(render(_("Start")), self._start, discord.ButtonStyle.success)]
        for number, page in enumerate(state.pages):
            label = cut(", ".join(page), 76) if len(state.pages) > 1 else render(_("Change"))
            buttons.append(self._button(label, self._asks(number)))
        buttons.append(self._button(render(_("Discard")), self._discard, discord.ButtonStyle.danger))
        for at in range(0, len(buttons), 5):
            self.add_item(discord.ui.ActionRow(*buttons[at : at + 5]))

    async def on_error(self, interaction: discord.Interaction[Any], error: Exception, item: Any, /) -> None:
        await interaction.client.tree.reply_error(interaction, error)

    async def on_timeout(self) -> None:
        await self._forms.close(self._state, _("This form has expired. Please run the command again."))

    def _button(
        self, label: str, act: Act, style: discord.ButtonStyle = discord.ButtonStyle.secondary
    ) -> discord.ui.Button[Any]:
        button = discord.ui.Button[Any](label=label, style=style)
        button.callback = act  # type: ignore[method-assign]  # discord.py's documented way for dynamic buttons
        return button

    def _asks(self, page: int) -> Act:
        async def ask(interaction: discord.Interaction) -> None:
            await self._forms.ask(interaction, self._state, page)

        return ask

    async def _start(self, interaction: discord.Interaction) -> None:
        if await self._forms.start(interaction, self._state):
            self.stop()

    async def _discard(self, interaction: discord.Interaction) -> None:
        self.stop()
        await interaction.response.defer()
        await self._forms.close(self._state, _("Discarded."))
