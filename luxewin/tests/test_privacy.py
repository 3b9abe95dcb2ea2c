"""Privacy across all rooms: no model about people is overlooked, and forgetting one leaves books and proofs whole."""

import io
import json
import threading
from datetime import timedelta
from itertools import chain
from pathlib import Path
from zipfile import ZipFile

import pytest
import stripe
from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from djstripe.models import Charge, Customer, WebhookEventTrigger

from accounts import services as people_services
from accounts import tasks as people_tasks
from accounts.models import Deletion, Export, Preferences, RetentionRule, User
from accounts.privacy.archives import write_archive
from accounts.privacy.exports import AREAS, LEFT_OUT
from accounts.privacy.retention import REMOVERS
from luxewin.tests.asking import assert_problem, client_of
from purchases import services, tasks
from purchases.models import Dispute, Payment, Purchase, Refund, SkillAttempt
from purchases.tests.books import check_books, check_money
from purchases.tests.stage import at_once, bought, buy, hold, seated
from verification.models import Award, Draw, Pick
from verification.services import claim_award
from verification.tests.drawing import URL, advance_to, closed

# Columns that name a person without a foreign key.
NAMING = {"email", "actor"}


def _refers(model: type[models.Model], to: set[type[models.Model]]) -> bool:
    fields = model._meta.get_fields()
    related = {field.related_model for field in fields if getattr(field, "many_to_one", False) or field.one_to_one}
    forward = {field.related_model for field in model._meta.concrete_fields if field.is_relation}
    return bool(forward & related & to) or bool(NAMING & {field.name for field in model._meta.concrete_fields})


def _about_people() -> set[str]:
    """Labels of all models that refer to people, directly or through others that do."""
    found: set[type[models.Model]] = {User}
    every = [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]
    while more := {model for model in every if model not in found and _refers(model, found)}:
        found |= more
    return {model._meta.label for model in found}


def test_every_model_that_refers_to_people_is_exported_or_left_out_for_a_reason():
    covered = set(chain.from_iterable(area.models for area in AREAS.values())) | set(LEFT_OUT)
    forgotten = {label for label in _about_people() - covered if f"{label.partition('.')[0]}.*" not in covered}
    assert not forgotten, "register an area for these (accounts.privacy.exports), or leave them out and say why"
    assert all(LEFT_OUT.values())


def test_the_walk_finds_what_hangs_on_people_by_several_steps():
    found = _about_people()
    assert found >= {"purchases.Refund", "verification.Award", "accounts.Session", "audit.AuditEntry"}
    assert not found & {"raffles.Raffle", "raffles.Prize", "verification.Contract"}


def test_no_reason_is_given_for_what_does_not_exist():
    labels = {model._meta.label for model in apps.get_models(include_auto_created=True)}
    assert {label for label in LEFT_OUT if not label.endswith(".*")} <= labels


def _archive(user: User) -> dict[str, str]:
    file = io.BytesIO()
    write_archive(user, file)
    with ZipFile(file) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_an_archive_has_what_every_room_holds(on_sale, alice, bob):
    raffle = on_sale(prizes=[{"name": "A watch"}], alternates=1)
    for buyer in (alice, bob):
        SkillAttempt.objects.create(raffle=raffle, user=buyer, answer=f"four, says {buyer.display_name}", correct=True)
        seated(buyer, raffle, 3)
    closed(raffle)
    advance_to(raffle, Draw.State.DRAWN)
    files = {name: json.loads(text) for name, text in _archive(alice).items() if name.endswith(".json")}
    mine = Purchase.objects.get(buyer=alice)
    assert [row["id"] for row in files["purchases/purchases.json"]] == [str(mine.pk)]
    assert [row["answer"] for row in files["purchases/answers.json"]] == ["four, says Alice"]
    assert [row["entry_id"] for row in files["draws/proofs.json"]] == [str(mine.entry_id)]
    assert files["purchases/audit.json"]
    assert len(files["draws/picks.json"]) == Pick.objects.filter(purchase=mine).count()
    heading, line = _archive(alice)["purchases/tickets.csv"].splitlines()
    assert heading == "\ufeffraffle,purchase,entry,status,first,last,count,amount,currency,paid_at_utc"
    assert f"paid,{mine.first_ticket},{mine.first_ticket + 2},3,15.00,GBP,{mine.paid_at:%Y-%m-%d %H:%M:%S}" in line
    assert "Bob" not in json.dumps(files)
    assert str(bob.pk) not in json.dumps(files)


