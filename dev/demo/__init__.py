"""A story with real people on all parts, told over HTTP only, and the books that are checked after it.

Development only. It imports no app and no model: what it knows it was told by the API, the Stripe stand-in, the mail
catcher and the chain, as a customer, a bookkeeper or an auditor would be.
"""
