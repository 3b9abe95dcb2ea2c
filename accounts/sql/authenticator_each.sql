-- At most one confirmed and one unconfirmed authenticator per person. The table is django-otp's.
CREATE UNIQUE INDEX IF NOT EXISTS accounts_authenticator_each ON otp_totp_totpdevice (user_id, confirmed);
