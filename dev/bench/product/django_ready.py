"""Django for the scripts of this folder, which run as separate processes."""


def ready() -> None:
    """Set the product's models up as in a worker: with one plain connection and no pool."""
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "luxewin.settings"
    django.setup()
