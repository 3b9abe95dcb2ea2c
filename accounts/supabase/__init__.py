"""The one door to Supabase Auth: whose access token this is, and which address it has verified of them."""

from accounts.supabase.claims import subject_of
from accounts.supabase.people import Person, verified_person

__all__ = ["Person", "subject_of", "verified_person"]
