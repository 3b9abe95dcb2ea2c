"""The peer, the stack of the first draft: FastAPI + SQLAlchemy 2 async ORM + asyncpg + PyJWT.

It does the same three pieces of work as the product, written the idiomatic way, so that both can be measured in one
run: GET /raffles/list (20 rows), GET /raffles/{id}, POST /purchases/create (JWT, reserve in one durable transaction).

Needs the group `peer` of `uv.lock`. With PEER_DSN=postgresql+asyncpg://… set, `python seed.py` makes the
tables and prints a raffle id and a bearer token; `uvicorn app:app --workers 2` serves.
"""

import datetime as dt
import os
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DSN = os.environ["PEER_DSN"]  # postgresql+asyncpg://…
SECRET = "peer-secret-peer-secret-peer-secret-32"
engine = create_async_engine(DSN, pool_size=10, max_overflow=0)
Session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """The peer's tables."""


class Raffle(Base):
    """A raffle with its counters in the same row."""

    __tablename__ = "peer_raffle"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    title: Mapped[str]
    description: Mapped[str]
    ticket_price: Mapped[int]
    currency: Mapped[str]
    total_tickets: Mapped[int]
    held: Mapped[int] = mapped_column(default=0)
    sold: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(index=True)
    closes_at: Mapped[dt.datetime] = mapped_column(index=True)


class User(Base):
    """A buyer."""

    __tablename__ = "peer_user"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    email: Mapped[str] = mapped_column(unique=True)
    active: Mapped[bool] = mapped_column(default=True)


class Purchase(Base):
    """A reservation."""

    __tablename__ = "peer_purchase"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    raffle_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("peer_raffle.id"), index=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("peer_user.id"), index=True)
    quantity: Mapped[int]
    amount: Mapped[int]
    status: Mapped[str]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())


class RaffleOut(BaseModel):
    """A raffle as shown."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    title: str
    description: str
    ticket_price: int
    currency: str
    total_tickets: int
    sold: int
    status: str
    closes_at: dt.datetime


class PurchaseIn(BaseModel):
    """What a buyer asks for."""

    raffle_id: uuid.UUID
    quantity: int = Field(ge=1, le=100)


class PurchaseOut(BaseModel):
    """A purchase as shown."""

    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    raffle_id: uuid.UUID
    quantity: int
    amount: int
    status: str


async def session() -> AsyncIterator[AsyncSession]:
    """Open a session for the request."""
    async with Session() as s:
        yield s


DatabaseSession = Annotated[AsyncSession, Depends(session)]


async def current_user(authorization: Annotated[str, Header()], s: DatabaseSession) -> User:
    """Return the bearer, or answer 401."""
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    user = await s.get(User, uuid.UUID(claims["sub"]))
    if user is None or not user.active:
        raise HTTPException(401)
    return user


@app.get("/api/v1/raffles/list", response_model=list[RaffleOut])
async def raffles_list(s: DatabaseSession) -> Sequence[Raffle]:
    """List the first 20 open raffles."""
    return (await s.scalars(select(Raffle).where(Raffle.status == "open").order_by(Raffle.closes_at).limit(20))).all()


@app.get("/api/v1/raffles/{raffle_id}", response_model=RaffleOut)
async def raffles_retrieve(raffle_id: uuid.UUID, s: DatabaseSession) -> Raffle:
    """Return one raffle, or answer 404."""
    raffle = await s.get(Raffle, raffle_id)
    if raffle is None:
        raise HTTPException(404)
    return raffle


@app.post("/api/v1/purchases/create", response_model=PurchaseOut, status_code=201)
async def purchases_create(
    body: PurchaseIn, user: Annotated[User, Depends(current_user)], s: DatabaseSession
) -> Purchase:
    """Reserve tickets, or answer 409."""
    price = await s.scalar(
        update(Raffle)
        .where(
            Raffle.id == body.raffle_id,
            Raffle.status == "open",
            Raffle.sold + Raffle.held + body.quantity <= Raffle.total_tickets,
        )
        .values(held=Raffle.held + body.quantity)
        .returning(Raffle.ticket_price)
    )
    if price is None:
        raise HTTPException(409, "sold out")
    purchase = Purchase(
        raffle_id=body.raffle_id,
        user_id=user.id,
        quantity=body.quantity,
        amount=price * body.quantity,
        status="pending",
    )
    s.add(purchase)
    await s.commit()
    return purchase
