"""Errors about workflow files and values. Graph, manifest and binding raise them; the catalog collects them."""

from bot.errors import InputError
from bot.i18n import Message, verbatim
from bot.workflow.text_format import lines


class WorkflowError(InputError):
    """A workflow file cannot be used. `user_message` adds the file name, `reasons` do not contain it."""

    def __init__(self, source: str, *reasons: Message) -> None:
        super().__init__(lines([Message("{file}: {reason}", {"file": source, "reason": reason}) for reason in reasons]))
        self.source = source
        self.reasons = reasons


class RefusedValueError(ValueError):
    """A value is not accepted. `reason` continues a sentence that begins with the option: "must be at least 8.".

    A ValueError, so that pydantic collects it.
    """

    def __init__(self, reason: Message | str, *, key: str = "") -> None:
        """`key` is the offending key of a table, where pydantic's location does not tell."""
        super().__init__(str(reason))
        self.key = key
        self.reason = reason if isinstance(reason, Message) else verbatim(reason)
