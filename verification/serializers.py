"""Serializers of verification."""

import json

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import Preferences
from accounts.names import initials
from luxewin.api.fields import Digest
from purchases.serializers import RaffleNameSerializer
from verification.models import ChainStep, Draw, LogHead, Outcome, Pick, UndoneDecision, held_prize, outcome_of
from verification.services.log import logged_reason

MOST = 2**53 - 1


class StepSerializer(serializers.ModelSerializer):
    """A step recorded on the chain."""

    hash = serializers.CharField(source="transaction.hash")
    block = serializers.IntegerField(source="transaction.block", allow_null=True)
    block_time = serializers.IntegerField(source="transaction.block_time", allow_null=True, help_text="Unix seconds.")

    class Meta:
        model = ChainStep
        fields = ["step", "hash", "block", "block_time"]


class PickSerializer(serializers.ModelSerializer):
    """A pick as drawn, and its outcome; the holder of a prize is named as they chose."""

    role = serializers.ChoiceField(choices=["winner", "alternate"], help_text="In the draw.")
    prize = serializers.CharField(
        source="prize.name", allow_null=True, default=None, help_text="What it won in the draw."
    )
    outcome = serializers.SerializerMethodField(help_text="The status today.")
    awarded_prize = serializers.SerializerMethodField(help_text="The prize that it has today.")
    reason = serializers.CharField(
        source="forfeit.reason",
        allow_null=True,
        default=None,
        help_text="Why it was disqualified, or is counted as unclaimed.",
    )
    logged_reason = serializers.SerializerMethodField(
        help_text="The text whose SHA-256 is `x` of its leaf of kind 3: the reason, or `unclaimed` where nobody came."
    )
    entry_id = serializers.UUIDField(source="purchase.entry_id")
    name = serializers.SerializerMethodField()

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

    @extend_schema_field(serializers.ChoiceField(choices=Outcome.choices))
    def get_outcome(self, pick: Pick) -> str:
        """Return an Outcome."""
        return outcome_of(pick)

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_awarded_prize(self, pick: Pick) -> str | None:
        """Return the prize's name."""
        prize = held_prize(pick)
        return prize.name if prize else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_logged_reason(self, pick: Pick) -> str | None:
        """Return the text; null unless it was forfeited."""
        return logged_reason(pick.forfeit) if hasattr(pick, "forfeit") else None

    @extend_schema_field(serializers.CharField())
    def get_name(self, pick: Pick) -> str:
        """Return the full name, initials, or nothing; only the holder of a prize is named."""
        person = pick.purchase.buyer
        choice = person.preferences.winner_name if hasattr(person, "preferences") else Preferences.WinnerName.ANONYMOUS
        if held_prize(pick) is None or choice == Preferences.WinnerName.ANONYMOUS:
            return ""
        if choice == Preferences.WinnerName.FULL:
            return person.display_name
        return initials(person.display_name)


class UndoneDecisionSerializer(serializers.ModelSerializer):
    """A decision that a reorganisation of the chain undid before anybody was told of it; nothing of it counts."""

    class Meta:
        model = UndoneDecision
        fields = ["committed_at", "round", "signature", "seed", "picks", "at"]


class DrawSerializer(serializers.ModelSerializer):
    """A draw and how far it is."""

    raffle = RaffleNameSerializer()
    anchored = serializers.BooleanField(source="is_anchored")
    chain_id = serializers.IntegerField(source="contract.chain_id", default=None, allow_null=True)
    contract = serializers.CharField(source="contract.address", default=None, allow_null=True)
    transactions = StepSerializer(many=True, source="steps")
    picks = PickSerializer(many=True)
    undone_decisions = UndoneDecisionSerializer(many=True)
    unawarded_prizes = serializers.SerializerMethodField(
        help_text="The prizes that no pick has, once the draw was held."
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
            "sequence",
            "state",
            "manifest_hash",
            "root",
            "tickets",
            "entries",
            "log_root",
            "log_size",
            "commitment",
            "committed_at",
            "round",
            "signature",
            "randomness",
            "seed",
            "anchored",
            "chain_id",
            "contract",
            "transactions",
            "picks",
            "unawarded_prizes",
            "void_after",
            "void_declared_at",
            "void_at",
            "void_reason",
            "contradiction",
            "undone_decisions",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_unawarded_prizes(self, draw: Draw) -> list[str]:
        """Return prize names in order, from the manifest, which needs no query."""
        if not draw.is_drawn:
            return []
        held = {prize.position for pick in draw.picks.all() if (prize := held_prize(pick))}
        return [prize["name"] for prize in json.loads(draw.manifest)["prizes"] if prize["position"] not in held]


class DrawDetailSerializer(DrawSerializer):
    """A draw with its manifest."""

    class Meta(DrawSerializer.Meta):
        fields = [*DrawSerializer.Meta.fields, "manifest"]


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


class BundleSerializer(serializers.Serializer):
    """The bundle of `luxewin/draw/v2`, section 7; null is what does not exist yet."""

    protocol = serializers.CharField()
    raffle = serializers.UUIDField()
    manifest = serializers.CharField(help_text="The rules of the draw as canonical JSON (RFC 8785).")
    manifest_hash = serializers.CharField()
    entries = serializers.DictField()
    log = serializers.DictField()
    commitment = serializers.CharField()
    place = serializers.DictField()
    beacon = serializers.DictField()
    seed = serializers.CharField(allow_null=True)
    picks = serializers.ListField(child=serializers.DictField())
    settlement = serializers.DictField(allow_null=True)
