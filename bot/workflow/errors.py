"""What is wrong with the files of a workflow, in sentences for its author.

Knows nothing of what the sentences are about; graph, manifest and binding raise, the catalogue collects.
"""

from bot.errors import InputError
from bot.i18n import Message, verbatim
from bot.workflow.wording import lines


class WorkflowError(InputError):
    """A workflow file cannot be used. `reasons` stand without the file's name, which `user_message` adds."""

    def __init__(self, source: str, *reasons: Message) -> None:
        super().__init__(lines([Message("{file}: {reason}", {"file": source, "reason": reason}) for reason in reasons]))
        self.source = source
        self.reasons = reasons


class RefusedValueError(ValueError):
    """A value cannot be used; `reason` says what would do. A ValueError, so that pydantic collects it as well."""

    def __init__(self, reason: Message | str, *, key: str = "") -> None:
        """`key` is the key of a table that is at fault, where that is not clear from the place."""
        super().__init__(str(reason))
        self.key = key
        self.reason = reason if isinstance(reason, Message) else verbatim(reason)
