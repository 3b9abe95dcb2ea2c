"""Give the database that DATABASE_URL names the current schema and no rows, whatever was in it."""

from dev.bench.product.django_ready import ready

if __name__ == "__main__":
    ready()
    from dev.schema import prepare_database

    prepare_database(fresh=True)
    print("{}")