def test_tickets_are_a_table_for_a_spreadsheet_whatever_a_raffle_is_called(on_sale, alice, bob):
    seated(alice, on_sale(title='=HYPERLINK("https://evil.example")'), 1)
    assert _archive(alice)["purchases/tickets.csv"].splitlines()[1].startswith("\"'=HYPERLINK(")
    assert len(_archive(bob)["purchases/tickets.csv"].splitlines()) == 1


def test_a_long_history_is_written_without_holding_it(on_sale, alice, django_assert_max_num_queries):
    raffle = on_sale(capacity=5_000)
    template = hold(alice, raffle)
    copies = [
        Purchase(
            **{name: getattr(template, name) for name in ("raffle_id", "buyer_id", "quantity", "amount", "currency")},
            status="expired",
            idempotency_key=str(number),
            request_digest=b"d",
            expires_at=timezone.now(),
        )
        for number in range(1_500)
    ]
    Purchase.objects.bulk_create(copies)
    with django_assert_max_num_queries(60):
        files = _archive(alice)
    assert len(json.loads(files["purchases/purchases.json"])) == 1_501


def _codes(user: User) -> set[str]:
    user.set_password("correct horse battery staple")
    user.save()
    answer = client_of(user).post("/api/v1/users/delete", {"password": "correct horse battery staple"})
    return {each["code"] for each in assert_problem(answer, 409, "deletion_blocked")["obstacles"]}


def test_everything_that_stands_in_the_way_is_named(alice, on_sale):
    paid, pending = seated(alice, on_sale()), hold(alice, on_sale())
    assert _codes(alice) == {"draw_to_come", "purchase_pending"}
    Dispute.objects.create(
        stripe_id="dp_1", payment=paid.payment, status="needs_response", reason="r", amount=1, currency="gbp",
        opened_at=timezone.now(),
    )  # fmt: skip
    Refund.objects.create(payment=pending.payment, amount=1, reason="r", status="failed")
    assert _codes(alice) == {"draw_to_come", "purchase_pending", "dispute_open", "refund_open"}


@pytest.mark.parametrize("status", ["pending", "processing", "review", "refunding"])
def test_money_under_way_stands_in_the_way(status, alice, on_sale):
    purchase = hold(alice, on_sale())
    Purchase.objects.filter(pk=purchase.pk).update(status=status)
    assert _codes(alice) == {f"purchase_{status}"}


@pytest.fixture
def drawn(on_sale, people):
    """A held draw of one prize with one alternate, and its buyers: the winner first, then the alternate."""
    raffle = on_sale(prizes=[{"name": "A watch"}], alternates=1)
    buyers = people(3)
    for buyer in buyers:
        seated(buyer, raffle, 2)
    closed(raffle)
    advance_to(raffle, Draw.State.DRAWN)
    picked = [pick.purchase.buyer for pick in Pick.objects.select_related("purchase__buyer").order_by("position")]
    return raffle, picked


def _forget(user: User) -> None:
    people_services.request_deletion(user, actor=user)
    Deletion.objects.filter(user=user).update(due_at=timezone.now() - timedelta(seconds=1))
    people_tasks.carry_out_deletion(str(Deletion.objects.get(user=user).pk))
    assert Deletion.objects.get(user=user).status == Deletion.Status.DONE


def test_whoever_may_still_get_a_prize_stays_reachable(drawn, mona):
    _, (winner, alternate) = drawn
    assert _codes(winner) >= {"prize_unclaimed"}
    if alternate != winner:
        assert _codes(alternate) == {"alternate"}
    claim_award(Award.objects.get().pick_id, actor=mona)
    _forget(winner)


def test_forgetting_a_winner_leaves_every_byte_of_the_proof(drawn, mona, client, run_tasks):
    raffle, (winner, _) = drawn
    Preferences.objects.filter(user=winner).update(winner_name="full")
    claim_award(Award.objects.get().pick_id, actor=mona)
    shown = client.get(f"{URL}/{raffle.slug}").json()["picks"][0]
    assert shown["name"] == winner.display_name
    paths = [f"{URL}/{raffle.slug}/bundle", f"{URL}/{raffle.slug}/entries.csv"]
    before = [b"".join(client.get(path)) for path in paths]
    _forget(winner)
    assert [b"".join(client.get(path)) for path in paths] == before
    assert client.get(f"{URL}/{raffle.slug}").json()["picks"][0] == shown | {"name": ""}
    check_books()


def test_a_change_of_ones_winner_name_counts_for_earlier_draws_too(drawn, client):
    raffle, (winner, _) = drawn
    for choice, name in {"full": winner.display_name, "anonymous": "", "initials": "B."}.items():
        people_services.update_preferences(winner, winner_name=choice)
        assert client.get(f"{URL}/{raffle.slug}").json()["picks"][0]["name"] == name


