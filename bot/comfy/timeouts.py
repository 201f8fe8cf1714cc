"""Timeouts and intervals, in seconds. Only tests should need to change them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts, intervals and delays.

    ComfyUI freezes for 0.3 s during garbage collection and for many seconds while loading a model, HTTP and WebSocket
    alike, so a timeout below 5 s would give false alarms.
    """

    connect: float = 10.0
    """TCP connect."""
    quick: float = 15.0
    """Requests with a small answer."""
    slow: float = 120.0
    """Uploads, downloads and `/object_info`."""
    heartbeat: float = 30.0
    """Between pings; half of it for the pong."""
    close: float = 2.0
    """For the server's part of the closing handshake."""
    retry_first: float = 0.5
    """Before the first reconnect; doubled each time up to `retry_most`, plus up to 50% jitter."""
    retry_most: float = 4.0
    """Short, because a server that is back must not stay idle."""
    first_event: float = 8.0
    """From an accepted POST to the event that it must cause."""
    replacement: float = 60.0
    """Minimum between two replacements of a deaf socket: more would not help a stalled server."""
    tick: float = 0.25
    """Between checks while there are subscribed prompts."""
    poll: float = 5.0
    """Between polls of a prompt whose events cannot arrive."""
    silence: float = 10.0
    """Without events of a prompt on a healthy socket, until it is looked up in the queue."""
    silent_run: float = 60.0
    """Without events of a running prompt, until the socket is reopened in case it is deaf."""
    settle: float = 2.0
    """From an event that announces the end of a prompt to the final one."""
    second_check: float = 0.5
    """Before "not there" is believed."""
    history: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6)
    """Between tries to read a finished prompt that `/history` does not have yet."""
    definitions: float = 300.0
    """Between refreshes of `/object_info`."""
