"""The ComfyUI servers of a benchmark, in a process of their own: `python -m tests.benchmarks.gpus 4` has four.

Reads one JSON command a line from standard input, answers with one JSON line. Its figures are from the servers' own
clock, so whatever happens on the way to the bot is not in them.
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

from bot.sandbox.comfyui import ServerState, StandIn

TIMEOUT = 600.0


class Gpus:
    """Carries out the commands of the benchmark."""

    def __init__(self, servers: list[StandIn]) -> None:
        self._servers = servers

    async def do(self, command: dict[str, Any]) -> Any:
        """Answer one command."""
        match command:
            case {"do": "play", **fields}:
                self._play(fields)
                return True
            case {"do": "forget"}:
                self._forget()
                return True
            case {"do": "connected", "servers": servers}:
                return await self._until(lambda: all(one.state.seen.sockets_open for one in self._servers[:servers]))
            case {"do": "runs", "least": least}:
                await self._until(lambda: sum(len(one.state.seen.runs) for one in self._servers) >= least)
                return [self._told(one) for one in self._servers]
            case {"do": "graph"}:
                seen = next(one.state.seen for one in self._servers if one.state.seen.prompts)
                return seen.graphs[seen.prompts[-1]]
            case _:
                raise ValueError(f"unknown command {command}")

    def _play(self, fields: dict[str, Any]) -> None:
        """Set fields of every server's state."""
        for server in self._servers:
            for name, value in fields.items():
                if name != "models":
                    setattr(server.state, name, value)
                else:
                    server.state.models |= {folder: list(names) for folder, names in value.items()}

    def _forget(self) -> None:
        for server in self._servers:
            seen = server.state.seen
            for kept in (seen.runs, seen.prompts, seen.graphs, seen.stops):
                kept.clear()
            seen.model_switches = 0

    def _told(self, server: StandIn) -> dict[str, Any]:
        """What one server did: its runs, with the checkpoint of each, and how often it loaded one."""
        seen = server.state.seen
        runs = [asdict(run) | {"checkpoint": _checkpoint(seen.graphs[run.prompt_id])} for run in seen.runs]
        return {"runs": runs, "switches": seen.model_switches}

    async def _until(self, condition: Any) -> bool:
        async with asyncio.timeout(TIMEOUT):
            while not condition():  # noqa: ASYNC110 - the state is plain data, there is no event to wait for
                await asyncio.sleep(0.005)
        return True


def _checkpoint(graph: dict[str, Any]) -> str:
    names = (node["inputs"].get("ckpt_name") for node in graph.values())
    return next((name for name in names if name), "")


async def main(count: int) -> None:
    """Serve until standard input ends."""
    async with AsyncExitStack() as stack:
        states = [ServerState(seconds_per_step=0.0, plain=True) for _ in range(count)]
        servers = [await stack.enter_async_context(StandIn(state)) for state in states]
        gpus = Gpus(servers)
        _answer({"comfyuis": [server.url for server in servers]})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _answer(await gpus.do(json.loads(line)))


def _answer(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
