"""Read-only routes: node classes, models, features, memory."""

from typing import Any

from aiohttp import web

from bot.sandbox.comfyui.definitions import NodeCatalog
from bot.sandbox.comfyui.sockets import server_features
from bot.sandbox.comfyui.state import Generation, ServerState

_MEMORY = 8 * 1024**3
_TORCH_POOL = 32 * 1024**2
"""What torch reserves on an idle GPU; on a CPU it reports all memory."""


class InfoRoutes:
    def __init__(self, state: ServerState, catalog: NodeCatalog) -> None:
        self._state = state
        self._catalog = catalog

    def table(self) -> list[web.RouteDef]:
        return [
            web.get("/object_info", self._all_classes),
            web.get("/object_info/{node_class}", self._one_class),
            web.get("/system_stats", self._system_stats),
            web.get("/features", self._features),
            web.get("/models", self._folders),
            web.get("/models/{folder}", self._models),
            web.get("/embeddings", self._embeddings),
            web.get("/extensions", self._extensions),
        ]

    async def _all_classes(self, _request: web.Request) -> web.Response:
        return web.json_response({name: self._catalog.object_info(name) for name in self._catalog.names()})

    async def _one_class(self, request: web.Request) -> web.Response:
        name = request.match_info["node_class"]
        return web.json_response({name: self._catalog.object_info(name)} if self._catalog.has(name) else {})

    async def _features(self, _request: web.Request) -> web.Response:
        return web.json_response(server_features(self._state))

    async def _folders(self, _request: web.Request) -> web.Response:
        return web.json_response(list(self._state.models))

    async def _models(self, request: web.Request) -> web.Response:
        names = self._state.models.get(request.match_info["folder"])
        return web.Response(status=404) if names is None else web.json_response(names)

    async def _embeddings(self, _request: web.Request) -> web.Response:
        return web.json_response([name.rpartition(".")[0] for name in self._state.models.get("embeddings", [])])

    async def _extensions(self, _request: web.Request) -> web.Response:
        return web.json_response([])

    async def _system_stats(self, _request: web.Request) -> web.Response:
        system = {
            "os": "linux" if self._state.generation is Generation.NEW else "posix",
            "ram_total": _MEMORY * 4,
            "ram_free": _MEMORY * 2,
            "comfyui_version": self._state.version or self._state.generation.value,
            "required_frontend_version": "1.27.10",
            "python_version": "3.11.7",
            "pytorch_version": "2.13.0+cpu",
            "embedded_python": False,
            "argv": ["main.py", "--base-directory", "/opt/ComfyUI"],
        }
        return web.json_response({"system": system, "devices": [self._device()]})

    def _device(self) -> dict[str, Any]:
        state = self._state
        kind, _, rest = state.device.partition(":")
        free = state.vram_total if state.vram_free is None else state.vram_free
        return {
            "name": state.device,
            "type": kind,
            "index": int(rest.split()[0]) if rest else None,
            "vram_total": state.vram_total,
            "vram_free": free,
            "torch_vram_total": state.vram_total if kind == "cpu" else _TORCH_POOL,
            "torch_vram_free": free if kind == "cpu" else 0,
        }
