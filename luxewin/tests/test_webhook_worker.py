"""Webhooks by real workers: one is killed while an endpoint has its request, and nothing is lost or doubled."""

import threading
from datetime import timedelta
from ipaddress import ip_network
from uuid import uuid4

import psutil
import pytest
from django.utils import timezone

from luxewin.tests.receiving import make_certificate, receiving
from luxewin.tests.worker_processes import eventually, running_worker
from luxewin.webhooks import services
from luxewin.webhooks.events import EventType
from luxewin.webhooks.models import Delivery, Endpoint, Event

pytestmark = [pytest.mark.stack, pytest.mark.django_db(transaction=True)]
EVENTS = 5


def test_nothing_is_lost_and_no_event_becomes_two_when_a_worker_is_killed_in_the_middle(mona, tmp_path, settings):
    settings.WEBHOOK_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]
    certificate = make_certificate(tmp_path)
    trusted = {"SSL_CERT_FILE": str(certificate), "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8"}
    arrived, may_answer = threading.Event(), threading.Event()

    def answer(number):
        # The third request is taken, and its answer never comes: its worker is dead.
        if number == 3:
            arrived.set()
            may_answer.wait(240)
        return 204

    with receiving(certificate) as receiver:
        receiver.answer = answer
        endpoint = services.create_endpoint(url=receiver.url, description="", event_types=["raffle.closed"], actor=mona)
        services.emit(
            EventType.RAFFLE_CLOSED, [(uuid4(), {"raffle": str(uuid4()), "slug": "x"}) for _ in range(EVENTS)]
        )
        with running_worker(**trusted) as worker:
            assert arrived.wait(240)
            family = [worker.main, *worker.main.children(recursive=True)]
            for process in family:
                process.kill()
            psutil.wait_procs(family, 60)
        may_answer.set()
        cut = Delivery.objects.get(status="sent")
        assert (cut.attempts, f"msg_{cut.event_id.hex}") == (1, receiver.ids[2])
        # What two minutes do: the claims of the dead worker end.
        Delivery.objects.filter(pk=cut.pk).update(due_at=timezone.now() - timedelta(seconds=1))
        Endpoint.objects.update(claimed_until=None)
        with running_worker(**trusted):
            assert eventually(lambda: Delivery.objects.filter(status="delivered").count() == EVENTS)
        names = {f"msg_{key.hex}" for key in Event.objects.values_list("pk", flat=True)}
        assert set(receiver.ids) == names
        # The one that was cut came twice, under one id, as receivers are told; no other did.
        assert sorted(receiver.ids) == sorted([*names, receiver.ids[2]])
        assert Delivery.objects.filter(endpoint=endpoint).count() == EVENTS
        receiver.verified(services.secrets_of(endpoint)[0])
