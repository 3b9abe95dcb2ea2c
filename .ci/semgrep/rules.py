"""What the rules find, and beside it what they let through: read by `semgrep --test`, run by nobody."""


def statements(cursor, name, Raffle):
    # ruleid: sql-by-parameters
    cursor.execute(f"SELECT {name}")
    # ruleid: sql-by-parameters
    cursor.execute("SELECT %s" % name)
    # ruleid: sql-by-parameters
    cursor.execute("SELECT {}".format(name), [])
    # ruleid: sql-by-parameters
    Raffle.objects.extra(where=[name])
    # ok: sql-by-parameters
    cursor.execute("SELECT %s", [name])


def pages(text, mark_safe, format_html):
    # ruleid: html-is-not-marked-safe-unless-it-stands-there
    mark_safe(text)
    # ok: html-is-not-marked-safe-unless-it-stands-there
    mark_safe("<br>")
    # ok: html-is-not-marked-safe-unless-it-stands-there
    format_html("<b>{}</b>", text)


# ruleid: forms-are-guarded
@csrf_exempt
def door(request):
    # ruleid: the-client-s-address-has-one-reader
    request.META["REMOTE_ADDR"]
    # ok: the-client-s-address-has-one-reader
    request.META["REMOTE_ADDR"] = "10.0.0.1"
    # ruleid: the-client-s-address-has-one-reader
    request.META.get("HTTP_X_FORWARDED_FOR", "")
    # ruleid: nobody-is-sent-where-the-request-says
    redirect(request.GET.get("next"))
    # ok: nobody-is-sent-where-the-request-says
    redirect("/")


class OpenView:
    # ruleid: what-is-open-to-anyone-is-known
    permission_classes = [AllowAny]
    # ruleid: what-is-open-to-anyone-is-known
    authentication_classes = []


class ClosedView:
    # ok: what-is-open-to-anyone-is-known
    permission_classes = [IsAuthenticated]


class EverythingSerializer:
    # ruleid: serializers-name-their-fields
    class Meta:
        fields = "__all__"


class MostSerializer:
    class Meta:
        # ruleid: serializers-name-their-fields
        exclude = ["answer"]


class NamedSerializer:
    # ok: serializers-name-their-fields
    class Meta:
        fields = ["id"]


def calls(url):
    # ruleid: outside-parties-are-waited-for-so-long-and-no-longer
    httpx.get(url)
    # ruleid: outside-parties-are-waited-for-so-long-and-no-longer
    requests.post(url, json={})
    # ok: outside-parties-are-waited-for-so-long-and-no-longer
    httpx.get(url, timeout=5)
    # ruleid: certificates-are-looked-at
    httpx.get(url, timeout=5, verify=False)
    # ruleid: redirects-of-outside-parties-are-not-followed
    httpx.get(url, timeout=5, follow_redirects=True)


def lines(log, password, pair, user):
    # ruleid: no-secret-is-logged
    log.info("signed in with %s", password)
    # ruleid: no-secret-is-logged
    log.warning("%s got %s", user.pk, pair.refresh)
    # ruleid: no-secret-is-logged
    log.info(f"signed in with {password}")
    # ok: no-secret-is-logged
    log.info("%s signed in", user.pk)


def tokens(text, key):
    # ruleid: tokens-by-accounts
    jwt.decode(text, key, algorithms=["HS256"])


def times(models, timezone, time, datetime, date):
    # ruleid: the-database-has-the-clock
    timezone.now()
    # ruleid: the-database-has-the-clock
    models.DateTimeField(default=timezone.now)
    # ruleid: the-database-has-the-clock
    models.DateTimeField(auto_now=True)
    # ruleid: the-database-has-the-clock
    models.DateTimeField(null=True, auto_now_add=True)
    # ruleid: the-database-has-the-clock
    datetime.now(UTC)
    # ruleid: the-database-has-the-clock
    date.today()
    # ruleid: the-database-has-the-clock
    time.time()
    # ok: the-database-has-the-clock
    time.monotonic()
    # ok: the-database-has-the-clock
    timezone.localtime(found)
    # ok: the-database-has-the-clock
    models.DateTimeField(db_default=Now())
