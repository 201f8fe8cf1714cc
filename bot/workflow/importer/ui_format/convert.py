"""Converts what ComfyUI's editor saves (UI format) into the graph to submit (API format).

Pure: takes a document and the server's `/object_info`. Follows the rules of the editor's own export, found by comparing
its inputs and outputs. Nodes of subgraphs get the id `host:inner`.
"""

import re
from collections.abc import Mapping
from typing import Any

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.graph import JsonGraph, require_plain
from bot.workflow.importer.errors import ImportProblem, WorkflowImportError, named
from bot.workflow.importer.files.document import DocumentKind, kind_of
from bot.workflow.importer.ui_format.classes import (
    NO_DEFAULT,
    NodeClass,
    NodeClasses,
    Widget,
)
from bot.workflow.importer.ui_format.groups import Groups, is_group
from bot.workflow.importer.ui_format.links import Given, Links, Source
from bot.workflow.importer.ui_format.promoted import Promotions
from bot.workflow.importer.ui_format.scopes import Layout, SubgraphScope
from bot.workflow.importer.ui_format.size_limits import SizeBudget
from bot.workflow.importer.ui_format.texts import (
    Choose,
    dynamic_prompt,
    fill_tokens,
    first,
)
from bot.workflow.importer.ui_format.ui_graph import (
    BYPASSED,
    MUTED,
    UiNode,
    UiWorkflow,
)
from bot.workflow.importer.ui_format.virtual import BROADCASTING, VIRTUAL
from bot.workflow.importer.ui_format.widget_values import WidgetValues
from bot.workflow.importer.ui_format.widgets import (
    Values,
    fault,
    misplaced,
    placed,
    plain_value,
    posted,
)
from bot.workflow.json_access import text
from bot.workflow.text_format import shown

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""The type of a node that represents a subgraph."""


def convert(document: object, object_info: Mapping[str, Any], *, choose: Choose = first) -> JsonGraph:
    """Return the graph of a UI-format workflow. `choose` picks from `{a|b}` in prompts.

    Raises `WorkflowImportError`, which names every node whose class the server lacks, or that was saved with another
    version of its class; also for a document that is not UI format, is too large or has circular links.
    """
    if kind_of(document) is not DocumentKind.UI:
        raise WorkflowImportError(_("is not a workflow saved by ComfyUI's editor."))
    try:
        require_plain(document)
    except RefusedValueError as refusal:
        raise WorkflowImportError(refusal.reason) from refusal
    if not object_info:
        raise WorkflowImportError(
            _("is a UI-format workflow; converting it needs a ComfyUI server. Start ComfyUI, then try again.")
        )
    return _Conversion(UiWorkflow.read(document), NodeClasses(object_info), choose).run()


class _Conversion:
    def __init__(self, workflow: UiWorkflow, classes: NodeClasses, choose: Choose) -> None:
        self._workflow = workflow
        self._classes = classes
        self._links = Links(classes)
        self._choose = choose
        self._problems: list[ImportProblem] = []
        self._graph: JsonGraph = {}
        self._weights = SizeBudget()

    def run(self) -> JsonGraph:
        promotions = Promotions(self._workflow.subgraphs, self._classes)
        root = Layout(self._workflow, promotions, Groups(self._workflow.groups, self._places)).lay_out()
        self._holdings = WidgetValues(root, self._classes)
        for scope, node in root.walk():
            if node.mode not in (MUTED, BYPASSED) and not self._is_virtual(node):
                self._add(scope, node)
        if self._problems:
            raise WorkflowImportError(*self._problems)
        return self._graph

    def _is_virtual(self, node: UiNode) -> bool:
        return node.type in VIRTUAL and self._classes.get(node.type) is None

    def _places(self, node: UiNode) -> int:
        """Return how many of the saved values belong to a node of a group."""
        node_class = self._classes.get(node.type)
        saved = node.values if isinstance(node.values, list) else []
        return sum(1 for _placed in placed(node_class, saved)) if node_class else len(saved)

    def _add(self, scope: SubgraphScope, node: UiNode) -> None:
        node_class = self._classes.get(node.type)
        unusable = _unusable(node, node_class)
        if unusable is not None or node_class is None:
            self._complain(scope, node, unusable or _missing(node))
            return
        values = self._holdings.of(scope, node)
        linked = self._linked(scope, node, values)
        kept = {name: each for name, each in values.items() if name not in linked and each[1] is not NO_DEFAULT}
        self._check(scope, node, node_class, kept)
        own = {name: self._posted(scope, node_class, *each) for name, each in kept.items()}
        self._graph[scope.id_of(node)] = {
            "inputs": own | linked,
            "class_type": node.type,
            "_meta": {"title": node.title or node_class.display_name or node.type},
        }

    def _linked(self, scope: SubgraphScope, node: UiNode, values: Values) -> dict[str, Any]:
        """Return the inputs that other nodes feed; store values held by subgraph hosts in `values`."""
        linked: dict[str, Any] = {}
        for slot in node.inputs:
            found = self._links.feeding(scope, slot) if slot.link is not None else None
            if isinstance(found, Source):
                linked[slot.name] = [found.node_id, found.slot]
            elif isinstance(found, Given) and slot.name in values:
                widget = values[slot.name][0]
                values[slot.name] = (widget, plain_value(widget, found.value))
        return linked

    def _posted(self, scope: SubgraphScope, node_class: NodeClass, widget: Widget, value: Any) -> Any:
        self._weights.add(value)
        if not isinstance(value, str):
            return posted(value)
        if widget.options.get("dynamicPrompts") is True:
            return dynamic_prompt(value, self._choose)
        if widget.name == "filename_prefix" and scope.host is None and _fills_tokens(node_class):
            return fill_tokens(value, self._holdings.token)
        return value

    def _check(self, scope: SubgraphScope, node: UiNode, node_class: NodeClass, values: Values) -> None:
        wrong = misplaced(node_class, node)
        if wrong is None:
            faults = ((name, fault(widget, value)) for name, (widget, value) in values.items())
            wrong = next((_("“{input}” {fault}", input=shown(name), fault=each) for name, each in faults if each), None)
        if wrong is not None:
            self._complain(
                scope,
                node,
                _(
                    "{fault}: it was saved with another version of this node."
                    " Open the workflow in ComfyUI, set the node's values again and save it",
                    fault=wrong,
                ),
            )

    def _complain(self, scope: SubgraphScope, node: UiNode, reason: Message) -> None:
        node_id = scope.id_of(node)
        whom = named(node.title, node_id, node.type)
        sentence = Message("{node}: {reason}.", {"node": whom, "reason": reason})
        self._problems.append(ImportProblem(sentence, node_id, node.type))


def _unusable(node: UiNode, node_class: NodeClass | None) -> Message | None:
    """Return why the node cannot run here, whatever its values; None when it can."""
    if node.type in BROADCASTING:
        return _("feeds inputs without links, which only works in the editor. Link them, then remove this node")
    if node_class is not None and node_class.needs_browser:
        return _("needs ComfyUI's editor to be open. Use a node that loads a file instead")
    return None if node_class is not None else _missing(node)


def _missing(node: UiNode) -> Message:
    """Return how to get a class that the server lacks."""
    if is_group(node):
        return _("its group is not in the file. Open the workflow in ComfyUI and save it again")
    if _UUID.fullmatch(node.type):
        return _("its subgraph is not in the file. Open the workflow in ComfyUI and save it again")
    package = text(node.properties.get("cnr_id")) or text(node.properties.get("aux_id"))
    if package == "comfy-core":
        return _("not installed on the ComfyUI server. Update ComfyUI")
    if package:
        return _("not installed on the ComfyUI server. Install the node pack {package}", package=shown(package))
    return _("not installed on the ComfyUI server. Install its node pack, or remove the node")


def _fills_tokens(node_class: NodeClass) -> bool:
    """Whether the editor fills tokens in this class's file name: it does for all that save files, except one."""
    return node_class.is_output and node_class.name != "CheckpointSave"
