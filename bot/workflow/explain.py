"""Why there are no pictures, in sentences for the member who asked: in terms of options, not of nodes.

Works from plain facts (`GraphFault`, `RunFailure`) and the accepted `RunSpec`. Texts of servers are cleaned again here,
whatever the adapter did with them.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from bot.i18n import Message, _, verbatim
from bot.workflow.execution import FailureKind, FaultKind, GraphFault, RunFailure
from bot.workflow.spec import RunSpec, Target
from bot.workflow.wording import cleaned, lines, shown

MAX_FAULTS = 3


def explain(faults: Sequence[GraphFault], spec: RunSpec) -> Message:
    """Say why a server refused the graph, or parts of it: the first faults, and how many more there are."""
    if not faults:
        return _("ComfyUI refused this workflow without saying why. Please tell the bot's owner.")
    sentences = {str(sentence): sentence for sentence in (_sentence(fault, spec) for fault in faults)}
    told = list(sentences.values())[:MAX_FAULTS]
    if len(sentences) > MAX_FAULTS:
        told.append(_("… and {more} more.", more=len(sentences) - MAX_FAULTS))
    return lines(told)


def explain_failure(failure: RunFailure, spec: RunSpec) -> Message:
    """Say why a run that a server had accepted gave no pictures."""
    match failure.kind:
        case FailureKind.OUT_OF_MEMORY:
            return _("The GPU ran out of memory. Try a smaller size or fewer pictures.")
        case FailureKind.INTERRUPTED:
            return _("The run was stopped on the ComfyUI server before it was done. You can start it again.")
        case FailureKind.NO_OUTPUTS:
            return _("ComfyUI finished, but saved nothing. Please tell the bot's owner.")
        case FailureKind.BLOCKED:
            return _blocked(cleaned(failure.detail))
        case FailureKind.NODE_ERROR:
            return _node_error(_title(failure.node_id, failure.class_type, spec), cleaned(failure.detail))


def _blocked(detail: str) -> Message:
    if detail:
        return _("The workflow itself stopped this run: {detail}", detail=detail)
    return _("The workflow itself stopped this run, without saying why.")


def _node_error(node: str, detail: str) -> Message:
    if detail:
        return _("The node “{node}” failed: {detail}", node=node, detail=detail)
    return _("The node “{node}” failed without saying why. Please tell the bot's owner.", node=node)


def _sentence(fault: GraphFault, spec: RunSpec) -> Message:
    match fault.kind:
        case FaultKind.MISSING_NODE:
            return _missing_node(fault)
        case FaultKind.NO_OUTPUTS:
            return _("This workflow has no node that saves a picture. Please tell the bot's owner.")
        case _:
            option = _option(fault, spec)
            return _about_input(
                fault, verbatim(option) if option else _place(fault, spec), is_option=option is not None
            )


def _missing_node(fault: GraphFault) -> Message:
    if not fault.class_type:
        return _("This workflow needs a node that this ComfyUI does not have. Please tell the bot's owner.")
    return _(
        "This workflow needs the node “{node}”, which this ComfyUI does not have. Please tell the bot's owner.",
        node=shown(fault.class_type),
    )


def _about_input(fault: GraphFault, subject: Message, *, is_option: bool) -> Message:
    match fault.kind:
        case FaultKind.TOO_SMALL:
            return _too_small(fault, subject)
        case FaultKind.TOO_BIG:
            return _too_big(fault, subject)
        case FaultKind.NOT_IN_LIST:
            return _not_in_list(fault, subject, is_option=is_option)
        case FaultKind.BAD_FILE:
            return _bad_file(subject, is_option=is_option)
        case FaultKind.MISSING_INPUT:
            return _("{subject}: ComfyUI needs a value here.", subject=subject)
        case FaultKind.WRONG_TYPE:
            return _("{subject}: ComfyUI cannot use a value of this kind here.", subject=subject)
        case _:
            return _other(cleaned(fault.detail), subject)


def _too_small(fault: GraphFault, subject: Message) -> Message:
    if fault.limit:
        return _("{subject}: too small; ComfyUI takes {limit} or more.", subject=subject, limit=shown(fault.limit, 30))
    return _("{subject}: too small for ComfyUI.", subject=subject)


def _too_big(fault: GraphFault, subject: Message) -> Message:
    if fault.limit:
        return _("{subject}: too big; ComfyUI takes {limit} or less.", subject=subject, limit=shown(fault.limit, 30))
    return _("{subject}: too big for ComfyUI.", subject=subject)


def _not_in_list(fault: GraphFault, subject: Message, *, is_option: bool) -> Message:
    received = _name_only(fault.received)
    if is_option and received:
        return _(
            "{subject}: this ComfyUI does not have “{value}”. Choose another one from the list.",
            subject=subject,
            value=received,
        )
    if is_option:
        return _("{subject}: this ComfyUI does not have that. Choose another one from the list.", subject=subject)
    if received:
        return _(
            "This workflow needs “{value}”, which this ComfyUI does not have. Please tell the bot's owner.",
            value=received,
        )
    return _("{subject}: this ComfyUI does not have what stands there. Please tell the bot's owner.", subject=subject)


def _bad_file(subject: Message, *, is_option: bool) -> Message:
    if is_option:
        return _("{subject}: ComfyUI could not open this file. Please attach it again.", subject=subject)
    return _(
        "{subject}: ComfyUI does not have the file that stands there. Please tell the bot's owner.", subject=subject
    )


def _other(detail: str, subject: Message) -> Message:
    if detail:
        return _("{subject}: {detail}", subject=subject, detail=detail)
    return _("{subject}: ComfyUI cannot use this.", subject=subject)


def _option(fault: GraphFault, spec: RunSpec) -> str | None:
    """Return the option that filled the input at fault."""
    place = Target(fault.node_id, fault.input_name)
    return next((name for name, targets in spec.options.items() if place in targets), None)


def _place(fault: GraphFault, spec: RunSpec) -> Message:
    node = _title(fault.node_id, fault.class_type, spec)
    if not node and not fault.input_name:
        return _("This workflow")
    if not fault.input_name:
        return _("The node “{node}”", node=node)
    return _("“{input}” of the node “{node}”", input=shown(fault.input_name), node=node)


def _title(node_id: str, class_type: str, spec: RunSpec) -> str:
    """Return the node's title. Nodes made while running have ids such as "7.0.0.2": there the visible one counts."""
    entry = spec.graph.get(node_id) or spec.graph.get(node_id.partition(".")[0])
    if entry is None:
        return shown(class_type or node_id)
    meta = entry.get("_meta")
    title = cast("Mapping[str, object]", meta).get("title") if isinstance(meta, Mapping) else None
    return shown(title if isinstance(title, str) and title.strip() else class_type or entry.get("class_type", node_id))


def _name_only(received: str) -> str:
    """Return the last part of a name that may lead through folders: they are nobody's business."""
    return shown(received.replace("\\", "/").rsplit("/", 1)[-1])
