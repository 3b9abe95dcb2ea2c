"""Django for the scripts of this folder, which are processes of their own."""


def ready() -> None:
    """Sets the product's models up, as a worker has them: with one plain connection and no pool."""
    import os

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "luxewin.settings"
    django.setup()
