"""Pictures from words: what the stand-in draws in place of a model. Knows Pillow and nothing of servers."""
