"""What accounts announce to the rooms above, inside the transaction of the change.

A receiver that raises rolls the change back.
"""

from django.dispatch import Signal

# Somebody may not buy any more, by their own wish. Sent with `user`, whose row is locked: enqueue, and lock nothing.
person_barred = Signal()
