"""What keeps a workflow from being imported, in sentences that name the node and say what to do.

Knows nothing of formats: the readers and the converter raise, whoever asked shows or collects.
"""

from dataclasses import dataclass

from bot.errors import InputError
from bot.i18n import Message, _
from bot.workflow.wording import lines, shown

MAX_PROBLEMS = 20
"""Beyond these an author fixes some first; a hostile file holds thousands."""


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """One reason, and the node at fault; the node's fields are empty where the whole file is at fault."""

    reason: Message
    node_id: str = ""
    class_type: str = ""


class WorkflowImportError(InputError):
    """The file cannot become a workflow. `problems` stand without the file's name, which the caller knows."""

    def __init__(self, *problems: ImportProblem | Message) -> None:
        told = [each if isinstance(each, ImportProblem) else ImportProblem(each) for each in problems[:MAX_PROBLEMS]]
        super().__init__(lines([each.reason for each in told]))
        self.problems = tuple(told)


def named(title: str, node_id: str, class_type: str) -> Message:
    """Return how a node is spoken of: by its title, its id and, when the title does not tell it, its class."""
    if not title or title == class_type:
        return _("“{class_type}” (#{id})", class_type=shown(class_type), id=shown(node_id))
    return _("“{title}” (#{id}, {class_type})", title=shown(title), id=shown(node_id), class_type=shown(class_type))
