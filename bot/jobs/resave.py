"""Reruns a job whose output files were deleted on the server, under another filename prefix.

A server with the run in its cache answers an identical prompt with the old file names, whether or not the files exist;
the file counter restarts after a deletion, so a name may even belong to another member's image by now. With another
prefix only the saving node runs again. Pure.
"""

import copy
from dataclasses import replace

from bot.workflow.spec import RunSpec

PREFIX = "filename_prefix"


def saved_anew(spec: RunSpec, mark: str) -> RunSpec | None:
    """Return the run with `mark` appended to its filename prefixes; None if already done, or if it has no prefix."""
    graph = copy.deepcopy(spec.graph)
    savers = [node["inputs"] for node in graph.values() if isinstance(node["inputs"].get(PREFIX), str)]
    if not savers or any(inputs[PREFIX].endswith(mark) for inputs in savers):
        return None
    for inputs in savers:
        inputs[PREFIX] += mark
    return replace(spec, graph=graph)
