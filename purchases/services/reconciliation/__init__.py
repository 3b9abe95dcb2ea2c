"""Reconciliation: our books and Stripe compared in both directions, and repaired where that is safe."""

from purchases.services.reconciliation.books import faults_of_the_books
from purchases.services.reconciliation.comparison import Comparison
from purchases.services.reconciliation.differences import Difference, key_of, settle_difference, unsettled
from purchases.services.reconciliation.missed import begin_watching, fetch_missed_events, store_kept_event
from purchases.services.reconciliation.runs import continue_reconciliation, order_reconciliation

__all__ = [
    "Comparison",
    "Difference",
    "begin_watching",
    "continue_reconciliation",
    "faults_of_the_books",
    "fetch_missed_events",
    "key_of",
    "order_reconciliation",
    "settle_difference",
    "store_kept_event",
    "unsettled",
]
