"""The steps by which a database came to be what `tables` describes. A released step never changes."""
