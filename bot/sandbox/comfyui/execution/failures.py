"""Error messages of failed runs, with everything that a real server reveals: paths, tensors, tips."""

from typing import Any

from bot.sandbox.comfyui.nodes.call import NodeFailedError

_TIPS = (
    "\nThis error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have"
    " accidentally set the batch_size to a large number."
)
_TRACEBACK = (
    '  File "/opt/ComfyUI/execution.py", line 496, in execute\n    output_data = await get_output_data(prompt_id)\n',
    '  File "/opt/ComfyUI/nodes.py", line 1525, in sample\n    return common_ksampler(model, seed, steps)\n',
)
_TENSOR = "tensor([[[[0.0000, 0.0000, 0.0039],\n          ...,\n          [0.0000, 0.0000, 0.0039]]]])"


def describe_failure(error: Exception, inputs: dict[str, Any], node_ids: list[str]) -> dict[str, Any]:
    """Return the fields of `execution_error` for an exception; `inputs` are those in the graph."""
    kind = error.exception_type if isinstance(error, NodeFailedError) else type(error).__name__
    is_memory = kind.endswith("OutOfMemoryError")
    return {
        "exception_message": f"{error}{_TIPS}" if is_memory else f"{error}\n",
        "exception_type": kind,
        "traceback": list(_TRACEBACK),
        "current_inputs": {name: [_printed(value)] for name, value in inputs.items()},
        "current_outputs": node_ids,
    }


def describe_blocked(message: str) -> dict[str, Any]:
    """Return the fields of `execution_error` for an output that a node blocks."""
    return {
        "exception_message": f"Execution Blocked: {message}",
        "exception_type": "ExecutionBlocked",
        "traceback": [],
        "current_inputs": [],
        "current_outputs": [],
    }


def _printed(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else _TENSOR
