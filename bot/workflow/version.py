"""Which graph and manifest a workflow was made of, as a short mark that every job keeps."""

import hashlib
import json

from bot.workflow.graph import Graph


def version(graph: Graph, manifest: bytes) -> str:
    """Return 16 hex digits that change with either; not with how the graph's file is laid out."""
    digest = hashlib.sha256(json.dumps(graph.to_json(), sort_keys=True, separators=(",", ":")).encode())
    digest.update(b"\0" + manifest)
    return digest.hexdigest()[:16]
