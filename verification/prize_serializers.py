"""Serializers of the prizes that a person won, and of their claims."""

from base64 import b64decode
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.serializers.fields import CountryField
from luxewin.api.fields import Line
from luxewin.api.serializers import InputSerializer
from purchases.serializers import RaffleNameSerializer
from verification.models import Award, Claim, ClaimDocument, claim_ends

# The first bytes of each type: what a browser would be told must be what it is.
BEGINNINGS = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n", "application/pdf": b"%PDF-"}
MAX_BYTES = 700_000


class DeliveryAddressSerializer(InputSerializer):
    """Where a prize is to be sent."""

    name = Line(max_length=80, help_text="Who receives it there.")
    line1 = Line(max_length=120)
    line2 = Line(max_length=120, required=False, allow_blank=True, default="")
    postal_code = Line(max_length=20, required=False, allow_blank=True, default="")
    city = Line(max_length=80)
    region = Line(max_length=80, required=False, allow_blank=True, default="")
    country = CountryField(help_text="ISO 3166-1 alpha-2.")


class ClaimWriteSerializer(InputSerializer):
    """What the holder of a prize wants."""

    takes = serializers.ChoiceField(choices=Claim.Takes.choices)
    address = DeliveryAddressSerializer(
        required=False, allow_null=True, help_text="Needed for the prize, not for cash."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require an address for a prize alone."""
        address = attrs.setdefault("address", None)
        if attrs["takes"] == Claim.Takes.PRIZE and not address:
            raise serializers.ValidationError({"address": "Say where the prize is to be sent."}, code="required")
        if attrs["takes"] == Claim.Takes.CASH and address:
            raise serializers.ValidationError({"address": "Cash is sent to no address."}, code="not_needed")
        return attrs


@extend_schema_field(OpenApiTypes.BYTE)
class ContentField(serializers.CharField):
    """Bytes as base64 (RFC 4648), of MAX_BYTES at most."""

    default_error_messages = {
        "not_base64": "Send base64.",
        "too_large": f"At most {MAX_BYTES} bytes: scale a photo down before you send it.",
    }

    def to_internal_value(self, data: Any) -> bytes:  # type: ignore[override]
        """Return the bytes."""
        try:
            content = b64decode(super().to_internal_value(data), validate=True)
        except ValueError:
            self.fail("not_base64")
        if len(content) > MAX_BYTES:
            self.fail("too_large")
        return content


class DocumentWriteSerializer(InputSerializer):
    """A document that staff asked for: a photo or a PDF."""

    media = serializers.ChoiceField(choices=ClaimDocument.Media.choices)
    content = ContentField(help_text=f"Base64, of at most {MAX_BYTES} bytes.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require content that begins as its type does."""
        if not attrs["content"].startswith(BEGINNINGS[attrs["media"]]):
            raise serializers.ValidationError({"content": f"This is not {attrs['media']}."}, code="wrong_type")
        return attrs


class DocumentSerializer(serializers.ModelSerializer):
    """A document that was sent; nobody gets it back here."""

    sha256 = serializers.SerializerMethodField()

    class Meta:
        model = ClaimDocument
        fields = ["media", "size", "sha256", "created_at"]

    def get_sha256(self, document: ClaimDocument) -> str:
        """Return the digest of the document, to recognise it."""
        return bytes(document.digest).hex()


class ClaimSerializer(serializers.ModelSerializer):
    """How far the delivery has come."""

    address = serializers.SerializerMethodField()
    documents = DocumentSerializer(many=True)

    class Meta:
        model = Claim
        fields = [
            "takes",
            "status",
            "address",
            "wanted",
            "documents",
            "carrier",
            "tracking",
            "accepted_at",
            "dispatched_at",
            "delivered_at",
        ]
        extra_kwargs = {"wanted": {"help_text": "What staff ask for, in their words."}}

    @extend_schema_field(DeliveryAddressSerializer(allow_null=True))
    def get_address(self, claim: Claim) -> dict[str, str] | None:
        """Return where it goes; null for cash, and once it was erased."""
        return claim.address


class WonPrizeSerializer(serializers.Serializer):
    """What was won."""

    name = serializers.CharField()
    description = serializers.CharField()
    retail_value = serializers.IntegerField(allow_null=True)
    cash_alternative = serializers.IntegerField(allow_null=True)


class OwnPrizeSerializer(serializers.ModelSerializer):
    """A prize that you won, and your claim to it."""

    id = serializers.UUIDField(source="prize_id")
    raffle = RaffleNameSerializer(source="pick.draw.raffle")
    purchase = serializers.UUIDField(source="pick.purchase_id")
    ticket = serializers.IntegerField(source="pick.ticket")
    prize = WonPrizeSerializer()
    currency = serializers.CharField(source="pick.draw.raffle.currency", help_text="Of both amounts.")
    claim_until = serializers.SerializerMethodField()
    handed_over_at = serializers.DateTimeField(source="claimed_at", allow_null=True)
    claim = serializers.SerializerMethodField()

    class Meta:
        model = Award
        fields = ["id", "raffle", "purchase", "ticket", "prize", "currency", "claim_until", "handed_over_at", "claim"]

    def get_claim_until(self, award: Award) -> datetime:
        """Return until when it can be accepted."""
        return claim_ends(award.pick)

    @extend_schema_field(ClaimSerializer(allow_null=True))
    def get_claim(self, award: Award) -> dict[str, Any] | None:
        """Return the claim; null until the prize is accepted."""
        return ClaimSerializer(award.claim).data if hasattr(award, "claim") else None
