"""Personal data of the catalogue: whose favourites are which raffles."""

from accounts.models import User
from accounts.privacy import exports
from accounts.privacy.erasure import eraser
from raffles.models import Favourite


def register() -> None:
    """Register what archives contain. Call once, when the app is ready."""
    exports.register_rows("raffles/favourites.json", "your favourites and their reminders", Favourite)


@eraser
def _erase_favourites(user: User) -> None:
    Favourite.objects.filter(user=user).delete()
