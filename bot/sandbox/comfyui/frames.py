"""The frames of one prompt: who gets which, what they hold, and which of them the history repeats."""

import time
from typing import Any

from bot.sandbox.comfyui.sockets import Sockets

Picture = tuple[bytes, str]
"""Encoded, and its content type."""
_NOBODY = "\0"
"""A client id that is no text: it is not anonymous, and no socket ever has it."""


class PromptFrames:
    """Speaks for one running prompt. Without a client id, some frames go to everybody and the others to nobody."""

    def __init__(self, sockets: Sockets, prompt_id: str, client_id: Any, *, wants_previews: bool) -> None:
        self._sockets = sockets
        self._prompt_id = prompt_id
        self._sid = client_id if client_id is None or isinstance(client_id, str) else _NOBODY
        self._wants_previews = wants_previews
        self._nodes: dict[str, dict[str, Any]] = {}
        self.messages: list[list[Any]] = []
        """What `/history` keeps as `status.messages`."""

    @property
    def has_viewers(self) -> bool:
        """Whether anybody would see what a sampler has so far; drawing it for nobody only costs time."""
        return self._wants_previews and self._sockets.reaches(self._sid)

    def lifecycle(self, kind: str, **data: Any) -> None:
        """Send an `execution_…` frame and remember it."""
        message = {"prompt_id": self._prompt_id, **data, "timestamp": int(time.time() * 1000)}
        self.messages.append([kind, message])
        if self._sid is not None or kind == "execution_interrupted":
            self._sockets.send(kind, message, self._sid)

    def blocked(self, **data: Any) -> None:
        """Send the error of a blocked output: no timestamp, not remembered, told to everybody when anonymous."""
        self._sockets.send("execution_error", {"prompt_id": self._prompt_id, **data}, self._sid)

    def started(self, node_id: str) -> None:
        """A node begins."""
        self._set(node_id, 0.0, 1.0, "running")
        self._sockets.current = (self._sid, node_id)
        self._to_client("executing", {"node": node_id, "display_node": node_id, "prompt_id": self._prompt_id})

    def executed(self, node_id: str, output: dict[str, Any] | None) -> None:
        """A node told something for the client to show."""
        data = {"node": node_id, "display_node": node_id, "output": output, "prompt_id": self._prompt_id}
        self._to_client("executed", data)

    def finished(self, node_id: str) -> None:
        """A node is done; one that came from the cache counts as 1 of 1."""
        maximum = self._nodes.get(node_id, {"max": 1})["max"]
        self._set(node_id, maximum, maximum, "finished")

    def over(self) -> None:
        """The prompt has left the queue: the last frame of every prompt, however it ended."""
        self._sockets.current = (None, None)
        self._to_client("executing", {"node": None, "prompt_id": self._prompt_id})

    def tick(self, node_id: str, value: float, maximum: float, picture: Picture | None) -> None:
        """A node got on. A picture comes before `progress` on sockets that asked for metadata, else after it."""
        goes_first = picture is not None and self._sid is not None and self._sockets.wants_metadata(self._sid)
        self._set(node_id, value, maximum, "running")
        if picture is not None and goes_first:
            self._show(node_id, picture)
        data = {"value": value, "max": maximum, "prompt_id": self._prompt_id, "node": node_id}
        self._sockets.send("progress", data, self._sid)
        if picture is not None and not goes_first:
            self._show(node_id, picture)

    def _show(self, node_id: str, picture: Picture) -> None:
        self._sockets.send_picture(*picture, self._identity(node_id), self._sid)

    def _identity(self, node_id: str) -> dict[str, Any]:
        return {
            "node_id": node_id,
            "prompt_id": self._prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }

    def _set(self, node_id: str, value: float, maximum: float, state: str) -> None:
        self._nodes[node_id] = {"value": value, "max": maximum, "state": state, **self._identity(node_id)}
        self._sockets.send("progress_state", {"prompt_id": self._prompt_id, "nodes": dict(self._nodes)}, self._sid)

    def _to_client(self, kind: str, data: dict[str, Any]) -> None:
        if self._sid is not None:
            self._sockets.send(kind, data, self._sid)
