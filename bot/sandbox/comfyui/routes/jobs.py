"""`/api/jobs`: queue and history in one list. Only the new generation has it."""

import json
from typing import Any, cast

from aiohttp import web

from bot.sandbox.comfyui.execution.queue import Item
from bot.sandbox.comfyui.execution.run import Workshop
from bot.sandbox.comfyui.routes.prompts import is_canonical_uuid
from bot.sandbox.comfyui.state import Generation

Job = dict[str, Any]
_OVER = ("completed", "failed", "cancelled")
STATUSES = ("pending", "in_progress", *_OVER)


class JobRoutes:
    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    def table(self) -> list[web.RouteDef]:
        """Return the routes; they exist under `/api` only."""
        return [
            web.get("/api/jobs", self._list),
            web.get("/api/jobs/{job_id}", self._one),
            web.post("/api/jobs/cancel", self._cancel_many),
            web.post("/api/jobs/{job_id}/cancel", self._cancel_one),
        ]

    @property
    def _is_missing(self) -> bool:
        return self._shop.state.generation is Generation.OLD

    # ------------------------------------------------------------ reading

    async def _list(self, request: web.Request) -> web.Response:
        if self._is_missing:
            return unknown_path()
        query = request.query
        try:
            wanted, sort_by, descending = _status_filter(query.get("status")), *_sorting(query)
            limit, offset = _limit(query.get("limit")), max(0, int(query.get("offset", "0")))
        except _BadQueryError as error:
            return web.json_response({"error": str(error)}, status=400)
        jobs = [job for job in self._jobs() if job["status"] in wanted]
        jobs.sort(key=lambda job: _sort_key(job, sort_by), reverse=descending)
        page = jobs[offset:] if limit is None else jobs[offset : offset + limit]
        has_more = offset + len(page) < len(jobs)
        pagination = {"offset": offset, "limit": limit, "total": len(jobs), "has_more": has_more}
        return web.json_response({"jobs": page, "pagination": pagination})

    async def _one(self, request: web.Request) -> web.Response:
        if self._is_missing:
            return unknown_path()
        job_id = request.match_info["job_id"]
        job = next((job for job in self._jobs() if job["id"] == job_id), None)
        if job is None:
            return web.json_response({"error": "Job not found"}, status=404)
        entry = self._shop.queue.history.get(job_id)
        if entry is not None and job["status"] in _OVER:
            _, _, graph, extra, _ = entry["prompt"]
            job |= {"outputs": entry["outputs"], "execution_status": entry["status"]}
            job["workflow"] = {"prompt": graph, "extra_data": extra}
        return web.json_response(job)

    def _jobs(self) -> list[Job]:
        queue = self._shop.queue
        running = [] if queue.running is None else [_waiting(queue.running, "in_progress")]
        pending = [_waiting(item, "pending") for item in queue.pending]
        return [*running, *pending, *map(_finished, queue.history.values())]

    # ------------------------------------------------------------ cancelling

    async def _cancel_one(self, request: web.Request) -> web.Response:
        if self._is_missing:
            raise web.HTTPMethodNotAllowed("POST", ["GET"])
        return web.json_response({"cancelled": self._cancel(request.match_info["job_id"])})

    async def _cancel_many(self, request: web.Request) -> web.Response:
        if self._is_missing:
            raise web.HTTPMethodNotAllowed("POST", ["GET"])
        try:
            body = await request.json()
        except json.JSONDecodeError:
            return web.json_response({"error": "Request body must be valid JSON"}, status=400)
        ids = cast("dict[str, Any]", body).get("job_ids") if isinstance(body, dict) else None
        if not isinstance(ids, list):
            return web.json_response({"error": "job_ids must be a list"}, status=400)
        ids = cast("list[Any]", ids)
        invalid = [one for one in ids if not is_canonical_uuid(one)]
        if invalid:
            return web.json_response({"error": "job_ids contains invalid id(s)", "invalid_ids": invalid}, status=400)
        return web.json_response({"cancelled": any(self._cancel(job_id) for job_id in ids)})

    def _cancel(self, job_id: str) -> bool:
        stopper = self._shop.stopper
        self._shop.state.seen.interrupts.append(job_id)
        return stopper.delete(job_id) or (self._shop.queue.is_running(job_id) and stopper.interrupt(job_id))


class _BadQueryError(Exception):
    """A query parameter is invalid; the text is the answer."""


def unknown_path() -> web.Response:
    """Return the answer to an unknown path: the static file handler's empty 404, never JSON."""
    return web.Response(status=404, content_type="application/octet-stream")


def _waiting(item: Item, status: str) -> Job:
    job: Job = {"id": item[1], "status": status, "priority": item[0], "create_time": item[3].get("create_time")}
    return {**job, "outputs_count": 0, "previewable_outputs_count": 0}


def _finished(entry: dict[str, Any]) -> Job:
    messages = dict(entry["status"]["messages"])
    job = _waiting(entry["prompt"], _final_status(entry["status"]["status_str"], messages))
    job["execution_start_time"] = messages["execution_start"]["timestamp"]
    job["execution_end_time"] = entry["status"]["messages"][-1][1]["timestamp"]
    if "execution_error" in messages:
        job["execution_error"] = messages["execution_error"]
    files = [
        {**file, "nodeId": node_id, "mediaType": kind}
        for node_id, output in entry["outputs"].items()
        for kind, listed in output.items()
        if kind == "images"
        for file in listed
    ]
    job |= {"outputs_count": len(files), "previewable_outputs_count": len(files)}
    return {**job, "preview_output": files[0]} if files else job


def _final_status(status_str: str, messages: dict[str, Any]) -> str:
    if status_str == "success":
        return "completed"
    return "cancelled" if "execution_interrupted" in messages else "failed"


def _status_filter(value: str | None) -> tuple[str, ...]:
    wanted = tuple(value.split(",")) if value else STATUSES
    unknown = [status for status in wanted if status not in STATUSES]
    if unknown:
        raise _BadQueryError(f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(STATUSES)}")
    return wanted


def _sorting(query: Any) -> tuple[str, bool]:
    sort_by, order = query.get("sort_by", "created_at"), query.get("sort_order", "desc")
    if sort_by not in ("created_at", "execution_duration"):
        raise _BadQueryError("sort_by must be 'created_at' or 'execution_duration'")
    if order not in ("asc", "desc"):
        raise _BadQueryError("sort_order must be 'asc' or 'desc'")
    return sort_by, order == "desc"


def _sort_key(job: Job, sort_by: str) -> int:
    if sort_by == "execution_duration":
        return job.get("execution_end_time", 0) - job.get("execution_start_time", 0)
    return job["create_time"] or 0


def _limit(value: str | None) -> int | None:
    if value is None:
        return None
    if not value.lstrip("-").isdigit():
        raise _BadQueryError("limit must be an integer")
    if int(value) <= 0:
        raise _BadQueryError("limit must be a positive integer")
    return int(value)
