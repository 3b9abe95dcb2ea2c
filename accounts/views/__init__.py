"""The API of accounts: `auth/…` and `users/…`."""
