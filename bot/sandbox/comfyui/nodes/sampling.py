"""Sampler nodes: they draw in steps, each with a preview."""

import asyncio
import io
import random
from dataclasses import dataclass, replace
from functools import partial

from PIL import Image as Pillow
from PIL import ImageChops
from PIL.Image import Image

from bot.sandbox.comfyui.drawing.painter import Sketch, paint, repaint
from bot.sandbox.comfyui.drawing.pixels import scaled
from bot.sandbox.comfyui.execution.gate import work
from bot.sandbox.comfyui.nodes.call import Context, Inputs, Result
from bot.sandbox.comfyui.nodes.resize import resized
from bot.sandbox.comfyui.values import Latent

PREVIEW_SIZE = 512
"""Longer side of a preview; smaller images are scaled up to it, as on a real server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    sketch: Sketch
    seed: int
    first_step: int
    last_step: int
    denoise: float


async def sample(inputs: Inputs, context: Context) -> Result:
    """KSampler."""
    plan = _Plan(
        sketch=_sketch(inputs),
        seed=inputs.int("seed"),
        first_step=0,
        last_step=inputs.int("steps"),
        denoise=inputs.float("denoise"),
    )
    return await _run(plan, inputs.latent("latent_image"), context)


async def sample_advanced(inputs: Inputs, context: Context) -> Result:
    """KSamplerAdvanced: runs the steps from start to end; a later start means less noise."""
    steps = inputs.int("steps")
    first, last = min(inputs.int("start_at_step"), steps), min(inputs.int("end_at_step"), steps)
    adds_noise = inputs.text("add_noise") == "enable"
    plan = _Plan(
        sketch=_sketch(inputs),
        seed=inputs.int("noise_seed"),
        first_step=first,
        last_step=max(first, last),
        denoise=(steps - first) / steps if adds_noise else 0.35,
    )
    return await _run(plan, inputs.latent("latent_image"), context)


def _sketch(inputs: Inputs) -> Sketch:
    positive = inputs.conditioning("positive")
    return Sketch(
        prompt=positive.text,
        negative=inputs.conditioning("negative").text,
        model=inputs.model().name,
        loras=inputs.model().loras,
        cfg=inputs.float("cfg"),
        steps=inputs.int("steps"),
        sampler=inputs.text("sampler_name"),
        guides=positive.guides,
    )


async def _run(plan: _Plan, latent: Latent, context: Context) -> Result:
    context.require_memory(latent.width, latent.height, latent.batch)
    await context.memory.need(plan.sketch.model)
    draw, show = (_plain, _plain_jpeg) if context.state.plain else (_drawn, preview_jpeg)
    pictures = tuple([await asyncio.to_thread(draw, plan, latent, index) for index in range(latent.batch)])
    steps = plan.last_step - plan.first_step
    for step in range(1, steps + 1):
        await work(context.state, context.state.seconds_per_step)
        if step == context.state.interrupt_at_step:
            context.state.interrupt_at_step = None
            context.interrupt()
        await context.ticker.tick(step, steps, partial(show, pictures[0], step / steps, plan.seed + step))
    return Result((replace(latent, pictures=pictures),))


def _drawn(plan: _Plan, latent: Latent, index: int) -> Image:
    size = latent.width, latent.height
    drawn = paint(plan.sketch, size, seed=plan.seed, variation=index)
    if not latent.pictures:
        return drawn
    source = latent.pictures[index]
    changed = repaint(source, drawn, plan.denoise)
    if latent.mask is None:
        return changed
    return Pillow.composite(changed, source, resized(latent.mask, size))


def _plain(plan: _Plan, latent: Latent, index: int) -> Image:
    return Pillow.new("RGB", (latent.width, latent.height), random.Random(plan.seed + index).randrange(1 << 24))


def _plain_jpeg(picture: Image, _progress: float, _seed: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return buffer.getvalue()


def preview_jpeg(picture: Image, progress: float, seed: int) -> bytes:
    """Return `picture` at `progress`: coarse and noisy at 0, clear at 1."""
    scale = PREVIEW_SIZE / max(picture.size)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    cells = max(1, round((1 - progress) * 12))
    coarse = scaled(picture, (size[0] // (4 * cells), size[1] // (4 * cells)), Pillow.Resampling.BOX)
    preview = scaled(coarse, size)
    if progress < 1:
        preview = _noisy(preview, 1 - progress, seed)
    buffer = io.BytesIO()
    preview.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _noisy(picture: Image, amount: float, seed: int) -> Image:
    rng = random.Random(seed)
    cells = max(2, picture.width // 6), max(2, picture.height // 6)
    noise = Pillow.frombytes("RGB", cells, rng.randbytes(cells[0] * cells[1] * 3))
    noise = scaled(noise, picture.size)
    return Pillow.blend(picture, ImageChops.overlay(noise, picture), amount * 0.85)
