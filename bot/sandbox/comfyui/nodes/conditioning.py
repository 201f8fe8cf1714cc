"""Conditioning nodes."""

from dataclasses import replace

from bot.sandbox.comfyui.nodes.call import Context, Inputs, NodeFailedError, Result
from bot.sandbox.comfyui.values import Clip, Conditioning


def encode_text(inputs: Inputs, _context: Context) -> Result:
    """CLIPTextEncode."""
    if not isinstance(inputs["clip"], Clip):
        raise NodeFailedError("'str' object has no attribute 'tokenize'", "AttributeError")
    return Result((Conditioning(inputs.text("text")),))


def combine(inputs: Inputs, _context: Context) -> Result:
    """ConditioningCombine."""
    first, second = inputs.conditioning("conditioning_1"), inputs.conditioning("conditioning_2")
    return Result((Conditioning(f"{first.text}, {second.text}", (*first.guides, *second.guides)),))


def set_guidance(inputs: Inputs, _context: Context) -> Result:
    """FluxGuidance; has no effect here."""
    return Result((inputs.conditioning("conditioning"),))


def apply_control_net(inputs: Inputs, _context: Context) -> Result:
    """ControlNetApplyAdvanced: the image shows through the drawing."""
    positive, negative = inputs.conditioning("positive"), inputs.conditioning("negative")
    guide = (inputs.images("image")[0], inputs.float("strength"))
    return Result((replace(positive, guides=(*positive.guides, guide)), negative))
