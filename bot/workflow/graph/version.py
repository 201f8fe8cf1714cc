import hashlib
import json

from bot.workflow.graph.graph import Graph


def version(graph: Graph, manifest: bytes) -> str:
    """Return 16 hex digits that change with the graph or the manifest, but not with the layout of the graph's file.

    Every job stores the version of the workflow that it was made from.
    """
    digest = hashlib.sha256(json.dumps(graph.to_json(), sort_keys=True, separators=(",", ":")).encode())
    digest.update(b"\0" + manifest)
    return digest.hexdigest()[:16]
