"""What a workflow needs and the connected servers lack, as messages for its author.

Pure: compares a workflow with a snapshot of definitions.
"""

from collections.abc import Iterator

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import Target
from bot.workflow.graph.server_check import GraphCheck, Others
from bot.workflow.manifest.options import ChoiceOption
from bot.workflow.run.availability import unmet
from bot.workflow.run.live_limits import allowed, input_definitions
from bot.workflow.text_format import listed, shown
from bot.workflow.workflow import Workflow


def check(workflow: Workflow, definitions: Definitions, others: Others | None = None) -> list[Message]:
    """List what keeps a workflow from running on these servers; nothing while no server is known.

    `others` are further servers by name; messages mention those that have what is missing.
    """
    if not definitions.nodes:
        return []
    graph = GraphCheck(
        workflow.graph,
        definitions,
        bound=set(_bound(workflow)),
        outputs=workflow.outputs,
        others=others or {},
    )
    found = [
        *graph.classes(workflow.manifest.requires.nodes),
        *_missing_inputs(workflow, definitions),
        *_missing_choices(workflow, definitions),
        *_refused_values(workflow, definitions),
        *graph.values(),
        *graph.gaps(),
        *graph.links(),
        *_useless_outputs(workflow, definitions),
    ]
    reason = unmet(workflow.manifest.requires, [definitions])
    return found if reason is None else [*found, _("is disabled: {reason}", reason=reason)]


def _bound(workflow: Workflow) -> Iterator[Target]:
    for targets in workflow.bindings.values():
        yield from targets
    yield from workflow.fits.values()
    for node_id in workflow.loaders.values():
        yield from (Target(node_id, name) for name in workflow.graph.nodes[node_id].inputs)


def _missing_inputs(workflow: Workflow, definitions: Definitions) -> Iterator[Message]:
    for name, targets in workflow.bindings.items():
        fit = workflow.fits.get(name)
        for target in targets if fit is None else (*targets, fit):
            node = workflow.graph.nodes[target.node_id]
            if node.class_type in definitions.nodes and not definitions.input(node.class_type, target.input_name):
                yield _(
                    "the option “{option}” fills “{input}” of “{node}”, but no connected ComfyUI server has that input."
                    " Export the workflow again.",
                    option=name,
                    input=shown(target.input_name),
                    node=shown(node.title),
                )


def _missing_choices(workflow: Workflow, definitions: Definitions) -> Iterator[Message]:
    """Report empty live lists, and entries of the author's lists that no server offers."""
    for name, option in workflow.manifest.options.items():
        if option.source is not None and not definitions.choices(option.source):
            yield _(
                "the option “{option}” has no choices: no connected ComfyUI server offers “{source}”."
                " Add such a file to a server, or correct “from”.",
                option=name,
                source=shown(option.source),
            )
        if not isinstance(option, ChoiceOption):
            continue
        for definition in input_definitions(workflow, name, definitions):
            unknown = [choice.label for choice in option.choices if str(choice.value) not in definition.choices]
            if definition.choices and unknown:
                yield _(
                    "the option “{option}” offers choices that no connected ComfyUI server has: {choices}."
                    " Remove them from “choices”.",
                    option=name,
                    choices=listed(unknown),
                )


def _refused_values(workflow: Workflow, definitions: Definitions) -> Iterator[Message]:
    """Report default values that the servers refuse."""
    for name, option in workflow.manifest.options.items():
        unsaid = None if option.is_hidden else workflow.unsaid_value(name)
        limits = allowed(workflow, name, definitions)
        if unsaid is None or limits.live == ():
            continue
        try:
            option.read(unsaid, limits)
        except RefusedValueError as refusal:
            yield _("the default of option “{option}” {reason}", option=name, reason=refusal.reason)


def _useless_outputs(workflow: Workflow, definitions: Definitions) -> Iterator[Message]:
    nodes = workflow.graph.nodes
    known = {
        node.id: definitions.nodes[node.class_type] for node in nodes.values() if node.class_type in definitions.nodes
    }
    for node_id in workflow.outputs:
        if node_id in known and not known[node_id].is_output:
            yield _(
                "outputs: “{node}” doesn't save or show anything. Name a node that does, such as Save Image.",
                node=shown(nodes[node_id].title),
            )
    if len(known) == len(nodes) and not any(each.is_output for each in known.values()):
        yield _("has no node that saves or shows anything. Add one, such as Save Image.")
