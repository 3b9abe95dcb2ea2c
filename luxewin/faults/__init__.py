"""Faults room: real faults under real purchases, and a look at the books afterwards. Never in production.

`python -m luxewin.faults` runs the product with a switch at each step of a purchase (`steps`), kills its processes and
its parts while buyers buy, and reports what was lost. Only this package imports it.
"""
