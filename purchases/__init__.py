"""Purchases: holds, payments, refunds, tickets."""
