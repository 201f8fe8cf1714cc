"""How patient the adapter is. All values are seconds; tests shrink them, nothing else should need to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Time limits, intervals and pauses.

    A ComfyUI freezes for 0.3 s at a garbage collection and for many seconds while a model loads, HTTP and websocket
    alike, so a limit of less than 5 s on a call would give false alarms.
    """

    connect: float = 10.0
    """For a TCP connection."""
    quick: float = 15.0
    """For a call with a small answer."""
    slow: float = 120.0
    """For uploads, downloads and `/object_info`."""
    heartbeat: float = 30.0
    """Between two pings; half of it for the pong."""
    close: float = 2.0
    """For the server's part of closing a websocket."""
    retry_first: float = 0.5
    """Before the first new connection; doubled each time up to `retry_most`, plus up to half of it by chance."""
    retry_most: float = 4.0
    """A server that came back must not stand idle for long."""
    deaf: float = 8.0
    """From an accepted POST to the frame that it must cause."""
    renew: float = 60.0
    """Between two connections given up for deafness: a stalled server is not helped by more of them."""
    tick: float = 0.25
    """Between two looks at the clock while prompts are followed."""
    poll: float = 5.0
    """Between two looks for a prompt whose frames do not reach us."""
    silence: float = 10.0
    """Without a frame about a prompt on a healthy socket, before its place in the queue is looked up."""
    mute: float = 60.0
    """Without a frame about a prompt that runs, before the socket is opened again, in case it is deaf."""
    settle: float = 2.0
    """From a frame that announces the end of a prompt to the one that is the end."""
    second_look: float = 0.5
    """Before "not there" is believed."""
    history: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6)
    """Pauses before looking again for a finished prompt that `/history` does not show yet."""
    definitions: float = 300.0
    """Between two readings of `/object_info`."""
