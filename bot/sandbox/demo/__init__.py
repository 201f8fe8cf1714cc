"""The demo: the real bot on a simulated Discord, in a browser page on this machine.

Needs no token and no account. `run.run_demo` performs it; the simulation itself (`simulation.SimulatedDiscord`) is also
what the tests of the cogs stand on.
"""
