"""Expected errors. Each carries a message for a person: what happened, and what to do next.

The families tell callers how to act:

    BotError
    ├── InputError     fix what you typed, attached or wrote into a workflow
    ├── LimitError     wait, or ask a moderator
    ├── OfflineError   a service is unreachable; the bot retries
    ├── FailedError    ComfyUI reported why it failed
    ├── DeniedError    not permitted
    └── StartupError   the program cannot start (for the owner, on the terminal)

Any other exception is a bug: it is logged with a reference, and people see only that reference.
"""

from bot.i18n import Message


class BotError(Exception):
    """Base of all expected errors; `user_message` is shown unchanged."""

    def __init__(self, user_message: Message) -> None:
        super().__init__(str(user_message))
        self.user_message = user_message


class InputError(BotError):
    """The input is invalid; the message says which part, and what would be accepted."""


class LimitError(BotError):
    """The request is valid, but exceeds a limit of this community."""


class OfflineError(BotError):
    """A required service cannot be reached."""


class FailedError(BotError):
    """ComfyUI refused the job or could not finish it; the message says why."""


class DeniedError(BotError):
    """The person lacks permission."""


class StartupError(BotError):
    """The program cannot start; the message names the setting or file at fault."""
