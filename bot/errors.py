"""What can go wrong in a way that a person should read about.

Each error carries one sentence for that person (what happened, what to do next). The families tell callers how to act:

    BotError
    ├── InputError     fix what you typed, attached or wrote into a workflow
    ├── LimitError     wait, or ask a moderator
    ├── OfflineError   a service is away; we retry
    ├── FailedError    ComfyUI said why it could not
    ├── DeniedError    you may not
    └── StartupError   the program cannot start like this (for the owner, on the terminal)

Anything else that escapes is a fault of ours: it is logged with a reference, and only the reference is shown.
"""

from bot.i18n import Message


class BotError(Exception):
    """Base of all expected errors; `user_message` is shown as it stands."""

    def __init__(self, user_message: Message) -> None:
        super().__init__(str(user_message))
        self.user_message = user_message


class InputError(BotError):
    """What was given cannot be used; the sentence says which part, and what would do."""


class LimitError(BotError):
    """The request is fine, but more than this community allows at this time."""


class OfflineError(BotError):
    """A service that is needed cannot be reached now."""


class FailedError(BotError):
    """ComfyUI refused or could not finish, and the sentence says why."""


class DeniedError(BotError):
    """This person may not do this."""


class StartupError(BotError):
    """The program cannot start; the sentence names the setting or file at fault."""
