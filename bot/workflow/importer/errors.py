"""Why a workflow cannot be imported, in sentences that name the node and say what to do."""

from dataclasses import dataclass

from bot.errors import InputError
from bot.i18n import Message, _
from bot.workflow.text_format import lines, shown

MAX_PROBLEMS = 20
"""An author fixes these first; a hostile file can have thousands."""


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """One reason and the node at fault; the node's fields are empty when it is the whole file."""

    reason: Message
    node_id: str = ""
    class_type: str = ""


class WorkflowImportError(InputError):
    """The file cannot become a workflow. `problems` omit the file's name, which the caller knows."""

    def __init__(self, *problems: ImportProblem | Message) -> None:
        told = [each if isinstance(each, ImportProblem) else ImportProblem(each) for each in problems[:MAX_PROBLEMS]]
        super().__init__(lines([each.reason for each in told]))
        self.problems = tuple(told)


def named(title: str, node_id: str, class_type: str) -> Message:
    """Return a node's name for messages: title, id and, unless the title already shows it, class."""
    if not title or title == class_type:
        return _("“{class_type}” (#{id})", class_type=shown(class_type), id=shown(node_id))
    return _("“{title}” (#{id}, {class_type})", title=shown(title), id=shown(node_id), class_type=shown(class_type))
