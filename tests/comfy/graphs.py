"""Graphs that the stand-in and a real ComfyUI run alike."""

import struct
import zlib

from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.events import InputFile


def txt2img(checkpoint: str, *, seed: int = 1, steps: int = 2, batch: int = 1, prefix: str = "comfycord") -> JsonGraph:
    """Text to image, small enough for a CPU."""
    return {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": batch}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lighthouse", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
        "3": {
            "class_type": "KSampler",
            "inputs": {
                "seed": seed,
                "steps": steps,
                "cfg": 7.0,
                "sampler_name": "euler",
                "scheduler": "normal",
                "denoise": 1.0,
                "model": ["4", 0],
                "positive": ["6", 0],
                "negative": ["7", 0],
                "latent_image": ["5", 0],
            },
        },
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": prefix, "images": ["8", 0]}},
    }


def passing(image: str) -> JsonGraph:
    """Save an uploaded picture again."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "comfycord", "images": ["1", 0]}},
    }


def png(width: int = 8, height: int = 8, grey: int = 128) -> bytes:
    """Return a valid grey PNG, in RGB: the newest servers fail on tiny ones of one channel."""
    rows = (b"\0" + bytes([grey] * 3 * width)) * height
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def picture(name: str = "in_0123456789.png", grey: int = 128) -> InputFile:
    """Return an input picture as the intake makes them."""
    return InputFile(name, png(grey=grey), 8, 8)
