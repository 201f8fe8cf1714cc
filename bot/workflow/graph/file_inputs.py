"""Finds inputs of nodes that take file names.

ComfyUI opens any path in them, even outside its folders, so text that a member typed must never reach such an input.
"""

from bot.workflow.graph.graph import Graph, Target
from bot.workflow.graph.input_names import is_media_input, is_model_input

_MATERIAL = frozenset(
    {"clip", "model", "vae", "samples", "latent_image", "conditioning", "positive", "image", "images"}
)
"""A node with one of these inputs does not output plain text, so the search ends there."""


def file_input_behind(graph: Graph, target: Target, *, models: bool) -> Target | None:
    """Return the file input that a value in `target` would reach, directly or through nodes that pass text on.

    `models` says whether names of model files count.
    """

    def is_file(place: Target) -> bool:
        names = graph.nodes[place.node_id].class_type, place.input_name
        return is_media_input(*names) or (models and is_model_input(*names))

    if is_file(target):
        return target
    seen: set[str] = set()
    waiting = [target.node_id]
    while waiting:
        node_id = waiting.pop()
        if node_id in seen or not _MATERIAL.isdisjoint(name for name, _link in graph.nodes[node_id].links()):
            continue
        seen.add(node_id)
        for reader in (Target(*place) for place in graph.readers(node_id)):
            if is_file(reader):
                return reader
            waiting.append(reader.node_id)
    return None
