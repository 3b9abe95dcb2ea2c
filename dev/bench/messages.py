"""Telling a draw's people, and how long a receipt takes."""

import json
import smtplib
import socket
import sys
import time
from email.message import EmailMessage
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg

from dev.bench import shop
from dev.bench.ground import Ground, Size
from dev.bench.registry import BenchError, Figure, measurement
from dev.demo.parties import Till
from dev.services.processes import ManagedProcess, free_port

PEOPLE = {Size.SMALLEST: 2_000, Size.USUAL: 100_000, Size.FULL: 100_000}
# Mails for each number of workers; with --full the last of them sends all.
MAILS = {Size.SMALLEST: 60, Size.USUAL: 2_000, Size.FULL: 2_000}
ROUNDS = {Size.SMALLEST: 1, Size.USUAL: 3, Size.FULL: 3}
WORKERS = {Size.SMALLEST: (2,), Size.USUAL: (1, 2, 4), Size.FULL: (1, 2, 4)}
DELAY, FAULTS = 0.1, 0.02
MOST_SECONDS, GROWTH_MB = 10, 20
# Of the mails, between which the rate is taken: workers start one after another, and what was refused comes late.
FROM, TO = 0.1, 0.9
PATIENCE = 3_600
BUYERS = {Size.SMALLEST: 2, Size.USUAL: 30, Size.FULL: 30}
MOST_RECEIPT_SECONDS = 2
# From the row of Stripe's event, which its webhook's transaction writes, to that the mail server took the receipt.
TOOK = """
    SELECT extract(epoch FROM told.sent_at - event.djstripe_created)
    FROM accounts_notification AS told
    JOIN purchases_payment AS payment
        ON told.dedupe_key = 'purchase_paid:' || payment.purchase_id || ':' || told.user_id
    JOIN djstripe_event AS event ON event.stripe_data #>> '{data,object,id}' = payment.intent_id
    WHERE payment.purchase_id = %s AND told.channel = 'email' AND told.sent_at IS NOT NULL
        AND event.type = 'payment_intent.succeeded'
"""


@measurement(unit="s")
def notify_1e5(ground: Ground) -> Figure:
    """A draw's 100,000 people told by the task that does it, so that all their messages wait to be sent, beside psycopg
    alone writing the same rows. Fails above 10 s, and if the process grows by more than 20 MB.

    Then 1, 2 and 4 workers of one process each send 2,000 mails to a server that answers after 100 ms and fails 2 % of
    them, with --full the four of them all 100,000; fails unless each was taken once.
    """
    environment = {"DATABASE_URL": ground.spare_database("told")}
    product = partial(ground.run_product, "dev.bench.product.told", environment=environment, seconds=PATIENCE)
    raffle = product("people", str(PEOPLE[ground.size]))
    found = product("tell", raffle, str(ROUNDS[ground.size]))
    figure = Figure(found["values"], found["yardsticks"])
    early, late = found["memory"]
    if late - early > GROWTH_MB:
        raise BenchError(f"memory is not flat: {early:.0f} MB in the first tenth, {late:.0f} MB in all")
    if figure.value > MOST_SECONDS and not ground.is_smallest:
        raise BenchError(f"it took {figure.value:.1f} s, more than {MOST_SECONDS}")
    sent = [_sent(ground, product, environment, workers) for workers in WORKERS[ground.size]]
    note = f"{PEOPLE[ground.size]:,} people, {early:.0f} MB resident in the first tenth, {late:.0f} MB at most; mails: "
    return Figure(found["values"], found["yardsticks"], note=note + "; ".join(sent))


