"""The Stripe stand-in, a separate process that implements the part of Stripe's API that the product uses.

It wraps `localstripe` (GPL-3.0, hence a separate process that the product reaches only over HTTP) and adds what that
lacks: accounts, webhook endpoints with signed and retried deliveries, idempotency keys, payment intents that a browser
or a phone confirms with the publishable key, debits that are processed for a while, refunds that wait or fail,
disputes, refusals of what Stripe refuses, events for all of it, lists by pages and times.
Tests control the stand-in itself below `/_config/` (`config`, `faults`); a journal holds its data.
Run alone: `python -m dev.services.stripe_standin --port 12111 --state FOLDER`.
"""
