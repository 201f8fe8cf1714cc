"""Draws images from the words of a prompt, in place of a model. Depends on Pillow only."""
