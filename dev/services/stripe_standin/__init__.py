"""The Stripe stand-in, a process of its own that speaks as much of Stripe's API as the product uses.

It wraps `localstripe` (GPL-3.0, which is why it is a separate process that the product only meets over HTTP) and adds
what that lacks: accounts, webhook endpoints with signed and retried deliveries, idempotency keys, payment intents that
a browser or a phone confirms with the publishable key, debits that are processed for a while, refunds that wait or
fail, disputes, refusals of what Stripe refuses, events for all of it, lists by pages and moments.
What tests order of the stand-in itself is below `/_config/` (`config`, `faults`); what it knows is in a journal.
Run alone: `python -m dev.services.stripe_standin --port 12111 --state FOLDER`.
"""