def _sent(ground: Ground, product: Any, environment: dict[str, str], workers: int) -> str:
    """Have so many workers send mails, each exactly once; return what came of it."""
    is_whole = ground.size == Size.FULL and workers == WORKERS[ground.size][-1]
    mails = product("queue", str(PEOPLE[ground.size] if is_whole else MAILS[ground.size]))
    port = _sink(ground)
    before = _stat(port)
    names = [f"told-worker-{number}" for number in range(workers)]
    own = environment | {"EMAIL_URL": f"smtp://127.0.0.1:{port}", "WORKERS": "1"}
    running = [
        ground.stack.supervisor.spawn(name, [sys.executable, "manage.py", "worker"], own, grace=30) for name in names
    ]
    try:
        begun, ended = (_when(port, before["accepted"] + int(mails * share), running) for share in (FROM, TO))
        _when(port, before["accepted"] + mails, running)
        _until_recorded(product, mails)
    finally:
        for each in running:
            each.stop()
    after = {name: count - before[name] for name, count in _stat(port).items()}
    if (after["accepted"], after["twice"]) != (mails, 0):
        raise BenchError(f"of {mails} mails {after['accepted']} were taken, {after['twice']} of them twice")
    rate = mails * (TO - FROM) / (ended - begun)
    return f"{workers} workers {rate:.0f}/s ({mails:,}, {after['faults']} faults, each taken once)"


@cache
def _sink(ground: Ground) -> int:
    port = free_port()
    argv = [sys.executable, "-m", "dev.bench.product.mail_sink", "--port", str(port)]
    argv += ["--delay", str(DELAY), "--faults", str(FAULTS)]
    ground.stack.supervisor.spawn("mail-sink", argv)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            _stat(port)
        except OSError:
            time.sleep(0.1)
        else:
            return port
    raise BenchError("the mail server does not answer")


def _stat(port: int) -> dict[str, int]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rw") as lines:
        lines.readline()
        lines.write("STAT\r\n")
        lines.flush()
        found: dict[str, int] = json.loads(lines.readline().partition(" ")[2])
        return found


def _when(port: int, accepted: int, workers: list[ManagedProcess]) -> float:
    """Wait until so many were taken, and return the time."""
    deadline = time.monotonic() + PATIENCE
    while _stat(port)["accepted"] < accepted:
        if time.monotonic() > deadline or any(each.poll() is not None for each in workers):
            raise BenchError(f"{accepted} mails were not taken; see {workers[0].log}")
        time.sleep(0.05)
    return time.monotonic()


def _until_recorded(product: Any, mails: int) -> None:
    deadline = time.monotonic() + 60
    while (states := product("left")) != {"accepted": mails}:
        if time.monotonic() > deadline:
            raise BenchError(f"all mails were taken, but the database has {states}")


@measurement(unit="s")
def receipt_time(ground: Ground) -> Figure:
    """From the webhook that says that a purchase is paid to its receipt handed to the mail server, one buyer after
    another on an idle machine, beside a bare mail of that length handed to the same server. Fails above 2 s.
    """
    raffle = shop.raffle(ground)
    tokens = ground.run_product("dev.bench.product.seed", "buyers", str(BUYERS[ground.size]))
    with httpx.Client(timeout=30) as http:
        till = Till(http, ground.stack.environment)
        values = [_receipt_seconds(ground, http, till, raffle, token) for token in tokens]
    yardsticks = [_bare_mail(ground.stack.environment["EMAIL_URL"]) for _ in values]
    figure = Figure(values, yardsticks)
    if figure.value > MOST_RECEIPT_SECONDS and not ground.is_smallest:
        raise BenchError(f"the median is {figure.value:.1f} s, more than {MOST_RECEIPT_SECONDS}")
    return Figure(values, yardsticks, note=f"{min(values):.2f} to {max(values):.2f} s")


def _receipt_seconds(ground: Ground, http: httpx.Client, till: Till, raffle: str, token: str) -> float:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
    body = {"raffle": raffle, "quantity": 1}
    bought = http.post(f"{ground.stack.url}/api/v1/purchases/create", json=body, headers=headers)
    purchase = bought.raise_for_status().json()
    till.pay(purchase["client_secret"])
    deadline = time.monotonic() + 120
    with psycopg.connect(ground.database(), autocommit=True) as connection:
        while time.monotonic() < deadline:
            if row := connection.execute(TOOK, [purchase["id"]]).fetchone():
                return float(row[0])
            time.sleep(0.1)
    raise BenchError(f"no receipt of purchase {purchase['id']} was sent")


def _bare_mail(url: str) -> float:
    address, message = urlsplit(url), EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.com", "Your ticket"
    message.set_content("A line of a receipt, as long as others are.\n" * 200)
    started = time.perf_counter()
    with smtplib.SMTP(address.hostname or "", address.port or 25) as server:
        server.send_message(message)
    return time.perf_counter() - started
