"""Examples of request bodies for the API's document, by operation. A test sends each, with real tokens in it."""

from typing import Any

PHRASE = "orchid-lantern-77"
MAILED = "the token of the mailed link"
CODE = "492039"
RAFFLE: dict[str, Any] = {
    "title": "Rolex Daytona",
    "description": "The panda dial, with box and papers.",
    "category": "watch",
    "image_url": "https://images.example.com/daytona.jpg",
    "ticket_price": 500,
    "currency": "gbp",
    "capacity": 5000,
    "max_per_person": 50,
    "opens_at": "2031-01-01T09:00:00Z",
    "closes_at": "2031-01-31T21:00:00+01:00",
    "conditions": "Open to residents aged 18 or over. The draw is held by the public protocol.",
    "free_route": {"instructions": "Send a postcard with your name and address to …", "until": "2031-01-20T00:00:00Z"},
    "prizes": [{"name": "Rolex Daytona 126500LN", "retail_value": 1350000, "cash_alternative": 1200000}],
    "question": "Which of these is a complication?",
    "choices": ["Chronograph", "Bezel", "Strap"],
    "answer": "Chronograph",
}

#: By the name of the operation.
EXAMPLES: dict[str, dict[str, Any]] = {
    "register": {
        "email": "ada@example.com",
        "password": PHRASE,
        "display_name": "Ada",
        "date_of_birth": "1990-05-17",
        "country": "GB",
        "language": "en",
    },
    "verifyEmail": {"token": MAILED, "new_password": PHRASE},
    "resendVerification": {"email": "ada@example.com"},
    "requestPasswordReset": {"email": "ada@example.com"},
    "resetPassword": {"token": MAILED, "password": PHRASE},
    "confirmEmailChange": {"token": MAILED},
    "logIn": {"email": "ada@example.com", "password": PHRASE, "mode": "bearer"},
    "completeLogIn": {"challenge": "the `challenge` of second_factor_required", "code": CODE, "mode": "bearer"},
    "logInWithSupabase": {"access_token": "session.access_token of supabase-js", "mode": "bearer"},
    "refreshTokens": {"refresh": "the refresh token, left out in cookie mode"},
    "logOut": {"refresh": "the refresh token, left out in cookie mode"},
    "confirmSession": {"password": PHRASE},
    "claimPrize": {
        "takes": "prize",
        "address": {
            "name": "Ada Example",
            "line1": "12 St James's Square",
            "postal_code": "SW1Y 4JH",
            "city": "London",
            "country": "GB",
        },
    },
    # The smallest PNG there is; a real one is a photo or a scan.
    "sendClaimDocument": {
        "media": "image/png",
        "content": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    },
    "markAllRead": {"up_to": "01976f3a-0000-7000-8000-000000000000"},
    "createPurchase": {"raffle": "rolex-daytona", "quantity": 2},
    "verifyPurchase": {"purchase": "019376a1-7b1c-7000-8000-2f5d8c3e9a10"},
    "createRaffle": RAFFLE,
    "updateRaffle": {"description": "The panda dial, with box, papers and service history."},
    "cancelRaffle": {"reason": "The watch was damaged in transit."},
    "deleteAccount": {"password": PHRASE},
    "changeEmail": {"email": "ada.l@example.com", "password": PHRASE},
    "unlinkIdentity": {"password": PHRASE},
    "changePassword": {"current_password": PHRASE, "new_password": "velvet-harbour-31"},
    "updatePreferences": {"language": "de", "winner_name": "initials", "marketing_consent": False},
    "updateProfile": {"display_name": "Ada L.", "country": "FR"},
    "setSpendLimit": {"currency": "gbp", "limit": 20000},
    "excludeFromBuying": {"months": 6, "password": PHRASE},
    "pauseBuying": {"hours": 72},
    "acceptTerms": {"version": "2026-11"},
    "keepFavourite": {"raffle": "rolex-daytona", "remind_closing": True},
    "offerAuthenticator": {"password": PHRASE},
    "confirmAuthenticator": {"code": CODE},
    "switchOffSecondFactor": {"password": PHRASE, "code": CODE},
    "renewRecoveryCodes": {"password": PHRASE, "code": CODE},
}