@pytest.mark.django_db(transaction=True)
def test_stripe_forgets_too_and_the_money_still_adds_up(alice, on_sale, run_tasks):
    purchase = bought(alice, on_sale())
    customer = Customer.objects.get(subscriber=alice)
    run_tasks()
    services.request_refund(purchase.pk, reason="r")
    run_tasks()
    _forget(alice)
    assert tasks.erase_customers() == 1
    run_tasks()
    assert stripe.Customer.retrieve(customer.id).deleted
    customer.refresh_from_db()
    assert (customer.subscriber, customer.email, customer.stripe_data.get("email")) == (None, "", None)
    assert all(charge.stripe_data.get("billing_details") is None for charge in Charge.objects.all())
    assert "alice@example.com" not in json.dumps(list(Customer.objects.values()), default=str)
    assert tasks.erase_customers() == 0
    payment = Payment.objects.get(purchase=purchase)
    assert (payment.status, payment.client_secret, payment.customer) == ("succeeded", "", customer.id)
    check_books()
    check_money()
    assert list(services.faults_of_the_books()) == []


@pytest.mark.django_db(transaction=True)
def test_while_stripe_does_not_answer_its_customer_waits(alice, on_sale, closed_port, monkeypatch, caplog):
    buy(alice, on_sale())
    Purchase.objects.update(status="expired")
    _forget(alice)
    with monkeypatch.context() as away:
        away.setattr(stripe, "api_base", f"http://127.0.0.1:{closed_port}")
        away.setattr(stripe, "max_network_retries", 0)
        tasks.erase_customer(str(Deletion.objects.get().pk))
    assert "Stripe does not answer" in caplog.text
    assert Customer.objects.filter(subscriber=alice).exists()
    tasks.erase_customer(str(Deletion.objects.get().pk))
    assert not Customer.objects.filter(subscriber=alice).exists()


def test_what_opens_a_payment_goes_when_its_purchase_is_over(alice, on_sale):
    old = timezone.now() - timedelta(days=31)
    over, held = hold(alice, on_sale()), hold(alice, on_sale())
    Purchase.objects.filter(pk=over.pk).update(status="expired")
    Payment.objects.update(client_secret="pi_1_secret_2", updated_at=old)
    assert people_services.apply_rule("client_secrets") == 1
    assert Payment.objects.get(purchase=over).client_secret == ""
    assert Payment.objects.get(purchase=held).client_secret


def test_how_events_were_delivered_goes_after_a_while(db):
    for days in (91, 89):
        made = WebhookEventTrigger.objects.create(remote_ip="203.0.113.7", headers={}, body="{}")
        WebhookEventTrigger.objects.filter(pk=made.pk).update(created=timezone.now() - timedelta(days=days))
    assert people_services.apply_rule("stripe_deliveries") == 1
    assert WebhookEventTrigger.objects.count() == 1


def test_an_archive_goes_with_the_person(alice):
    export = people_services.request_export(alice, actor=alice)
    people_services.make_export(export.pk)
    _forget(alice)
    assert not Export.objects.exists()


def _buy_while_leaving(alice: User, on_sale) -> bool:
    """Alice buys on one device and leaves on another; whether she left although her purchase is under way."""
    raffle, held, left = on_sale(), threading.Event(), threading.Event()

    def buys() -> None:
        with transaction.atomic():
            hold(alice, raffle)
            held.set()
            left.wait(1.5)

    def leaves() -> None:
        assert held.wait(30)
        try:
            people_services.request_deletion(alice, actor=alice)
        finally:
            left.set()

    at_once(buys, leaves)
    assert Purchase.objects.get(buyer=alice).status == "pending"
    return Deletion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_nobody_leaves_in_the_middle_of_a_purchase(alice, on_sale):
    assert not _buy_while_leaving(alice, on_sale)


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_somebody_leaves_in_the_middle_of_a_purchase(alice, on_sale, without_row_locks):
    assert _buy_while_leaving(alice, on_sale)


def test_the_document_says_how_long_each_thing_is_kept(db):
    text = (Path(settings.BASE_DIR) / "docs" / "privacy.md").read_text()
    for rule in RetentionRule.objects.all():
        assert f"| `{rule.what}` | {REMOVERS[rule.what].about} | {rule.keep_days} |" in text, rule.what


def test_the_document_names_every_file_of_an_archive():
    text = (Path(settings.BASE_DIR) / "docs" / "privacy.md").read_text()
    assert {name for name in AREAS if f"`{name}`" not in text} == set()
