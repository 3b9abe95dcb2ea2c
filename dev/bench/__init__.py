"""Measurements of the product, each beside its yardstick in the same run.

`make bench ARGS="--only NAME,… --json FILE"` runs them; `--full` includes what takes too long for every day. A new one
is a function with `@measurement` in a module of this folder. Nothing here is part of the product, and no test asserts
on a speed.
"""
