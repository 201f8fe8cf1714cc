"""The next-step buttons under a result: pass one of its files to another workflow, with a form for missing options.

All who see a result can use them; the new job is the presser's own, under their own limits.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import discord
from discord.ext import commands

from bot.errors import BotError, InputError
from bot.i18n import _
from bot.jobs.repository import JobRepository, ResultStore
from bot.ui.buttons import dynamic_button
from bot.ui.commands.attachments import KeptFile
from bot.ui.commands.form import Forms
from bot.ui.commands.lookup import WorkflowLookup
from bot.ui.commands.submit import JobSubmitter
from bot.ui.messages.render import NEXT
from bot.ui.replies import ANSWER_TIMEOUT, in_time
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.next_steps import handed_on, usable_files
from bot.workflow.manifest.options import ImageOption
from bot.workflow.manifest.sections import MAX_ACTIONS
from bot.workflow.run.spec import NextStep
from bot.workflow.workflow import Workflow


class NextStepButtons(commands.Cog):
    def __init__(
        self,
        *,
        bot: discord.Client,
        store: JobRepository,
        results: ResultStore,
        lookup: WorkflowLookup,
        definitions: Callable[[], Definitions],
        submitter: JobSubmitter,
        forms: Forms,
    ) -> None:
        self._bot = bot
        self._store = store
        self._results = results
        self._lookup = lookup
        self._definitions = definitions
        self._submitter = submitter
        self._forms = forms
        self._buttons = [
            dynamic_button(f"{NEXT}{number}:", partial(self._press, number=number)) for number in range(MAX_ACTIONS)
        ]

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(*self._buttons)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(*self._buttons)

    async def _press(self, interaction: discord.Interaction[Any], job_id: str, *, number: int) -> None:
        """Start step `number` (from 0) of a job's result."""
        async with in_time(ANSWER_TIMEOUT):
            job = await self._store.get(job_id)
        if job is None or number >= len(job.spec.steps):
            raise InputError(_("This result is too old for buttons. Save the file and attach it to the command."))
        step = job.spec.steps[number]
        target = self._lookup.resolve(step.workflow)
        option = target.manifest.options.get(step.input)
        if option is None or not option.is_file:
            raise _changed(target.name)
        given = handed_on(step, job.spec.values, target, self._definitions())
        files = [
            KeptFile(job.outputs[place].filename, job.id, place, self._results)
            for place in usable_files(step, job.outputs)
        ]
        if not files:
            raise InputError(_("/{name} can't use any of these files.", name=target.name))
        if len(files) == 1:
            given[step.input] = files[0]
        lacking = list(_lacking(step, target, given))
        if lacking:
            await self._forms.open(interaction, target, given, lacking, kept={step.input: files})
        else:
            await self._submitter.submit(interaction, target, given)


def _lacking(step: NextStep, target: Workflow, given: Mapping[str, object]) -> Iterator[str]:
    """Yield the options to ask for: first the file, then required ones."""
    if step.input not in given:
        yield step.input
    option, mask = target.manifest.options[step.input], target.manifest.mask_for(step.input)
    if isinstance(option, ImageOption) and option.needs_mask and mask is not None:
        yield mask  # results have no transparent part that could serve as the mask
    for name, each in target.manifest.ordered_options():
        if each.required and name not in (*given, step.input, mask):
            yield name


def _changed(name: str) -> BotError:
    return InputError(_("/{name} no longer accepts this kind of file. Please use the command itself.", name=name))
