"""The demo: the real bot on a simulated Discord, in a browser page on this machine.

Needs no token and no account. `run.run_demo` is the entry point; `simulation.SimulatedDiscord` also serves the tests
of the cogs.
"""
