"""Recreate the peer's tables, with 200 open raffles and one user; print a raffle id and a token as JSON."""

import asyncio
import datetime as dt
import json
import uuid

import jwt
from app import SECRET, Base, Raffle, Session, User, engine


async def main() -> None:
    """Drop the old tables and fill new ones."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    raffles = [
        Raffle(
            id=uuid.uuid4(),
            title=f"Raffle {i}",
            description="A fine watch. " * 20,
            ticket_price=500,
            currency="gbp",
            total_tickets=1_000_000_000,
            held=0,
            sold=0,
            status="open",
            closes_at=now + dt.timedelta(days=1 + i),
        )
        for i in range(200)
    ]
    user = User(id=uuid.uuid4(), email="a@example.com", active=True)
    async with Session() as session:
        session.add_all([*raffles, user])
        await session.commit()
    token = jwt.encode({"sub": str(user.id), "exp": now + dt.timedelta(days=1)}, SECRET, "HS256")
    print(json.dumps({"raffle": str(raffles[0].id), "token": token}))


asyncio.run(main())
