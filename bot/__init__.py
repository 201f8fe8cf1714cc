"""Comfycord: ComfyUI workflows as Discord slash commands, for communities that share GPUs."""
