"""The websocket frames of one prompt: recipients, contents, and the messages kept in its history."""

import time
from typing import Any

from bot.sandbox.comfyui.sockets import Sockets

Picture = tuple[bytes, str]
"""(encoded bytes, content type)."""
_NOBODY = "\0"
"""Replaces a client id that is not a string: not anonymous, but matches no socket."""


class PromptFrames:
    """Sends the frames of one running prompt. Without a client id, some go to all sockets and the others to none."""

    def __init__(self, sockets: Sockets, prompt_id: str, client_id: Any, *, wants_previews: bool) -> None:
        self._sockets = sockets
        self._prompt_id = prompt_id
        self._sid = client_id if client_id is None or isinstance(client_id, str) else _NOBODY
        self._wants_previews = wants_previews
        self._nodes: dict[str, dict[str, Any]] = {}
        self.messages: list[list[Any]] = []
        """`status.messages` in `/history`."""

    @property
    def has_viewers(self) -> bool:
        """Whether any client would receive previews; without one they need not be drawn."""
        return self._wants_previews and self._sockets.reaches(self._sid)

    def lifecycle(self, kind: str, **data: Any) -> None:
        """Send an `execution_…` frame and record it for the history."""
        message = {"prompt_id": self._prompt_id, **data, "timestamp": int(time.time() * 1000)}
        self.messages.append([kind, message])
        if self._sid is not None or kind == "execution_interrupted":
            self._sockets.send(kind, message, self._sid)

    def blocked(self, **data: Any) -> None:
        """Send the error of a blocked output: without timestamp or history entry, to all sockets if anonymous."""
        self._sockets.send("execution_error", {"prompt_id": self._prompt_id, **data}, self._sid)

    def started(self, node_id: str) -> None:
        self._set(node_id, 0.0, 1.0, "running")
        self._sockets.current = (self._sid, node_id)
        self._to_client("executing", {"node": node_id, "display_node": node_id, "prompt_id": self._prompt_id})

    def executed(self, node_id: str, output: dict[str, Any] | None) -> None:
        """Send a node's UI output."""
        data = {"node": node_id, "display_node": node_id, "output": output, "prompt_id": self._prompt_id}
        self._to_client("executed", data)

    def finished(self, node_id: str) -> None:
        """Mark a node as finished; a cached one counts as 1 of 1."""
        maximum = self._nodes.get(node_id, {"max": 1})["max"]
        self._set(node_id, maximum, maximum, "finished")

    def over(self) -> None:
        """Send the last frame of a prompt, however it ended, after it has left the queue."""
        self._sockets.current = (None, None)
        self._to_client("executing", {"node": None, "prompt_id": self._prompt_id})

    def tick(self, node_id: str, value: float, maximum: float, picture: Picture | None) -> None:
        """Report progress. A preview precedes `progress` on sockets that asked for metadata, else it follows."""
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
