"""Resolves "<title>.<input>" or "#<id>.<input>" to exactly one input of the graph.

Never guesses: an address that matches no input, or several, is an error that lists the candidates.
"""

from collections.abc import Iterator, Sequence

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError
from bot.workflow.graph.graph import Graph, Node, Target, is_link
from bot.workflow.text_format import listed, nearest, shown


def resolve(graph: Graph, address: str) -> Target:
    """Return the one input that `address` names. Raises `RefusedValueError` with the candidates."""
    found = {
        (node.id, name): node
        for selector, name in _splits(address)
        for node in _select(graph, selector)
        if name in node.inputs
    }
    if len(found) > 1:
        candidates = listed(f"#{node_id}.{name}" for node_id, name in found)
        raise RefusedValueError(
            _(
                "“{address}” names several inputs. Use one of {candidates}.",
                address=shown(address),
                candidates=candidates,
            )
        )
    if not found:
        raise RefusedValueError(_why_nothing(graph, address))
    ((node_id, name), node) = next(iter(found.items()))
    if is_link(node.inputs[name]):
        raise RefusedValueError(_why_linked(graph, address, node.inputs[name][0]))
    return Target(node_id, name)


def resolve_node(graph: Graph, selector: str) -> str:
    """Return the id of the one node that a title or "#id" names. Raises `RefusedValueError` with the candidates."""
    nodes = _select(graph, selector)
    if len(nodes) == 1:
        return nodes[0].id
    if nodes:
        ids = listed(f"#{node.id}" for node in nodes)
        raise RefusedValueError(
            _("“{title}” is the title of several nodes. Use one of {ids}.", title=shown(selector), ids=ids)
        )
    raise RefusedValueError(_no_node(graph, selector))


def _splits(address: str) -> Iterator[tuple[str, str]]:
    """Split at each dot, last one first: titles, ids and the inputs of dynamic nodes can all contain dots."""
    for at in range(len(address) - 1, -1, -1):
        if address[at] == ".":
            yield address[:at].strip(), address[at + 1 :].strip()


def _select(graph: Graph, selector: str) -> list[Node]:
    if selector.startswith("#"):
        node = graph.nodes.get(selector[1:])
        return [node] if node else []
    return [node for node in graph.nodes.values() if node.title == selector]


def _why_nothing(graph: Graph, address: str) -> Message:
    split = next(((selector, name) for selector, name in _splits(address) if _select(graph, selector)), None)
    if split is None:
        selector, dot, _name = address.rpartition(".")
        if not dot:
            return _("“{address}” must look like “Node title.input” or “#id.input”.", address=shown(address))
        return _no_node(graph, selector)
    selector, name = split
    free = [key for node in _select(graph, selector) for key, value in node.inputs.items() if not is_link(value)]
    guess = nearest(name, free)
    if guess is not None:
        return _(
            "“{node}” has no input “{input}”. Did you mean “{guess}”?",
            node=shown(selector),
            input=shown(name),
            guess=shown(guess),
        )
    return _(
        "“{node}” has no input “{input}”. Its inputs: {inputs}.",
        node=shown(selector),
        input=shown(name),
        inputs=listed(free),
    )


def _no_node(graph: Graph, selector: str) -> Message:
    if not selector.startswith("#"):
        guess = nearest(selector, [node.title for node in graph.nodes.values()])
        if guess is not None:
            return _("no node is titled “{title}”. Did you mean “{guess}”?", title=shown(selector), guess=shown(guess))
    return _(
        "there is no node “{node}”. The graph has: {nodes}.", node=shown(selector), nodes=listed(_names(graph), 20)
    )


def _names(graph: Graph) -> Sequence[str]:
    return [f"{node.title} (#{node.id})" for node in graph.nodes.values()]


def _why_linked(graph: Graph, address: str, feeder_id: str) -> Message:
    return _(
        "“{address}” is fed by the node “{node}” (#{id}). Bind an input of that node instead.",
        address=shown(address),
        node=shown(graph.nodes[feeder_id].title),
        id=shown(feeder_id),
    )
