"""Serializers of verification."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Preferences
from accounts.names import initials
from luxewin.api.fields import Digest
from purchases.serializers import RaffleNameSerializer
from verification.models import ChainStep, Draw, LogHead, Outcome, Pick, UndoneDecision, derived_outcome
from verification.querysets import OF_A_STEP, OF_AN_UNDONE_DECISION, SHOWN
from verification.services.log import logged_reason

MOST = 2**53 - 1
#: Of the year 9999. A later time, which only a contract or a block could have that lies, has no text.
LAST_SECOND = 253_402_300_799


class StepSerializer(serializers.Serializer):
    """A step recorded on the chain."""

    step = serializers.ChoiceField(choices=ChainStep.Step.choices)
    hash = serializers.CharField()
    block = serializers.IntegerField(allow_null=True)
    block_time = serializers.DateTimeField(allow_null=True)


class PickSerializer(serializers.ModelSerializer):
    """A pick as drawn, and its outcome; the holder of a prize is named as they chose."""

    role = serializers.ChoiceField(choices=["winner", "alternate"], help_text="In the draw.")
    prize = serializers.CharField(allow_null=True, help_text="What it won in the draw.")
    outcome = serializers.ChoiceField(choices=Outcome.choices, read_only=True, help_text="The status today.")
    awarded_prize = serializers.CharField(allow_null=True, read_only=True, help_text="The prize that it has today.")
    reason = serializers.CharField(allow_null=True, help_text="Why it was disqualified, or is counted as unclaimed.")
    logged_reason = serializers.CharField(
        allow_null=True,
        read_only=True,
        help_text="The text whose SHA-256 is `x` of its leaf of kind 3: the reason, or `unclaimed` where nobody came.",
    )
    entry_id = serializers.UUIDField()
    name = serializers.CharField(read_only=True)

    class Meta:
        model = Pick
        fields = [
            "position",
            "role",
            "prize",
            "index",
            "ticket",
            "entry_id",
            "name",
            "outcome",
            "awarded_prize",
            "reason",
            "logged_reason",
        ]


class UndoneDecisionSerializer(serializers.ModelSerializer):
    """A decision that a reorganisation of the chain undid before anybody was told of it; nothing of it counts."""

    committed_at = serializers.DateTimeField(help_text="When the commitment had been made.")

    class Meta:
        model = UndoneDecision
        fields = [*OF_AN_UNDONE_DECISION]


class DrawSerializer(serializers.ModelSerializer):
    """A draw and how far it is, as `draw_shown` makes it."""

    raffle = RaffleNameSerializer()
    committed_at = serializers.DateTimeField(
        allow_null=True, help_text="When the commitment was made, in whole seconds; bundles have it in Unix seconds."
    )
    anchored = serializers.BooleanField()
    chain_id = serializers.IntegerField(allow_null=True)
    contract = serializers.CharField(allow_null=True)
    transactions = StepSerializer(many=True)
    picks = PickSerializer(many=True)
    undone_decisions = UndoneDecisionSerializer(many=True)
    unawarded_prizes = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="The prizes that no pick has, once the draw was held.",
    )
    void_at = serializers.DateTimeField(
        allow_null=True,
        read_only=True,
        help_text="From then on a draw that was declared void can become void. Until then its round still decides.",
    )

    class Meta:
        model = Draw
        fields = [
            "raffle",
            *SHOWN,
            "anchored",
            "chain_id",
            "contract",
            "transactions",
            "picks",
            "unawarded_prizes",
            "void_at",
            "undone_decisions",
        ]


class DrawDetailSerializer(DrawSerializer):
    """A draw with its manifest."""

    class Meta(DrawSerializer.Meta):
        fields = [*DrawSerializer.Meta.fields, "manifest"]


def pick_shown(facts: dict[str, Any]) -> dict[str, Any]:
    """Return a pick as PickSerializer describes it, made of `picks_shown`."""
    forfeited = facts["forfeited"]
    holds = facts["award"] is not None and facts["lost_at"] is None
    derived = {
        "role": "alternate" if facts["prize"] is None else "winner",
        "outcome": derived_outcome(
            is_alternate=facts["prize"] is None,
            forfeited=forfeited,
            is_called=facts["award"] is not None,
            is_claimed=facts["claimed_at"] is not None,
        ).value,
        "awarded_prize": facts["awarded"] if holds else None,
        "logged_reason": None if forfeited is None else logged_reason(forfeited, facts["reason"]),
        "name": name_of(facts["display_name"], facts["named"]) if holds else "",
    }
    return {name: derived[name] if name in derived else facts[name] for name in PickSerializer.Meta.fields}


def undone_shown(facts: dict[str, Any]) -> dict[str, Any]:
    """Return an undone decision as UndoneDecisionSerializer describes it, made of `undone_shown`."""
    times = {"at": _text(datetime.fromisoformat(facts["at"])), "committed_at": _instant(facts["committed_at"])}
    return {name: times.get(name, facts[name]) for name in OF_AN_UNDONE_DECISION}


def step_shown(facts: dict[str, Any]) -> dict[str, Any]:
    """Return a step as StepSerializer describes it, made of `steps_shown`, of which the database sorts the members."""
    return {name: _instant(facts[name]) if name == "block_time" else facts[name] for name in OF_A_STEP}


def name_of(display_name: str, named: str) -> str:
    """Return the name of a prize's holder as they chose it: in full, by initials, or empty."""
    if named == Preferences.WinnerName.FULL:
        return display_name
    return initials(display_name) if named == Preferences.WinnerName.INITIALS else ""


