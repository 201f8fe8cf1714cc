"""Notes on what a draft lacks although authors would expect it, so that they know before members do."""

from collections.abc import Iterator

from bot.i18n import Message, _
from bot.workflow.graph.graph import Target
from bot.workflow.graph.input_names import is_media_input, is_model_file
from bot.workflow.importer.detect.maker import FILES, file_kind
from bot.workflow.importer.detect.reading import GraphReading
from bot.workflow.text_format import listed, shown
from bot.workflow.workflow import Workflow

_PREFIX = "prefix"
_SIDES = ("width", "height")
_BUTTONS = frozenset({"image", "video", "audio"})
"""What the upload button leaves in old files."""


def skipped(reading: GraphReading, workflow: Workflow) -> Iterator[Message]:
    bound = {target for targets in workflow.bindings.values() for target in targets}
    yield from _main_options(reading, workflow, bound)
    yield from _files(reading, bound)
    models = [value for target, value in _texts(reading) if target not in bound and is_model_file(value)]
    if models:
        yield _("Fixed models: {models}.", models=listed(dict.fromkeys(models)))
    if not reading.outputs:
        yield _("Nothing in this graph saves or shows a result. Add a node such as Save Image.")


def _main_options(reading: GraphReading, workflow: Workflow, bound: set[Target]) -> Iterator[Message]:
    kinds = {option.kind for option in workflow.manifest.options.values()}
    if not reading.samplers:
        if not bound:
            yield _("No options found for members. Add them to the manifest by hand.")
        return
    if "text" not in kinds:
        yield _("No prompt found: no sampler is connected to a text in the graph.")
    if "seed" not in kinds:
        yield _("No seed found: the same options always give the same result.")
    has_size = any(target.input_name.endswith(_SIDES) for target in bound) or "resolution" in workflow.manifest.options
    if not has_size and kinds.isdisjoint(FILES) and not _is_of_sound(reading):
        yield _("No size found: it is computed in the graph, or set in an unknown kind of node.")


def _is_of_sound(reading: GraphReading) -> bool:
    """Whether all outputs are audio."""
    classes = [reading.wiring.graph.nodes[node_id].class_type.casefold() for node_id in reading.outputs]
    return bool(classes) and all("audio" in each for each in classes)


def _files(reading: GraphReading, bound: set[Target]) -> Iterator[Message]:
    for target, value in _texts(reading):
        node = reading.wiring.graph.nodes[target.node_id]
        name = target.input_name
        if target in bound or not value or _PREFIX in name.casefold() or not is_media_input(node.class_type, name):
            continue
        if file_kind(node.class_type, name) or is_model_file(value) or value in _BUTTONS:
            continue
        yield _(
            "“{input}” of “{node}” stays “{value}”: members cannot attach this kind of file.",
            input=shown(name),
            node=shown(node.title),
            value=shown(value),
        )


def _texts(reading: GraphReading) -> Iterator[tuple[Target, str]]:
    for node in reading.nodes:
        for name, value in node.inputs.items():
            if isinstance(value, str):
                yield Target(node.id, name), value
