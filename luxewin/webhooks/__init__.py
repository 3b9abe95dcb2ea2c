"""Webhooks to the operator's own systems: signed, kept until they arrive, and told in the transaction of the change.

Apps above call `services.emit`. What the events are and say is in `events`; docs/webhooks.md is for receivers.
"""
