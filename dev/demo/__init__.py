"""A story of people who buy and win, told only over HTTP on all parts, and checks of the books after it.

Development only. It imports no app and no model: it learns everything from the API, the Stripe stand-in, the mail
catcher and the chain, as a customer, a bookkeeper or an auditor would.
"""
