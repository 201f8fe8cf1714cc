"""Makes a usable workflow of a graph that nobody wrote a manifest for: what `draft` finds in it is its command.

Nothing is written: whoever wants other names, limits or defaults drafts a manifest to a file, and edits that.
"""

from pathlib import PurePath

from bot.errors import InputError
from bot.i18n import _
from bot.workflow.errors import WorkflowError
from bot.workflow.importer.adding import Known, drafted
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.manifest import Manifest
from bot.workflow.version import version
from bot.workflow.workflow import Workflow


def guessed(data: bytes, file: str, known: Known) -> Workflow:
    """Return the workflow that a graph would be, as the editor saved or exported it; `file` is its bare name.

    Takes up to a second. Raises `WorkflowError`.
    """
    try:
        made, _export = drafted(data, PurePath(file).stem, known)
    except WorkflowImportError as error:
        raise WorkflowError(file, *(problem.reason for problem in error.problems)) from error
    except InputError as error:
        raise WorkflowError(
            file, _("is as ComfyUI's editor saves it: it becomes a command when a server tells what its nodes take.")
        ) from error
    text, graph = made.manifest.encode(), made.workflow.graph
    return Workflow.build(made.name, Manifest.parse(text, file), graph, file, version(graph, text))
