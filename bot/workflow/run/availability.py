"""Whether any server meets the `[requires]` table of a workflow. Pure; all else is checked for each run."""

from collections.abc import Iterator, Sequence

from bot.i18n import Message, _
from bot.workflow.graph.definitions import Definitions
from bot.workflow.manifest.sections import Requires
from bot.workflow.patterns import matching
from bot.workflow.text_format import joined, shown

MAX_NAMED = 6


def unmet(requires: Requires, servers: Sequence[Definitions]) -> Message | None:
    """Say why no server meets the requirements; None when one does, or when there are none.

    One server must meet all of them; the message names what the closest one lacks.
    """
    if requires.is_empty:
        return None
    told = [definitions for definitions in servers if definitions.nodes]
    if not told:
        return _("waiting for the first GPU server to connect.")
    lacks = min((list(_lacks(requires, definitions)) for definitions in told), key=len)
    if not lacks:
        return None
    return _("no GPU server has everything it needs. Missing: {things}.", things=joined(lacks, MAX_NAMED))


def _lacks(requires: Requires, definitions: Definitions) -> Iterator[Message]:
    for class_type, pack in requires.nodes.items():
        if class_type not in definitions.nodes:
            yield _missing_node(class_type, pack)
    for source, patterns in requires.models.items():
        if not matching(definitions.choices(source), patterns):
            yield _(
                "a model that matches “{patterns}” for “{source}”",
                patterns=shown(", ".join(patterns)),
                source=shown(source),
            )


def _missing_node(class_type: str, pack: str) -> Message:
    if pack:
        return _("the node “{node}” (install {pack})", node=shown(class_type), pack=shown(pack))
    return _("the node “{node}”", node=shown(class_type))
