"""The promise that nothing is ever lost, put to the test: the real process, between a wire-level Discord and a stand-in
ComfyUI, with everything that can break.

A short run is part of the test suite; `pytest tests/faults --soak -n 2` takes its time. `--fault-seed N` repeats it.
"""
