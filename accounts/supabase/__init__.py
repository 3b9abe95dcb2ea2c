"""The only client of Supabase Auth: whose access token it is, and which of their addresses it has verified."""

from accounts.supabase.claims import subject_of
from accounts.supabase.people import Person, verified_person

__all__ = ["Person", "subject_of", "verified_person"]
