"""Bench room: gives the database that DATABASE_URL names today's schema and no rows, whatever was in it."""

from bench.product.django_ready import ready

if __name__ == "__main__":
    ready()
    from luxewin.schema import prepare_database

    prepare_database(fresh=True)
    print("{}")
