"""Identifiers as advertising platforms match them: how each is written before it is hashed, and what of a file is refused, or left out."""

from __future__ import annotations

import io
from collections.abc import Callable
from hashlib import sha256

import pytest

from worker.errors import ClickscoreError
from worker.service.identifiers import kinds
from worker.service.identifiers.joining import TOLD, CustomerList, customer_list
from worker.service.identifiers.platforms import PLATFORMS, Platform, cell
from worker.service.identifiers.reading import IdentifierFile


def sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("kind", "text", "written"),
    [
        (kinds.email, "  Ada.Lovelace@Shop.Example\t", "ada.lovelace@shop.example"),
        (kinds.email, "ada @shop.example", "ada@shop.example"),  # Google: blanks within go too
        (kinds.email, "ada+news@gmail.com", "ada+news@gmail.com"),  # neither platform's lists ask for more
        (kinds.email, "ÄDA@bücher.example", "äda@bücher.example"),
        (kinds.phone, "+49 30 1234567", "+49301234567"),
        (kinds.phone, "0049 (0)30 / 123-4567", "+49301234567"),
        (kinds.phone, "+1 (212) 565-0000", "+12125650000"),
        (kinds.phone, "+44\u00a020\u20117031\u20133000", "+442070313000"),  # a blank and hyphens as word processors set them
        (kinds.name, "  Anna   Maria ", "anna maria"),
        (kinds.name, "ZOE\u0308", "zoë"),  # one letter, however it was typed
        (kinds.bare_name, "O'Neill-Smith, Jr.", "oneillsmith jr"),
        (kinds.country, " De", "de"),
        (kinds.postal_code, " WC2H  8LG ", "WC2H 8LG"),
        (kinds.mobile_id, " AECE52E7-03EE-455A-B3C4-E57283966239", "aece52e7-03ee-455a-b3c4-e57283966239"),
    ],
)
def test_an_identifier_is_written_in_one_way(kind: Callable[[str], str], text: str, written: str) -> None:
    assert kind(text) == written
    assert kind(written) == written


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (kinds.email, "ada", "no e-mail address"),
        (kinds.email, "ada@localhost", "no e-mail address"),
        (kinds.email, "ada@shop..example", "no e-mail address"),
        (kinds.email, "ada@shop@example.com", "no e-mail address"),
        (kinds.phone, "030 1234567", "the code of its country"),
        (kinds.phone, "2125650000", "the code of its country"),  # +1 or +21 or +212: who could know
        (kinds.phone, "+1 800 FLOWERS", "the code of its country"),
        (kinds.phone, "+49 30", "has 4 digits"),
        (kinds.phone, "+49 30 1234567890123456", "has 20 digits"),
        (kinds.phone, "+030 1234567", "begins with 0"),
        (kinds.name, " - ", "no letter"),
        (kinds.country, "Germany", "two letters"),
        (kinds.country, "ÄÖ", "two letters"),
        (kinds.postal_code, "1<script>", "no postal code"),
        (kinds.mobile_id, "aece52e703ee455ab3c4e57283966239", "five groups"),
        (kinds.mobile_id, "00000000-0000-0000-0000-000000000000", "turned"),
    ],
)
def test_what_is_none_is_refused_without_repeating_it(kind: Callable[[str], str], text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        kind(text)
    assert text.strip() not in str(refused.value) or len(text) < 4


@pytest.mark.parametrize(
    ("platform", "field", "text", "country", "in_the_cell"),
    [
        ("google", "email", "Ada@Shop.example", "", sha("ada@shop.example")),
        ("google", "phone", "+49 30 1234567", "", sha("+49301234567")),
        ("meta", "phone", "+49 30 1234567", "", sha("49301234567")),
        ("google", "first_name", "Jean-Luc", "", sha("jean-luc")),
        ("google", "last_name", "O'Neill", "", sha("oneill")),
        ("meta", "first_name", "Jean-Luc", "", sha("jeanluc")),
        ("google", "country", "de", "de", "DE"),
        ("meta", "country", "DE", "DE", sha("de")),
        ("google", "zip", "94303-5300", "US", "94303-5300"),
        ("meta", "zip", "94303-5300", " US", sha("94303")),
        ("meta", "zip", "WC2H 8LG", "gb", sha("wc2h8lg")),
        ("google", "mobile_id", "AECE52E7-03EE-455A-B3C4-E57283966239", "", "aece52e7-03ee-455a-b3c4-e57283966239"),
        ("meta", "mobile_id", "AECE52E7-03EE-455A-B3C4-E57283966239", "", "aece52e7-03ee-455a-b3c4-e57283966239"),
        ("meta", "user_id", "U7 ", "", sha("U7 ")),
    ],
)
def test_each_platform_gets_it_as_its_documentation_asks(platform: Platform, field: str, text: str, country: str, in_the_cell: str) -> None:
    assert cell(PLATFORMS[platform][field], text, country) == in_the_cell


def joined(text: str | bytes, agreed: set[str] | None = None, platform: Platform = "google") -> CustomerList:
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    return customer_list(IdentifierFile(file, "crm"), "crm", agreed or {"u1", "u2", "u3"}, platform)


def test_only_those_who_agreed_are_listed_however_often_the_file_names_them() -> None:
    found = joined("user_id,email\nu1,a@x.example\nu1,b@x.example\nu1,A@x.example \nu4,d@x.example\nu2,\n")
    assert found.head == ("Email",)
    assert set(found.rows) == {(sha("a@x.example"),), (sha("b@x.example"),)}
    assert (found.users, found.left_out) == (1, 0)


@pytest.mark.parametrize(
    "text",
    [
        "user_id,email,phone\nu1,ada@x.example,+49 30 1234567\n",
        "\ufeffUser ID;Phone;E-Mail\r\nu1;+49 30 1234567;ada@x.example\r\n\r\n",
        'phone\tuser_id\temail\n"+49 30 1234567"\tu1\t"ada@x.example"',
        '{"user_id": "u1", "email": "ada@x.example", "phone": "+49 30 1234567"}\n\n',
        '\n{"phone": "+49 30 1234567", "user_id": "u1"}\n{"user_id": "u1", "email": "ada@x.example", "phone": null}\n',
    ],
)
def test_a_file_is_read_in_whichever_form_it_comes(text: str) -> None:
    found = joined(text)
    assert found.head == ("Email", "Phone")
    assert {value for row in found.rows for value in row if value} == {sha("ada@x.example"), sha("+49301234567")}


def test_a_value_that_is_wrong_is_left_out_and_named_by_its_line_without_being_shown() -> None:
    bad = "".join(f"u1,a{number}@x.example,030 99{number}\n" for number in range(TOLD + 5))
    found = joined("user_id,email,phone\nu2,nobody,+49 30 7654321\n" + bad)
    assert len(found.rows) == TOLD + 6  # the rest of each line is taken
    assert found.left_out == TOLD + 6
    assert found.problems[:2] == [
        "line 2: email is no e-mail address: write one such as ada@shop.example",
        "line 3: phone is no phone number with the code of its country: write one such as +49 30 1234567",
    ]
    assert len(found.problems) == TOLD
    assert joined("user_id,country,email\nu1,de,nobody\n", platform="meta").users == 1  # by the id itself
    assert joined("user_id,email,zip,first_name,last_name,country\nu1,nobody,10115,,,de\n").users == 0  # a town finds nobody


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ("", "crm", "is empty"),
        ("email\na@x.example\n", "line 1", "no column is called user_id"),
        ("user_id,emial\n", "line 1", "'emial' is no identifier"),
        ("user_id,email,email\n", "line 1", "two columns"),
        ("user_id,email\nu1,a@x.example,b@x.example\n", "line 2", "has 3 columns, and the head 2"),
        ("user_id,email\nu1,a@x.example\n ,b@x.example\n", "line 3", "has no user_id"),
        ('user_id,email\nu1,"a@x.example\nu2,"b\n', "line", "no CSV"),
        ('{"user_id": "u1"}\n{"user_id": "u2", \n', "line 2", "no JSON object"),
        ('{"user_id": "u1"}\n[]\n', "line 2", "no JSON object"),
        ('{"user_id": "u1", "phone": 49301234567}\n', "line 1", "phone is no text"),
        ('{"user_id": "u1", "dob": "1815-12-10"}\n', "line 1", "'dob' is no identifier"),
        ("user_id,email\nu1,ä@x.example\n".encode("latin-1"), "line", "not UTF-8"),
        ("user_id,email\n".encode("utf-16"), "line 1", "not UTF-8"),
        ("user_id,first_name,zip\nu1,Ada,10115\n", "crm", "country, last_name is not there"),
        ("user_id,email,mobile_id\n", "crm", "in a list of their own"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_line(text: str | bytes, where: str, says: str) -> None:
    with pytest.raises(ClickscoreError) as refused:
        joined(text)
    what, place, todo = refused.value.problems[0]
    assert says in what
    assert where in place
    assert todo
    assert "x.example" not in f"{what} {place}"
    assert "49301234567" not in str(refused.value)
