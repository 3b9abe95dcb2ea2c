"""Writes of purchases: hold, pay, enter, settle, expire, refund. `docs/architecture.md` describes the steps."""

from purchases.services.additions import tell_of_addition
from purchases.services.customers import update_changed_customer
from purchases.services.disputes import note_dispute
from purchases.services.doubles import (
    card_fingerprints_of,
    excluded_people_with_same_card,
    is_card_of_erased_excluded_person,
)
from purchases.services.eligibility_changes import check_changed_person, end_checkouts, note_blocked_buyers
from purchases.services.expiry import cancel_purchase, expire_purchase, remind_of_ending_holds
from purchases.services.flags import flag_purchase
from purchases.services.holds import hold_tickets
from purchases.services.lapses import change_lapse_wait
from purchases.services.payment_receipts import issue_receipt, receipt_facts
from purchases.services.payments import purchase_tickets
from purchases.services.pending_syncs import LEASE as NOTICE_LEASE
from purchases.services.pending_syncs import request_sync, sync_object
from purchases.services.postal import create_postal_entries, enter_postal
from purchases.services.reconciliation import (
    Comparison,
    Difference,
    begin_watching,
    continue_reconciliation,
    faults_of_the_books,
    fetch_missed_events,
    key_of,
    order_reconciliation,
    settle_difference,
    store_kept_event,
    unsettled,
)
from purchases.services.refunds import (
    execute_refund,
    note_refund,
    refund_raffle,
    request_refund,
    retry_refund,
    void_purchase,
)
from purchases.services.replay import replay_event, stored_events
from purchases.services.review import resolve_review
from purchases.services.set_aside import set_event_aside
from purchases.services.settlement import settle_intent, settle_purchase
from purchases.services.spending import spent_this_month
from purchases.services.stripe_sync import claim_stale_mirrors, mirror_batch, note_change

__all__ = [
    "NOTICE_LEASE",
    "Comparison",
    "Difference",
    "begin_watching",
    "cancel_purchase",
    "card_fingerprints_of",
    "change_lapse_wait",
    "check_changed_person",
    "claim_stale_mirrors",
    "continue_reconciliation",
    "create_postal_entries",
    "end_checkouts",
    "enter_postal",
    "excluded_people_with_same_card",
    "execute_refund",
    "expire_purchase",
    "faults_of_the_books",
    "fetch_missed_events",
    "flag_purchase",
    "hold_tickets",
    "is_card_of_erased_excluded_person",
    "issue_receipt",
    "key_of",
    "mirror_batch",
    "note_blocked_buyers",
    "note_change",
    "note_dispute",
    "note_refund",
    "order_reconciliation",
    "purchase_tickets",
    "receipt_facts",
    "refund_raffle",
    "remind_of_ending_holds",
    "replay_event",
    "request_refund",
    "request_sync",
    "resolve_review",
    "retry_refund",
    "set_event_aside",
    "settle_difference",
    "settle_intent",
    "settle_purchase",
    "spent_this_month",
    "store_kept_event",
    "stored_events",
    "sync_object",
    "tell_of_addition",
    "unsettled",
    "update_changed_customer",
    "void_purchase",
]
