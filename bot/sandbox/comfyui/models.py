"""The model files that the stand-in lists. They do not exist on disk, since clients only see names."""

_STOCK: dict[str, tuple[str, ...]] = {
    "checkpoints": (
        "dreamscape-sd15.safetensors",
        "inkwash-sdxl.safetensors",
        "papercut-sd15.safetensors",
        "v1-5-pruned-emaonly.ckpt",
    ),
    "loras": ("golden-hour.safetensors", "soft-pastel.safetensors", "woodblock.safetensors"),
    "vae": ("clearwater-vae.safetensors",),
    "upscale_models": ("smooth-2x.pth", "crisp-4x.pth"),
    "controlnet": ("outline-sd15.safetensors",),
    "embeddings": ("tidy-hands.pt",),
    "text_encoders": (),
    "diffusion_models": (),
    "clip_vision": (),
}


def stock_models() -> dict[str, list[str]]:
    """Return a fresh, mutable mapping of folder → file names."""
    return {folder: list(names) for folder, names in _STOCK.items()}
