"""Limits the size of a graph: a subgraph used a thousand times repeats its texts a thousand times."""

from typing import cast

from bot.i18n import _
from bot.workflow.graph.graph import MAX_BYTES
from bot.workflow.importer.errors import WorkflowImportError


class SizeBudget:
    """Adds up the size of one graph. Values must outlive it, since they are cached by `id`."""

    def __init__(self) -> None:
        self._total = 0
        self._known: dict[int, int] = {}

    def add(self, value: object) -> None:
        """Count a value. Raises `WorkflowImportError` when the graph is too large to be loaded."""
        self._total += self._weight(value)
        if self._total > MAX_BYTES:
            raise WorkflowImportError(_("would become too large: copies of its subgraphs repeat their texts."))

    def _weight(self, value: object) -> int:
        if isinstance(value, str):
            return len(value)
        if not isinstance(value, list | dict):
            return 8
        return self._measured(cast("object", value))

    def _measured(self, value: object) -> int:
        """Return the size of a list or an object; all copies of a node share it, so it is measured once."""
        if id(value) not in self._known:
            self._known[id(value)] = len(repr(value))
        return self._known[id(value)]
