"""Nodes that load or modify models."""

import re
from dataclasses import replace

from bot.sandbox.comfyui.nodes.call import Context, Inputs, Result
from bot.sandbox.comfyui.values import Clip, ControlNet, Model, UpscaleModel, Vae

_FACTOR = re.compile(r"(\d+)x|x(\d+)", re.IGNORECASE)


async def load_checkpoint(inputs: Inputs, context: Context) -> Result:
    """CheckpointLoaderSimple."""
    name = inputs.text("ckpt_name")
    await context.memory.need(name)
    return Result((Model(name), Clip(name), Vae(name)))


async def load_diffusion_model(inputs: Inputs, context: Context) -> Result:
    """UNETLoader: a model without text encoder and VAE."""
    name = inputs.text("unet_name")
    await context.memory.need(name)
    return Result((Model(name),))


def load_clip(inputs: Inputs, _context: Context) -> Result:
    """CLIPLoader."""
    return Result((Clip(inputs.text("clip_name")),))


def load_lora(inputs: Inputs, _context: Context) -> Result:
    """LoraLoader."""
    model = inputs.model().with_lora(inputs.text("lora_name"), inputs.float("strength_model"))
    return Result((model, inputs["clip"]))


def load_lora_model_only(inputs: Inputs, _context: Context) -> Result:
    """LoraLoaderModelOnly."""
    return Result((inputs.model().with_lora(inputs.text("lora_name"), inputs.float("strength_model")),))


def load_vae(inputs: Inputs, _context: Context) -> Result:
    """VAELoader."""
    return Result((Vae(inputs.text("vae_name")),))


def load_control_net(inputs: Inputs, _context: Context) -> Result:
    """ControlNetLoader."""
    return Result((ControlNet(inputs.text("control_net_name")),))


def load_upscale_model(inputs: Inputs, _context: Context) -> Result:
    """UpscaleModelLoader; takes the factor from the name, e.g. "smooth-2x.pth"."""
    name = inputs.text("model_name")
    match = _FACTOR.search(name)
    factor = int(match.group(1) or match.group(2)) if match else 4
    return Result((UpscaleModel(name, max(1, min(factor, 8))),))


def keep_model(inputs: Inputs, _context: Context) -> Result:
    """ModelSamplingSD3; has no effect here."""
    return Result((replace(inputs.model()),))


def keep_clip(inputs: Inputs, _context: Context) -> Result:
    """CLIPSetLastLayer; has no effect here."""
    return Result((inputs["clip"],))


def pass_text(inputs: Inputs, _context: Context) -> Result:
    """PrimitiveString."""
    return Result((inputs.text("value"),))
