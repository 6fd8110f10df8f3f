"""The columns of each advertising platform's customer list: how each is called there, how it is written, and whether it is hashed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from worker.service.identifiers import kinds

Platform = Literal["google", "meta"]

USER_ID = "user_id"
FIELDS = ("email", "phone", "first_name", "last_name", "country", "zip", "mobile_id")  # that a file may hold besides
ADDRESS = frozenset({"first_name", "last_name", "country", "zip"})


@dataclass(frozen=True, slots=True)
class Column:
    """`head`: the platform's name for it. `write`: the text that stands in it or that is hashed; raises ValueError."""

    head: str
    write: Callable[[str], str]
    hashed: bool = True


def digits(text: str) -> str:
    """A phone number with the code of its country, as digits alone."""
    return kinds.phone(text).removeprefix("+")


def packed_code(text: str) -> str:
    """A postal code in small letters without blanks and dashes."""
    return kinds.postal_code(text).replace(" ", "").replace("-", "").lower()


PLATFORMS: Mapping[Platform, Mapping[str, Column]] = {
    "google": {
        "email": Column("Email", kinds.email),
        "phone": Column("Phone", kinds.phone),
        "first_name": Column("First Name", kinds.name),
        "last_name": Column("Last Name", kinds.bare_name),
        "country": Column("Country", lambda text: kinds.country(text).upper(), hashed=False),
        "zip": Column("Zip", kinds.postal_code, hashed=False),
        "mobile_id": Column("Mobile Device ID", kinds.mobile_id, hashed=False),
    },
    "meta": {
        USER_ID: Column("extern_id", lambda text: text),
        "email": Column("email", kinds.email),
        "phone": Column("phone", digits),
        "first_name": Column("fn", kinds.bare_name),
        "last_name": Column("ln", kinds.bare_name),
        "country": Column("country", kinds.country),
        "zip": Column("zip", packed_code),
        "mobile_id": Column("madid", kinds.mobile_id, hashed=False),
    },
}


def columns_of(platform: Platform, given: Collection[str]) -> dict[str, Column]:
    """The columns of a list, by the fields that a file has. Raises ValueError where the platform could not match by them."""
    if platform == "google" and (part := ADDRESS.intersection(given)) and part != ADDRESS:
        raise ValueError(f"Google matches addresses by {', '.join(sorted(ADDRESS))} together, and {', '.join(sorted(ADDRESS - part))} is not there")
    if platform == "google" and "mobile_id" in given and len(set(given) & set(FIELDS)) > 1:
        raise ValueError("Google takes mobile ids in a list of their own, without other columns")
    return {field: column for field, column in PLATFORMS[platform].items() if field in given or field == USER_ID}


def cell(column: Column, text: str, country: str) -> str:
    """What stands in a column for a text that is not empty. Raises ValueError."""
    written = column.write(text)
    if column.write is packed_code and country.strip().lower() == "us":
        written = written[:5]
    return hashed(written) if column.hashed else written


def hashed(text: str) -> str:
    """SHA-256 in hexadecimal, small letters."""
    return sha256(text.encode()).hexdigest()
