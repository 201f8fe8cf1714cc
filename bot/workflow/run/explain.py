"""Explains failed runs to members, in terms of options where possible rather than of nodes.

Server texts are sanitized here again, whatever the adapter did with them.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from bot.i18n import Message, _
from bot.workflow.graph.graph import Target
from bot.workflow.run.events import (
    FailureKind,
    FaultKind,
    GraphFault,
    RunFailure,
)
from bot.workflow.run.spec import RunSpec
from bot.workflow.text_format import cleaned, lines, shown

MAX_FAULTS = 3


def explain(faults: Sequence[GraphFault], spec: RunSpec) -> Message:
    """Say why a server refused the graph or parts of it: up to `MAX_FAULTS` faults, and the number of others."""
    if not faults:
        return _("ComfyUI refused this workflow without giving a reason. Please tell the bot's owner.")
    sentences = {str(sentence): sentence for sentence in (_sentence(fault, spec) for fault in faults)}
    told = list(sentences.values())[:MAX_FAULTS]
    if len(sentences) > MAX_FAULTS:
        told.append(_("… and {more} more.", more=len(sentences) - MAX_FAULTS))
    return lines(told)


def explain_failure(failure: RunFailure, spec: RunSpec) -> Message:
    match failure.kind:
        case FailureKind.OUT_OF_MEMORY:
            return _("The GPU ran out of memory. Try a smaller size or fewer images.")
        case FailureKind.INTERRUPTED:
            return _("The run was stopped on the GPU server before it finished. You can start it again.")
        case FailureKind.NO_OUTPUTS:
            return _("ComfyUI finished but saved nothing. Please tell the bot's owner.")
        case FailureKind.BLOCKED:
            return _blocked(cleaned(failure.detail))
        case FailureKind.NODE_ERROR:
            return _node_error(_title(failure.node_id, failure.class_type, spec), cleaned(failure.detail))


def _blocked(detail: str) -> Message:
    if detail:
        return _("The workflow stopped itself: {detail}", detail=detail)
    return _("The workflow stopped itself without giving a reason.")


def _node_error(node: str, detail: str) -> Message:
    if detail:
        return _("The node “{node}” failed: {detail}", node=node, detail=detail)
    return _("The node “{node}” failed without giving a reason. Please tell the bot's owner.", node=node)


def _sentence(fault: GraphFault, spec: RunSpec) -> Message:
    match fault.kind:
        case FaultKind.MISSING_NODE:
            return _missing_node(fault)
        case FaultKind.NO_OUTPUTS:
            return _("This workflow has no node that saves a result. Please tell the bot's owner.")
        case _:
            option = _option(fault, spec)
            subject = Message("**{option}**", {"option": option}) if option else _place(fault, spec)
            return _about_input(fault, subject, is_option=option is not None)


def _missing_node(fault: GraphFault) -> Message:
    if not fault.class_type:
        return _("This workflow needs a node that isn't installed on the GPU server. Please tell the bot's owner.")
    return _(
        "This workflow needs the node “{node}”, which isn't installed on the GPU server. Please tell the bot's owner.",
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
            return _("{subject} needs a value.", subject=subject)
        case FaultKind.WRONG_TYPE:
            return _("{subject} can't take this type of value.", subject=subject)
        case _:
            return _other(cleaned(fault.detail), subject)


def _too_small(fault: GraphFault, subject: Message) -> Message:
    if fault.limit:
        return _("{subject} must be at least {limit}.", subject=subject, limit=shown(fault.limit, 30))
    return _("{subject} is too small for ComfyUI.", subject=subject)


def _too_big(fault: GraphFault, subject: Message) -> Message:
    if fault.limit:
        return _("{subject} must be at most {limit}.", subject=subject, limit=shown(fault.limit, 30))
    return _("{subject} is too large for ComfyUI.", subject=subject)


def _not_in_list(fault: GraphFault, subject: Message, *, is_option: bool) -> Message:
    received = _name_only(fault.received)
    if is_option and received:
        return _(
            "{subject}: “{value}” isn't available on the GPU server. Pick another one from the list.",
            subject=subject,
            value=received,
        )
    if is_option:
        return _("{subject}: that isn't available on the GPU server. Pick another one from the list.", subject=subject)
    if received:
        return _(
            "This workflow needs “{value}”, which isn't available on the GPU server. Please tell the bot's owner.",
            value=received,
        )
    return _("{subject}: that value isn't available on the GPU server. Please tell the bot's owner.", subject=subject)


def _bad_file(subject: Message, *, is_option: bool) -> Message:
    if is_option:
        return _("{subject}: ComfyUI couldn't open this file. Please attach it again.", subject=subject)
    return _("{subject}: this file isn't available on the GPU server. Please tell the bot's owner.", subject=subject)


def _other(detail: str, subject: Message) -> Message:
    if detail:
        return _("{subject}: {detail}", subject=subject, detail=detail)
    return _("{subject} was rejected by ComfyUI.", subject=subject)


def _option(fault: GraphFault, spec: RunSpec) -> str | None:
    """Return the option that filled the faulty input."""
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
    """Return the node's title; for nodes made while running ("7.0.0.2"), that of the node in the graph ("7")."""
    entry = spec.graph.get(node_id) or spec.graph.get(node_id.partition(".")[0])
    if entry is None:
        return shown(class_type or node_id)
    meta = entry.get("_meta")
    title = cast("Mapping[str, object]", meta).get("title") if isinstance(meta, Mapping) else None
    return shown(title if isinstance(title, str) and title.strip() else class_type or entry.get("class_type", node_id))


def _name_only(received: str) -> str:
    """Return a file name without its folders, which members must not see."""
    return shown(received.replace("\\", "/").rsplit("/", 1)[-1])
