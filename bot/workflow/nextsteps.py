"""Next steps with a result: where they lead, which of its files they take, and what is handed on. Pure.

They are fixed when a run is accepted, like its graph; whether they can be taken is seen when a button is pressed.
"""

from collections.abc import Iterator, Mapping, Sequence

from bot.i18n import Message, _
from bot.workflow.definitions import Definitions
from bot.workflow.errors import RefusedValueError
from bot.workflow.execution import TEXT, OutputRef
from bot.workflow.extras import Action
from bot.workflow.filekinds import is_taken_by
from bot.workflow.prepare import fits
from bot.workflow.spec import NextStep
from bot.workflow.wording import listed, nearest, shown
from bot.workflow.workflow import Workflow


def next_steps(workflow: Workflow, offered: Mapping[str, Workflow]) -> Iterator[NextStep]:
    """Yield the steps that lead to something that is `offered` now (command name → workflow)."""
    for action in workflow.manifest.actions.values():
        if action.workflow in offered and why_loose(action, offered) is None:
            kind = offered[action.workflow].manifest.options[action.input].kind
            yield NextStep(action.label, action.workflow, action.input, kind, action.keep, dict(action.values))


def takeable(step: NextStep, outputs: Sequence[OutputRef]) -> list[int]:
    """Return which files of a result a step takes, as numbers from 0."""
    return [number for number, ref in enumerate(outputs) if ref.folder != TEXT and is_taken_by(step.kind, ref.filename)]


def handed_on(
    step: NextStep, values: Mapping[str, object], target: Workflow, definitions: Definitions
) -> dict[str, object]:
    """Return what the other workflow is given beside the file; `values` are those of the run that has ended.

    What does not fit there (any more) is left out: who presses the button did not say it, and cannot mend it.
    """
    given = {name: values[name] for name in step.keep if name in values} | dict(step.values)
    return {name: value for name, value in given.items() if fits(target, name, value, definitions)}


def why_loose(action: Action, workflows: Mapping[str, Workflow]) -> Message | None:
    """Say why a step leads nowhere among these workflows; None when it does not."""
    target = workflows.get(action.workflow)
    if target is None:
        return None if action.optional else _no_target(action, workflows)
    options = target.manifest.options
    if action.input not in options or not options[action.input].is_file:
        files = listed([name for name, option in options.items() if option.is_file])
        return _(
            "input: “{name}” is no picture or file of “{workflow}”. It has: {files}.",
            name=shown(action.input),
            workflow=target.name,
            files=files,
        )
    settable = [name for name, option in options.items() if not option.is_hidden and not option.is_file]
    for name in (*action.keep, *action.values):
        if name not in settable:
            return _(
                "“{workflow}” has no option “{name}” that can be set. It has: {known}.",
                workflow=target.name,
                name=shown(name),
                known=listed(settable, 25),
            )
    return _unfit_value(action, target)


def _no_target(action: Action, workflows: Mapping[str, Workflow]) -> Message:
    guess = nearest(action.workflow, workflows)
    if guess is not None:
        return _("workflow: there is no “{name}”. Did you mean “{guess}”?", name=shown(action.workflow), guess=guess)
    return _(
        "workflow: there is no usable “{name}” in this folder. Add it, or take the action out.",
        name=shown(action.workflow),
    )


def _unfit_value(action: Action, target: Workflow) -> Message | None:
    for name, value in action.values.items():
        option = target.manifest.options[name]
        try:
            option.read(value, option.own_limits())
        except RefusedValueError as refusal:
            return _("values: {option}: {reason}", option=name, reason=refusal.reason)
    return None
