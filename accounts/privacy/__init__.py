"""Privacy: registers in which each app says what it holds on people, what it erases, and what blocks a deletion.

Apps may only import from lower layers, and every app holds personal data: so each registers when it is ready (its
module `privacy`).
"""
