-- Of each person one authenticator that counts and one that waits to be confirmed, at most. The table is django-otp's.
CREATE UNIQUE INDEX IF NOT EXISTS accounts_authenticator_each ON otp_totp_totpdevice (user_id, confirmed);
