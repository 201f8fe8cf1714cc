"""Next steps with a result: their target workflow, the files they accept, and the values they pass on. Pure.

Like the graph, they are fixed when a run is accepted; whether they still work is checked when a button is pressed.
"""

from collections.abc import Iterator, Mapping, Sequence

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.definitions import Definitions
from bot.workflow.manifest.file_kinds import is_taken_by
from bot.workflow.manifest.sections import Action
from bot.workflow.run.events import TEXT, OutputRef
from bot.workflow.run.prepare import fits
from bot.workflow.run.spec import NextStep
from bot.workflow.text_format import listed, nearest, shown
from bot.workflow.workflow import Workflow


def next_steps(workflow: Workflow, offered: Mapping[str, Workflow]) -> Iterator[NextStep]:
    """Yield the steps to workflows that are `offered` now (command name → workflow)."""
    for action in workflow.manifest.actions.values():
        if action.workflow in offered and broken_action(action, offered) is None:
            kind = offered[action.workflow].manifest.options[action.input].kind
            yield NextStep(action.label, action.workflow, action.input, kind, action.keep, dict(action.values))


def usable_files(step: NextStep, outputs: Sequence[OutputRef]) -> list[int]:
    """Return the indexes of the files of a result that a step accepts."""
    return [number for number, ref in enumerate(outputs) if ref.folder != TEXT and is_taken_by(step.kind, ref.filename)]


def handed_on(
    step: NextStep, values: Mapping[str, object], target: Workflow, definitions: Definitions
) -> dict[str, object]:
    """Return what `target` gets besides the file; `values` are those of the finished run.

    Values that `target` does not accept are left out: the member who presses the button cannot correct them.
    """
    given = {name: values[name] for name in step.keep if name in values} | dict(step.values)
    return {name: value for name, value in given.items() if fits(target, name, value, definitions)}


def broken_action(action: Action, workflows: Mapping[str, Workflow]) -> Message | None:
    """Say why a step cannot work with these workflows; None if it can."""
    target = workflows.get(action.workflow)
    if target is None:
        return None if action.optional else _no_target(action, workflows)
    options = target.manifest.options
    if action.input not in options or not options[action.input].is_file:
        files = listed([name for name, option in options.items() if option.is_file])
        return _(
            "input: “{name}” is not a file option of “{workflow}”. Available: {files}.",
            name=shown(action.input),
            workflow=target.name,
            files=files,
        )
    settable = [name for name, option in options.items() if not option.is_hidden and not option.is_file]
    for name in (*action.keep, *action.values):
        if name not in settable:
            return _(
                "“{workflow}” has no option “{name}” that can be set. Available: {known}.",
                workflow=target.name,
                name=shown(name),
                known=listed(settable, 25),
            )
    return _unfit_value(action, target)


def _no_target(action: Action, workflows: Mapping[str, Workflow]) -> Message:
    guess = nearest(action.workflow, workflows)
    if guess is not None:
        return _(
            "workflow: there is no command “{name}”. Did you mean “{guess}”?", name=shown(action.workflow), guess=guess
        )
    return _(
        "workflow: there is no valid “{name}” in this folder. Add it, or remove this action.",
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
