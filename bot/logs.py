"""Logging for people and for machines: structlog's processors over the standard library, so that discord.py's own
records look like ours. Secrets do not get here, and those that come inside an address of somebody else's error text
(aiohttp names the URL that it could not reach) are blotted out.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

QUIET = {"discord": logging.INFO, "discord.gateway": logging.WARNING, "stamina": logging.ERROR}
"""Loggers of others, and the least level at which they interest an owner."""

SECRETS = (
    re.compile(r"(?P<before>/(?:webhooks|interactions)/\d+/)[^/\s\"'?\\]+"),  # tokens of interactions
    re.compile(r"(?P<before>://[^/\s:@\"']*:)[^/\s@\"']+(?=@)"),  # passwords of databases and servers
)
"""What is blotted out after `before`."""


class _Blotted(structlog.stdlib.ProcessorFormatter):
    """Formats records, without the secrets in their texts and tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return blotted(super().format(record))


def blotted(text: str) -> str:
    """Return a text without the secrets that addresses in it carry."""
    for secret in SECRETS:
        text = secret.sub(r"\g<before>…", text)
    return text


def configure_logging(level: str, style: Literal["console", "json"]) -> None:
    """Send all records to stderr, as lines for people or as JSON."""
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
        # rich's tracebacks, the default where rich is installed, show local variables: the token among them
        plain = structlog.dev.plain_traceback
        final = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Blotted(
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
