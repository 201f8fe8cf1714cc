"""Logging as text or JSON: structlog over the standard library, so that discord.py's records look the same.

The bot logs no secrets; those in URLs of other libraries' error texts are redacted.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

QUIET = {"discord": logging.INFO, "discord.gateway": logging.WARNING, "stamina": logging.ERROR}
"""Minimum level of other libraries' loggers."""

SECRETS = (
    re.compile(r"(?P<before>/(?:webhooks|interactions)/\d+/)[^/\s\"'?\\]+"),  # tokens of interactions
    re.compile(r"(?P<before>://[^/\s:@\"']*:)[^/\s@\"']+(?=@)"),  # passwords of databases and servers
)
"""Patterns of text to redact after the group `before`."""


class _RedactingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats records, redacting messages and tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def redact(text: str) -> str:
    """Redact the secrets in URLs."""
    for secret in SECRETS:
        text = secret.sub(r"\g<before>…", text)
    return text


def configure_logging(level: str, style: Literal["console", "json"]) -> None:
    """Send all records to stderr, as text or JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if style == "json":
        final: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        # rich's tracebacks, the default if rich is installed, show local variables such as the token
        plain = structlog.dev.plain_traceback
        final = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _RedactingFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(root.level, least))
    logging.captureWarnings(True)
    set_on_retry_hooks([LoggingOnRetryHook])  # structlog's own would print to stdout