def draw_shown(row: Any, fields: Sequence[str]) -> dict[str, Any]:
    """Return a draw as DrawSerializer describes it, made of a row selected `in_rows`."""
    made = {
        "raffle": {"id": str(row.raffle_id), "slug": row.raffle__slug, "title": row.raffle__title},
        "anchored": row.contract_id is not None,
        "chain_id": row.contract__chain_id,
        "contract": row.contract__address,
        "committed_at": _instant(row.committed_at),
        "transactions": [step_shown(each) for each in row.steps_shown],
        "picks": [pick_shown(each) for each in row.picks_shown],
        "unawarded_prizes": _unawarded(row),
        "undone_decisions": [undone_shown(each) for each in row.undone_shown],
        "void_declared_at": _text(row.void_declared_at),
        "void_at": _text(row.void_declared_at and row.void_declared_at + timedelta(seconds=row.void_after)),
    }
    return {name: made[name] if name in made else getattr(row, name) for name in fields}


def _unawarded(row: Any) -> list[str]:
    """Return names of prizes in order, from the manifest."""
    if row.state not in Draw.HELD:
        return []
    held = {each["awarded_position"] for each in row.picks_shown if each["lost_at"] is None}
    return [prize["name"] for prize in json.loads(row.manifest)["prizes"] if prize["position"] not in held]


def _instant(seconds: int | None) -> str | None:
    """Return a time in Unix seconds as text."""
    return None if seconds is None else _text(datetime.fromtimestamp(min(seconds, LAST_SECOND), UTC))


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


class HeadSerializer(serializers.ModelSerializer):
    """A signed head: what the log's first `size` leaves are."""

    root = serializers.SerializerMethodField()  # type: ignore[assignment]
    signature = serializers.SerializerMethodField(help_text="Ed25519, by the `receipt_key`.")
    receipt_key = serializers.SerializerMethodField(help_text="The public key that the draw promised.")

    class Meta:
        model = LogHead
        fields = ["size", "root", "at", "signature", "receipt_key"]

    @extend_schema_field(serializers.CharField())
    def get_root(self, head: LogHead) -> str:
        """Return it in hex."""
        return bytes(head.root).hex()

    @extend_schema_field(serializers.CharField())
    def get_signature(self, head: LogHead) -> str:
        """Return it in hex."""
        return bytes(head.signature).hex()

    @extend_schema_field(serializers.CharField())
    def get_receipt_key(self, head: LogHead) -> str:
        """Return the key of the draw that is shown."""
        return str(self.context["receipt_key"])


