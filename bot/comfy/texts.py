"""Sanitises a server's error messages for members.

They are meant for the owner's terminal: absolute paths, addresses, dumped tensors and whole tracebacks.
"""

import re

MAX_LENGTH = 200
_READ_AT_MOST = 4000
"""Maximum characters processed; the rest would be cut off anyway."""

_TRACEBACK = re.compile(r"Traceback \(most recent call last\).*", re.DOTALL)
_TENSOR = re.compile(r"\b(?:tensor|array|Parameter containing:\s*tensor)\([^()]*(?:\([^()]*\)[^()]*)*\)?")
_NUMBERS = re.compile(r"\[[-+\d\s.,eE\[\]]{40,}")
_URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s'\"<>]+", re.IGNORECASE)
_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_QUOTED_PATH = re.compile(r"(['\"`])(?:[A-Za-z]:)?[\\/][^'\"`\n]*?([^'\"`\n\\/]*)[\\/]?\1")
_ABSOLUTE_PATH = re.compile(
    r"(?:(?<![\w.])~?/(?=[^\s/])|\b[A-Za-z]:[\\/]|\\\\)"
    r"(?:(?:(?! [~\\/])[^'\"<>|,;:()\n])*[\\/])?"  # folders may contain spaces; " /" starts another path
    r"([^\s'\"<>|,;:()]*)"
)
_WORD = re.compile(r"[^\s'\"<>|,;:()]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_SPACES = re.compile(r" {2,}")


def cleaned(message: str, limit: int = MAX_LENGTH) -> str:
    """Return a server's message on one line, at most `limit` characters long, without paths, addresses and dumps.

    File names are kept: the name of a missing model is what the reader needs.
    """
    message = message[:_READ_AT_MOST].encode(errors="replace").decode()
    message = _TRACEBACK.sub("", message)
    message = _TENSOR.sub("…", message)
    message = _NUMBERS.sub("[…]", message)
    message = _URL.sub("…", message)
    message = _ADDRESS.sub("…", message)
    message = _QUOTED_PATH.sub(r"\1\2\1", message)
    message = _ABSOLUTE_PATH.sub(r"\1", message)
    message = _WORD.sub(_without_folders, message)
    message = _SPACES.sub(" ", _CONTROL.sub(" ", message)).strip()
    return message if len(message) <= limit else message[: limit - 1].rstrip() + "…"


def _without_folders(word: re.Match[str]) -> str:
    """Keep "1/4" and "SDXL/model.safetensors"; of deeper paths, only the last part."""
    parts = re.split(r"[\\/]+", word[0].strip("\\/"))
    return word[0] if len(parts) <= 2 else parts[-1]
