"""Ages by the calendar of where people live; and a note of everybody whose eligibility to buy may have changed.

New in `accounts_standings`: `accounts_age`, which counts a birthday once it has begun in
all of the person's country, and `accounts_rule`, which also tells the rule of an earlier moment.
"""

from importlib import import_module

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FORMER = import_module("accounts.migrations.0006_safeguards").STANDINGS
FORMER_RULE = FORMER.partition("LEFT JOIN LATERAL (")[2].partition(") AS rule ON")[0]
# For each country the time zone in which a day begins last, by IANA's zone.tab of 2025b and its offsets of 2024 to 2029.
# Where a country has several zones, one of them is the last all year round.
LAST_ZONES = """
AD=Europe/Andorra AE=Asia/Dubai AF=Asia/Kabul AG=America/Antigua AI=America/Anguilla AL=Europe/Tirane
AM=Asia/Yerevan AO=Africa/Luanda AQ=Antarctica/Palmer AR=America/Argentina/Buenos_Aires AS=Pacific/Pago_Pago
AT=Europe/Vienna AU=Australia/Perth AW=America/Aruba AX=Europe/Mariehamn AZ=Asia/Baku BA=Europe/Sarajevo
BB=America/Barbados BD=Asia/Dhaka BE=Europe/Brussels BF=Africa/Ouagadougou BG=Europe/Sofia BH=Asia/Bahrain
BI=Africa/Bujumbura BJ=Africa/Porto-Novo BL=America/St_Barthelemy BM=Atlantic/Bermuda BN=Asia/Brunei
BO=America/La_Paz BQ=America/Kralendijk BR=America/Eirunepe BS=America/Nassau BT=Asia/Thimphu BW=Africa/Gaborone
BY=Europe/Minsk BZ=America/Belize CA=America/Vancouver CC=Indian/Cocos CD=Africa/Kinshasa CF=Africa/Bangui
CG=Africa/Brazzaville CH=Europe/Zurich CI=Africa/Abidjan CK=Pacific/Rarotonga CL=Pacific/Easter CM=Africa/Douala
CN=Asia/Urumqi CO=America/Bogota CR=America/Costa_Rica CU=America/Havana CV=Atlantic/Cape_Verde CW=America/Curacao
CX=Indian/Christmas CY=Asia/Nicosia CZ=Europe/Prague DE=Europe/Berlin DJ=Africa/Djibouti DK=Europe/Copenhagen
DM=America/Dominica DO=America/Santo_Domingo DZ=Africa/Algiers EC=Pacific/Galapagos EE=Europe/Tallinn
EG=Africa/Cairo EH=Africa/El_Aaiun ER=Africa/Asmara ES=Atlantic/Canary ET=Africa/Addis_Ababa FI=Europe/Helsinki
FJ=Pacific/Fiji FK=Atlantic/Stanley FM=Pacific/Chuuk FO=Atlantic/Faroe FR=Europe/Paris GA=Africa/Libreville
GB=Europe/London GD=America/Grenada GE=Asia/Tbilisi GF=America/Cayenne GG=Europe/Guernsey GH=Africa/Accra
GI=Europe/Gibraltar GL=America/Thule GM=Africa/Banjul GN=Africa/Conakry GP=America/Guadeloupe GQ=Africa/Malabo
GR=Europe/Athens GS=Atlantic/South_Georgia GT=America/Guatemala GU=Pacific/Guam GW=Africa/Bissau GY=America/Guyana
HK=Asia/Hong_Kong HN=America/Tegucigalpa HR=Europe/Zagreb HT=America/Port-au-Prince HU=Europe/Budapest
ID=Asia/Jakarta IE=Europe/Dublin IL=Asia/Jerusalem IM=Europe/Isle_of_Man IN=Asia/Kolkata IO=Indian/Chagos
IQ=Asia/Baghdad IR=Asia/Tehran IS=Atlantic/Reykjavik IT=Europe/Rome JE=Europe/Jersey JM=America/Jamaica
JO=Asia/Amman JP=Asia/Tokyo KE=Africa/Nairobi KG=Asia/Bishkek KH=Asia/Phnom_Penh KI=Pacific/Tarawa KM=Indian/Comoro
KN=America/St_Kitts KP=Asia/Pyongyang KR=Asia/Seoul KW=Asia/Kuwait KY=America/Cayman KZ=Asia/Qyzylorda
LA=Asia/Vientiane LB=Asia/Beirut LC=America/St_Lucia LI=Europe/Vaduz LK=Asia/Colombo LR=Africa/Monrovia
LS=Africa/Maseru LT=Europe/Vilnius LU=Europe/Luxembourg LV=Europe/Riga LY=Africa/Tripoli MA=Africa/Casablanca
MC=Europe/Monaco MD=Europe/Chisinau ME=Europe/Podgorica MF=America/Marigot MG=Indian/Antananarivo MH=Pacific/Majuro
MK=Europe/Skopje ML=Africa/Bamako MM=Asia/Yangon MN=Asia/Hovd MO=Asia/Macau MP=Pacific/Saipan MQ=America/Martinique
MR=Africa/Nouakchott MS=America/Montserrat MT=Europe/Malta MU=Indian/Mauritius MV=Indian/Maldives MW=Africa/Blantyre
MX=America/Tijuana MY=Asia/Kuala_Lumpur MZ=Africa/Maputo NA=Africa/Windhoek NC=Pacific/Noumea NE=Africa/Niamey
NF=Pacific/Norfolk NG=Africa/Lagos NI=America/Managua NL=Europe/Amsterdam NO=Europe/Oslo NP=Asia/Kathmandu
NR=Pacific/Nauru NU=Pacific/Niue NZ=Pacific/Auckland OM=Asia/Muscat PA=America/Panama PE=America/Lima
PF=Pacific/Tahiti PG=Pacific/Port_Moresby PH=Asia/Manila PK=Asia/Karachi PL=Europe/Warsaw PM=America/Miquelon
PN=Pacific/Pitcairn PR=America/Puerto_Rico PS=Asia/Gaza PT=Atlantic/Azores PW=Pacific/Palau PY=America/Asuncion
QA=Asia/Qatar RE=Indian/Reunion RO=Europe/Bucharest RS=Europe/Belgrade RU=Europe/Kaliningrad RW=Africa/Kigali
SA=Asia/Riyadh SB=Pacific/Guadalcanal SC=Indian/Mahe SD=Africa/Khartoum SE=Europe/Stockholm SG=Asia/Singapore
SH=Atlantic/St_Helena SI=Europe/Ljubljana SJ=Arctic/Longyearbyen SK=Europe/Bratislava SL=Africa/Freetown
SM=Europe/San_Marino SN=Africa/Dakar SO=Africa/Mogadishu SR=America/Paramaribo SS=Africa/Juba ST=Africa/Sao_Tome
SV=America/El_Salvador SX=America/Lower_Princes SY=Asia/Damascus SZ=Africa/Mbabane TC=America/Grand_Turk
TD=Africa/Ndjamena TF=Indian/Kerguelen TG=Africa/Lome TH=Asia/Bangkok TJ=Asia/Dushanbe TK=Pacific/Fakaofo
TL=Asia/Dili TM=Asia/Ashgabat TN=Africa/Tunis TO=Pacific/Tongatapu TR=Europe/Istanbul TT=America/Port_of_Spain
TV=Pacific/Funafuti TW=Asia/Taipei TZ=Africa/Dar_es_Salaam UA=Europe/Kyiv UG=Africa/Kampala UM=Pacific/Midway
US=Pacific/Honolulu UY=America/Montevideo UZ=Asia/Samarkand VA=Europe/Vatican VC=America/St_Vincent
VE=America/Caracas VG=America/Tortola VI=America/St_Thomas VN=Asia/Ho_Chi_Minh VU=Pacific/Efate WF=Pacific/Wallis
WS=Pacific/Apia XK=Europe/Belgrade YE=Asia/Aden YT=Indian/Mayotte ZA=Africa/Johannesburg ZM=Africa/Lusaka
ZW=Africa/Harare
"""
ZONES_BY_COUNTRY = ", ".join('"{}": "{}"'.format(*each.split("=")) for each in LAST_ZONES.split())
# Fails here, with the name, where the server does not know a zone, and not later when somebody buys.
CHECK_ZONES = f"SELECT count(now() AT TIME ZONE value) FROM jsonb_each_text('{{{ZONES_BY_COUNTRY}}}'::jsonb)"
AGE = f"""
-- Years of age at a moment, by the calendar of the country's last time zone; of a country that is not listed, by the
-- last on earth. Whoever was born on 29 February is a year older on 1 March where there is no such day.
CREATE FUNCTION accounts_age(born date, country text, moment timestamptz) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT extract(year FROM age(
        (moment AT TIME ZONE coalesce('{{{ZONES_BY_COUNTRY}}}'::jsonb ->> country, 'Etc/GMT+12'))::date, born
    ))::integer
$$;
"""
RULE = """
-- The rule of a region, or else of its country, at a moment; no row if there is none.
CREATE FUNCTION accounts_rule(wanted_country text, wanted_region text, moment timestamptz)
RETURNS TABLE (allowed boolean, minimum_age smallint, reason varchar) LANGUAGE sql STABLE AS $$
    -- A region sorts after the empty one, which is its whole country.
    SELECT r.allowed, r.minimum_age, r.reason FROM accounts_countryrule AS r
    WHERE r.country = wanted_country AND r.region IN ('', wanted_region) AND r.effective_from <= moment
    ORDER BY r.region DESC, r.effective_from DESC LIMIT 1
$$;
"""
# The function's own text with these two parts replaced, whatever else migrations have made of it.
STANDINGS = """
DO $do$ DECLARE
    before CONSTANT text := pg_get_functiondef('accounts_standings(uuid[], integer)'::regprocedure);
    with_age CONSTANT text := replace(before,
        $$extract(year FROM age((statement_timestamp() AT TIME ZONE 'UTC')::date, u.date_of_birth))::integer$$,
        $$accounts_age(u.date_of_birth, u.country, statement_timestamp())$$);
    after CONSTANT text := regexp_replace(with_age,
        'LATERAL \\(\\s+SELECT r\\.allowed.*?\\) AS rule ON',
        'LATERAL accounts_rule(u.country, u.region, statement_timestamp()) AS rule ON');
BEGIN
    IF with_age = before OR after = with_age THEN RAISE EXCEPTION 'accounts_standings is not as expected'; END IF;
    EXECUTE after;
END $do$
"""
FORMER_STANDINGS = f"""
DO $do$ BEGIN
    EXECUTE replace(replace(pg_get_functiondef('accounts_standings(uuid[], integer)'::regprocedure),
        $$accounts_age(u.date_of_birth, u.country, statement_timestamp())$$,
        $$extract(year FROM age((statement_timestamp() AT TIME ZONE 'UTC')::date, u.date_of_birth))::integer$$),
        $$LATERAL accounts_rule(u.country, u.region, statement_timestamp()) AS rule ON$$,
        $$LATERAL ({FORMER_RULE}) AS rule ON$$);
END $do$
"""
# Services, the back office, and statements typed by hand all come by here.
NOTE = """
CREATE FUNCTION note_eligibility_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO accounts_eligibilitychange (user_id, noted_at)
    VALUES ((to_jsonb(NEW) ->> TG_ARGV[0])::uuid, clock_timestamp())
    ON CONFLICT (user_id) DO UPDATE SET noted_at = EXCLUDED.noted_at, claimed_until = NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER note_eligibility_change AFTER UPDATE OF date_of_birth, country, region, is_active, email, email_verified_at
    ON accounts_user FOR EACH ROW WHEN (
        ROW(OLD.date_of_birth, OLD.country, OLD.region, OLD.is_active, OLD.email, OLD.email_verified_at)
        IS DISTINCT FROM
        ROW(NEW.date_of_birth, NEW.country, NEW.region, NEW.is_active, NEW.email, NEW.email_verified_at)
    ) EXECUTE FUNCTION note_eligibility_change('id');
CREATE TRIGGER note_eligibility_change AFTER INSERT OR UPDATE ON accounts_safeguards
    FOR EACH ROW EXECUTE FUNCTION note_eligibility_change('user_id');
CREATE TRIGGER note_eligibility_change AFTER INSERT OR UPDATE ON accounts_spendlimit
    FOR EACH ROW EXECUTE FUNCTION note_eligibility_change('user_id');
"""
UNNOTE = """
DROP TRIGGER note_eligibility_change ON accounts_user;
DROP TRIGGER note_eligibility_change ON accounts_safeguards;
DROP TRIGGER note_eligibility_change ON accounts_spendlimit;
DROP FUNCTION note_eligibility_change();
"""
# What somebody showed to be theirs, and has no more: an exclusion stays tied to it. The mailbox is the account's column
# of that name, where there is one, and its address if there is none.
FORMER_IDENTIFIERS = """
CREATE FUNCTION keep_former_identifier() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was CONSTANT jsonb := to_jsonb(OLD);
BEGIN
    INSERT INTO accounts_formeridentifier (user_id, value) VALUES (
        (was ->> TG_ARGV[0])::uuid,
        coalesce(was ->> 'provider' || ':' || (was ->> 'subject'), was ->> 'mailbox', was ->> 'email')
    ) ON CONFLICT (user_id, value) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_former_identifier AFTER UPDATE OF email ON accounts_user FOR EACH ROW
    WHEN (OLD.email <> NEW.email AND OLD.email_verified_at IS NOT NULL)
    EXECUTE FUNCTION keep_former_identifier('id');
CREATE TRIGGER keep_former_identifier AFTER DELETE ON accounts_identity FOR EACH ROW
    EXECUTE FUNCTION keep_former_identifier('user_id');
"""
NO_FORMER_IDENTIFIERS = """
DROP TRIGGER keep_former_identifier ON accounts_user;
DROP TRIGGER keep_former_identifier ON accounts_identity;
DROP FUNCTION keep_former_identifier();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0011_session_successors")]
    operations = [
        migrations.RunSQL(CHECK_ZONES, migrations.RunSQL.noop),
        migrations.RunSQL(AGE, "DROP FUNCTION accounts_age(date, text, timestamptz)"),
        migrations.RunSQL(RULE, "DROP FUNCTION accounts_rule(text, text, timestamptz)"),
        migrations.RunSQL(STANDINGS, FORMER_STANDINGS),
        migrations.CreateModel(
            name="EligibilityChange",
            fields=[
                ("claimed_until", models.DateTimeField(editable=False, null=True)),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("noted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"abstract": False},
        ),
        migrations.RunSQL(NOTE, UNNOTE),
        migrations.CreateModel(
            name="FormerIdentifier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="former_identifiers",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("value", models.CharField(help_text="A mailbox, or supabase: and an id there.", max_length=254)),
                ("noted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=["user", "value"], name="former_identifier_once")],
                "indexes": [models.Index(fields=["value"], name="former_identifier_value")],
            },
        ),
        migrations.RunSQL(FORMER_IDENTIFIERS, NO_FORMER_IDENTIFIERS),
        migrations.AddField(
            model_name="excludedaddress",
            name="person",
            field=models.UUIDField(db_index=True, help_text="The same for all digests of one person.", null=True),
        ),
        migrations.AlterField(
            model_name="notification",
            name="status",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("sent", "Sent"),
                    ("failed", "Failed"),
                    ("dropped", "Not sent"),
                ],
                default="waiting",
                max_length=8,
            ),
        ),
    ]
