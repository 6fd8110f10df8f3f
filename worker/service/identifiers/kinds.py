"""What an identifier looks like before it is hashed. Each function raises ValueError with what is wrong, which never repeats the value.

The platforms match hashes, so that one blank more makes another person; their rules are the same but for phone numbers, names and postal codes:

- Google, Customer Match: "Formatting guidelines for customer data files" and the Google Ads API's `OfflineUserAddressInfo`. E-mail in small letters
  without blanks; phone as E.164 with its plus; names in small letters, one blank between words, last names without punctuation; country and postal
  code in clear.
- Meta, Custom Audiences: "Hashing and normalization" of the Marketing API. The same, but phone as digits alone; names without punctuation; country and
  postal code hashed too, the latter in small letters without blanks and dashes, in the United States five digits.
"""

from __future__ import annotations

import re
import unicodedata

_EMAIL = re.compile(r"[^@\s]{1,64}@(?:[^@\s.]{1,63}\.)+[^@\s.]{2,63}")
_PHONE = re.compile(r"(?:\+|00)[\d\s().\-/\u2010-\u2015\u00a0]+")
_TRUNK = re.compile(r"\(\s*0\s*\)")  # +49 (0) 30 …: the zero is dialled from within the country alone
_MOBILE_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LEAST_DIGITS, MOST_DIGITS = 7, 15  # E.164: at most 15, the code of the country included


def email(text: str) -> str:
    """An address without blanks, in small letters."""
    found = "".join(text.split()).lower()
    if _EMAIL.fullmatch(found) is None:
        raise ValueError("is no e-mail address: write one such as ada@shop.example")
    return found


def phone(text: str) -> str:
    """A number as E.164: +, code of the country, digits. What has no code is refused: a guess would be somebody else's number."""
    found = _TRUNK.sub("", text.strip())
    if _PHONE.fullmatch(found) is None:
        raise ValueError("is no phone number with the code of its country: write one such as +49 30 1234567")
    digits = re.sub(r"\D", "", found)
    digits = digits.removeprefix("00") if not found.startswith("+") else digits
    if not LEAST_DIGITS <= len(digits) <= MOST_DIGITS:
        raise ValueError(f"has {len(digits)} digits with the code of its country: there are {LEAST_DIGITS} to {MOST_DIGITS}")
    if digits.startswith("0"):
        raise ValueError("begins with 0 after the plus, and no country's code does: write one such as +49 30 1234567")
    return "+" + digits


def name(text: str) -> str:
    """A name in small letters, one blank between words."""
    found = " ".join(text.split()).lower()
    if not any(letter.isalpha() for letter in found):
        raise ValueError("is no name: it has no letter")
    return unicodedata.normalize("NFC", found)


def bare_name(text: str) -> str:
    """A name without punctuation."""
    return " ".join("".join(letter for letter in name(text) if not unicodedata.category(letter).startswith(("P", "S"))).split())


def country(text: str) -> str:
    """Two letters as in ISO 3166-1, small."""
    found = text.strip().lower()
    if re.fullmatch("[a-z]{2}", found) is None:
        raise ValueError("is no country: write its two letters, such as DE")
    return found


def postal_code(text: str) -> str:
    """A code as it is written, one blank between its parts."""
    found = " ".join(text.split())
    if re.fullmatch(r"[A-Za-z0-9 -]{2,12}", found) is None:
        raise ValueError("is no postal code: write letters and digits, such as 10115")
    return found


def mobile_id(text: str) -> str:
    """An advertising id of a phone (IDFA of Apple, AAID of Android): 32 hexadecimal digits in five groups, small letters."""
    found = text.strip().lower()
    if _MOBILE_ID.fullmatch(found) is None:
        raise ValueError("is no advertising id: it has 32 hexadecimal digits in five groups, as 38400000-8cf0-11bd-b23e-10b96e40000d")
    if set(found) == {"0", "-"}:
        raise ValueError("is all zeros: the phone's owner has turned advertising ids off")
    return found
