"""The one way to get a file again that was deleted on the server: ask for it under another name.

A server that has a run in its cache answers an identical one with the old file names, whether or not the files are
there; the counter that names them begins anew when they are deleted, so a name may even be another's picture by now.
Under a changed prefix only the saving itself runs again. Pure.
"""

import copy
from dataclasses import replace

from bot.workflow.spec import RunSpec

PREFIX = "filename_prefix"


def saved_anew(spec: RunSpec, mark: str) -> RunSpec | None:
    """Return the run with `mark` behind the names of its files; None when they bear it already, or have no prefix."""
    graph = copy.deepcopy(spec.graph)
    savers = [node["inputs"] for node in graph.values() if isinstance(node["inputs"].get(PREFIX), str)]
    if not savers or any(inputs[PREFIX].endswith(mark) for inputs in savers):
        return None
    for inputs in savers:
        inputs[PREFIX] += mark
    return replace(spec, graph=graph)