class InclusionQuerySerializer(serializers.Serializer):
    """Which leaf is to be proved."""

    leaf = Digest(help_text="The hash of the leaf.")
    size = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST, help_text="Among the first so many leaves; else the newest head's."
    )


class InclusionSerializer(serializers.Serializer):
    """An inclusion proof as in RFC 9162, and the head that it leads to."""

    index = serializers.IntegerField()
    size = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField(), help_text="Hashes, from the leaf up.")
    head = HeadSerializer(allow_null=True, help_text="The head of that size; null if none was signed.")


class PathStepSerializer(serializers.Serializer):
    """One step from the leaf to the root."""

    side = serializers.ChoiceField(choices=["left", "right"])
    sum = serializers.IntegerField()
    hash = serializers.CharField()


class EntryProofSerializer(serializers.Serializer):
    """The proof that the buyer's tickets are in the draw."""

    raffle = serializers.UUIDField()
    entry_id = serializers.UUIDField()
    first_ticket = serializers.IntegerField()
    count = serializers.IntegerField()
    holder = serializers.CharField()
    tickets_before = serializers.IntegerField()
    root = serializers.CharField()  # type: ignore[assignment]
    tickets = serializers.IntegerField()
    path = PathStepSerializer(many=True)


class EntriesSerializer(serializers.Serializer):
    """The entries of a bundle."""

    root = serializers.CharField()  # type: ignore[assignment]
    tickets = serializers.IntegerField()
    count = serializers.IntegerField()
    url = serializers.CharField()


class LogSerializer(serializers.Serializer):
    """The log of a bundle."""

    root = serializers.CharField()  # type: ignore[assignment]
    size = serializers.IntegerField()
    url = serializers.CharField()


class MinedSerializer(serializers.Serializer):
    """Where a step is on the chain."""

    transaction = serializers.CharField()
    block = serializers.IntegerField()


class PlaceSerializer(serializers.Serializer):
    """When the commitment was made, and where it is on the chain."""

    committed_at = serializers.IntegerField(allow_null=True, help_text="Unix seconds.")
    announce = MinedSerializer(allow_null=True)
    commit = MinedSerializer(allow_null=True)


class BeaconSerializer(serializers.Serializer):
    """The round that decides."""

    round = serializers.IntegerField(allow_null=True)
    signature = serializers.CharField(allow_null=True)
    randomness = serializers.CharField(allow_null=True)


class BundlePickSerializer(serializers.Serializer):
    """A pick of a bundle, with its path to the root."""

    position = serializers.IntegerField()
    role = serializers.ChoiceField(choices=["winner", "alternate"])
    prize = serializers.IntegerField(allow_null=True, help_text="The prize's position.")
    index = serializers.IntegerField()
    ticket = serializers.IntegerField()
    entry_id = serializers.UUIDField()
    first_ticket = serializers.IntegerField()
    count = serializers.IntegerField()
    holder = serializers.CharField()
    path = PathStepSerializer(many=True)


class BundleSerializer(serializers.Serializer):
    """The bundle of `luxewin/draw/v2`, section 7; null is what does not exist yet."""

    protocol = serializers.CharField()
    raffle = serializers.UUIDField()
    manifest = serializers.CharField(help_text="The rules of the draw as canonical JSON (RFC 8785).")
    manifest_hash = serializers.CharField()
    entries = EntriesSerializer()
    log = LogSerializer()
    commitment = serializers.CharField()
    place = PlaceSerializer()
    beacon = BeaconSerializer()
    seed = serializers.CharField(allow_null=True)
    picks = BundlePickSerializer(many=True)
    settlement = MinedSerializer(allow_null=True)
