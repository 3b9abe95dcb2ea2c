"""Privacy: registers in which each room says what it holds on people, what it takes away, and what stands in the way.

Imports point down, and what is held lies in every room: a room registers when the app is ready (its module `privacy`).
"""
