"""Real faults during real purchases and draws, and a check of the books afterwards. Never in production.

`python -m dev.faults` runs the product with a switch at each step of a purchase (`steps`) and of a draw
(`draw_steps`), kills its processes and its parts while buyers buy and raffles are drawn, and reports what was lost.
Only this package imports it.
"""
