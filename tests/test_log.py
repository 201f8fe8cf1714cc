"""What the log may show: what went wrong and where, never the values that a failing function held."""

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import stamina.instrumentation

from bot.log import QUIET, configure_logging

SECRET = "sekrit-value"  # what must not appear


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Put the process-wide settings back."""
    root = logging.getLogger()
    handlers, levels = root.handlers[:], {name: logging.getLogger(name).level for name in ("", *QUIET)}
    yield
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)
    stamina.instrumentation.set_on_retry_hooks(None)


def fail_with_a_secret() -> None:
    """Raise while the token lies in a local variable."""
    token = SECRET[:]
    raise ValueError(f"a token of {len(token)} characters is refused")


def log_the_failure() -> None:
    """Log an exception as the bot does."""
    try:
        fail_with_a_secret()
    except ValueError:
        logging.getLogger("bot.tests").exception("it broke off")


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_logged_exception_shows_no_local_variables(
    style: Literal["console", "json"], capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO", style)
    log_the_failure()
    printed = capfd.readouterr()
    assert "it broke off" in printed.err
    assert "a token of 12 characters is refused" in printed.err, "the cause is there"
    assert "fail_with_a_secret" in printed.err, "and the place"
    assert SECRET not in printed.err
    assert printed.out == ""


def test_a_machine_reads_one_record_on_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    log_the_failure()
    logging.getLogger("bot.tests").debug("too fine")
    [line] = capfd.readouterr().err.splitlines()
    record = json.loads(line)
    assert (record["level"], record["event"], record["logger"]) == ("error", "it broke off", "bot.tests")


@pytest.mark.parametrize(
    "text",
    [
        f"Can not write request body for http://127.0.0.1:9/api/v10/webhooks/12/{SECRET}/messages/@original",
        f"https://discord.com/api/v10/webhooks/12/{SECRET}?wait=true",
        f"POST /interactions/345/{SECRET}/callback",
        f"cannot reach postgresql://bot:{SECRET}@127.0.0.1:5432/comfycord",
    ],
)
@pytest.mark.parametrize("style", ["console", "json"])
def test_tokens_and_passwords_in_addresses_are_blotted_out(
    text: str, style: Literal["console", "json"], capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("INFO", style)
    try:
        raise OSError(text)
    except OSError as error:
        logging.getLogger("bot.tests").exception("it broke off: %s", error)  # twice in the record
    printed = capfd.readouterr().err
    assert SECRET not in printed
    assert printed.count("…") == 2


def test_the_level_of_others_is_never_below_ours(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("WARNING", "console")
    logging.getLogger("discord").info("chatter of the library")
    logging.getLogger("bot.tests").info("chatter of ours")
    logging.getLogger("bot.tests").warning("worth a look")
    printed = capfd.readouterr().err
    assert "chatter" not in printed
    assert "worth a look" in printed
