"""Staff stop the sale of all raffles and resume it; what was held stays payable."""

from io import StringIO
from threading import Barrier

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from luxewin.audit.models import AuditEntry
from luxewin.metrics.gauges import GAUGES
from luxewin.tests.asking import client_of
from raffles import sale_stops
from raffles.errors import AlreadyStopped, NotStopped
from raffles.models import SaleStop, TicketCounter

from .stage import at_once

WHY = "Card payments fail at the moment."
BUY = "/api/v1/purchases/create"


def test_nothing_is_held_while_sales_are_stopped_and_what_was_held_is_repeated(alice, bob, mona, on_sale, api):
    raffle = on_sale()

    def buy(buyer, key):
        body = {"raffle": str(raffle.pk), "quantity": 2}
        return api(buyer).post(BUY, body, headers={"Idempotency-Key": key})

    held = buy(alice, key="before")
    assert held.status_code == 201
    stop = sale_stops.stop_sales(reason=WHY, actor=mona)
    refused = buy(bob, key="while")
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (503, "sales_stopped", "60")
    assert (refused.json()["reason"], refused.json()["since"][:19]) == (WHY, stop.started_at.isoformat()[:19])
    assert WHY in refused.json()["detail"]
    # Sent again after a lost answer, the purchase of before is told, and can be paid.
    again = buy(alice, key="before")
    assert (again.json()["id"], bool(again.json()["client_secret"])) == (held.json()["id"], True)
    assert TicketCounter.objects.get(raffle=raffle).held == held.json()["quantity"]
    sale_stops.resume_sales(actor=mona)
    assert buy(bob, key="after").status_code == 201


def test_the_shop_says_so(mona):
    sale_stops.stop_sales(reason=WHY, actor=mona)
    assert client_of().get("/api/v1/shop").json()["sales_stopped"]["reason"] == WHY


def test_one_stop_runs_at_a_time_and_all_are_kept_and_audited(mona):
    with pytest.raises(NotStopped):
        sale_stops.resume_sales(actor=mona)
    for _ in range(2):
        sale_stops.stop_sales(reason=WHY, actor=mona)
        with pytest.raises(AlreadyStopped):
            sale_stops.stop_sales(reason="Another.", actor=mona)
        with pytest.raises(IntegrityError, match="sale_stop_runs_once"), transaction.atomic():
            SaleStop.objects.create(reason="By hand.")
        sale_stops.resume_sales(actor=mona)
    assert SaleStop.objects.exclude(ended_at=None).count() == 2
    actions = AuditEntry.objects.filter(action__startswith="sales.").order_by("pk").values_list("action", "actor")
    assert [*actions] == [("sales.stopped", mona.pk), ("sales.resumed", mona.pk)] * 2


@pytest.mark.django_db(transaction=True)
def test_of_two_who_stop_at_once_one_does(person):
    both = Barrier(2)

    def stop():
        both.wait(30)
        try:
            return bool(sale_stops.stop_sales(reason=WHY))
        except AlreadyStopped:
            return False

    assert sorted(at_once(stop, stop)) == [False, True]


def test_staff_stop_and_resume_in_the_back_office_where_it_is_named(mona, sam, client):
    pages = "/admin/raffles/salestop/"
    client.force_login(sam)
    assert client.post(f"{pages}add/", {"reason": WHY}).status_code == 403
    client.force_login(mona)
    assert "This field is required" in client.post(f"{pages}add/", {"reason": " "}).text
    assert "No line break" in client.post(f"{pages}add/", {"reason": "a\u2028b"}).text
    assert client.post(f"{pages}add/", {"reason": WHY}).status_code == 302
    assert "Sales are stopped already" in client.post(f"{pages}add/", {"reason": "Another."}).text
    assert "stop of all sales runs" in client.get("/admin/").text
    [gauge] = [each for each in GAUGES if each.name == "sales_stopped"]
    assert (gauge.read(), gauge.most) == (1, 0)  # so that the doctor names it
    resume = {"action": "resume", "_selected_action": [str(SaleStop.objects.get().pk)]}
    client.force_login(sam)
    client.post(pages, resume)
    assert sale_stops.running_stop()
    client.force_login(mona)
    assert "Tickets are sold again" in client.post(pages, resume, follow=True).text
    assert "not stopped" in client.post(pages, resume, follow=True).text
    assert not sale_stops.running_stop()


def test_the_command_and_its_refusals(mona, sam):
    def sales(*words, **options):
        out = StringIO()
        call_command("sales", *words, stdout=out, **options)
        return out.getvalue()

    assert sales("show") == "On sale.\n"
    for options, fault in (
        ({"by": mona.email}, "--reason"),
        ({"by": mona.email, "reason": "x" * 201}, "at most 200"),
        ({"by": mona.email, "reason": "a\u2028b"}, "U\\+2028"),
        ({"by": sam.email, "reason": WHY}, f"{sam.email} may not"),
        ({"reason": WHY}, "--by"),
    ):
        with pytest.raises(CommandError, match=fault):
            sales("stop", **options)
    assert WHY in sales("stop", by=mona.email, reason=WHY)
    with pytest.raises(CommandError, match="stopped already"):
        sales("stop", by=mona.email, reason=WHY)
    assert WHY in sales("show")
    assert sales("resume", by=mona.email) == "On sale.\n"
