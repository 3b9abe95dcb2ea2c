"""Tests that `make test` leaves to `make test-all`, and tests that begin first. Loaded by `-p dev.selection`."""

import gc

import pytest

# A process of tests keeps a million objects, most of them for good: what it imported and collected. To look through
# them again and again took 5 % of its time.
gc.set_threshold(50_000, 20, 20)

# What `make test` leaves to `make test-all`, by the start of its name: tests that start servers, workers or browsers,
# ask a chain node, generate their input, or take more processor time than others.
MARKED = {
    "stack": (
        "dev/tests/",
        "luxewin/tests/test_back_office_browser.py",
        "luxewin/tests/test_bodies.py",
        "luxewin/tests/test_clock.py::test_a_",
        "luxewin/tests/test_environment.py",
        "luxewin/tests/test_long_words_browser.py",
        "luxewin/tests/test_pooler.py",
        "luxewin/tests/test_server_processes.py",
        "luxewin/tests/test_slow_clients.py",
        "luxewin/tests/test_tasks.py::test_a_worker_runs_",
        "luxewin/tests/test_worker_processes.py",
        "verification/tests/test_page_browser.py",
        "verification/tests/test_page_checks.py",
        "verification/tests/test_page_library.py",
    ),
    "chain": (
        "verification/tests/test_anchoring",
        "verification/tests/test_chain",
        "verification/tests/test_contract",
        "verification/tests/test_voiding_anchored.py",
    ),
    "fuzz": (
        "luxewin/tests/contract/",
        "verification/tests/test_two_ways.py",
        "verification/tests/test_verifier_bytes.py",
        "verification/tests/test_verifier_fuzz.py",
    ),
    "slow": (
        "accounts/tests/test_deletion.py",
        "accounts/tests/test_unclaimed.py",
        "luxewin/tests/owasp/",
        "luxewin/tests/test_admin_bounds.py",
        "luxewin/tests/test_permissions.py",
        "luxewin/tests/test_privacy.py",
        "purchases/tests/test_cards.py",
        "purchases/tests/test_delayed_payments.py",
        "purchases/tests/test_disputes.py",
        "purchases/tests/test_expiring.py",
        "purchases/tests/test_finance_admin.py",
        "purchases/tests/test_mirrors.py",
        "purchases/tests/test_missed_webhooks.py",
        "purchases/tests/test_open_checkouts.py",
        "purchases/tests/test_partly_refunded.py",
        "purchases/tests/test_payers_details.py",
        "purchases/tests/test_postal_files.py::test_many_",
        "purchases/tests/test_races.py",
        "purchases/tests/test_races_of_payments.py",
        "purchases/tests/test_races_of_raffles.py",
        "purchases/tests/test_races_of_safeguards.py",
        "purchases/tests/test_reconciling.py",
        "purchases/tests/test_reconciling_records.py",
        "purchases/tests/test_slow_refunds.py",
        "purchases/tests/test_state_machine.py",
        "purchases/tests/test_stuck_refunds.py",
        "verification/tests/test_bundle.py",
        "verification/tests/test_mutated_draws.py",
        "verification/tests/test_omission.py",
        "verification/tests/test_signatures.py",
        "verification/tests/test_statistics.py",
        "verification/tests/test_verifier_files.py",
    ),
}
# Each takes a minute or more, some of it waiting.
LONG = ("test_faults.py::test_purchases_and_draws_survive_kills", "test_end_to_end.py::", "test_worker_processes.py::")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by its name."""
    for mark, names in MARKED.items():
        if item.nodeid.startswith(names):
            item.add_marker(mark)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lasts as long as the run."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first despite the random order, so that the others run beside them."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in LONG))
