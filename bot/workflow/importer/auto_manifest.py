"""Makes a usable workflow from a graph without a manifest, with the options that `draft` finds in it.

Nothing is written. For other names, limits or defaults, authors draft a manifest file and edit it.
"""

from pathlib import PurePath

from bot.errors import InputError
from bot.i18n import _
from bot.workflow.errors import WorkflowError
from bot.workflow.graph.version import version
from bot.workflow.importer.add import KnownNodes, draft_file
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.manifest.manifest import Manifest
from bot.workflow.workflow import Workflow


def auto_workflow(data: bytes, file: str, known: KnownNodes) -> Workflow:
    """Return the workflow for a graph in API or UI format; `file` is its bare name.

    Takes up to a second. Raises `WorkflowError`.
    """
    try:
        made, _export = draft_file(data, PurePath(file).stem, known)
    except WorkflowImportError as error:
        raise WorkflowError(file, *(problem.reason for problem in error.problems)) from error
    except InputError as error:
        raise WorkflowError(
            file, _("is a UI-format workflow; it becomes a command once a ComfyUI server is reachable.")
        ) from error
    text, graph = made.manifest.encode(), made.workflow.graph
    return Workflow.build(made.name, Manifest.parse(text, file), graph, file, version(graph, text))
