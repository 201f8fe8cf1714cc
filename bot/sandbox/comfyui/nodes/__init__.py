"""The implementations of the node classes, one function each, listed in `registry`."""
