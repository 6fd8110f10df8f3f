"""`clickscore profile`, `segments` and `triggers`: over a log that a worker has worked on, and over files."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.commands.kafka_commands import run, said
from tests.service.bench import Bench, shop_lines
from worker.configuration import load
from worker.log.embedded import EmbeddedLog
from worker.service.topics import create_topics

CONFIGURATION = """\
[segments.regulars]
when = "sessions >= 2"
[segments.keen]
when = "purchase.p > 0.5"
stay = "purchase.p > 0.4"
[triggers.back]
when = "sessions >= 2"
holdout = 0.3
[triggers.basket]
when = "cart_value > 20.0"
priority = 2
[action]
timezone = "Europe/Berlin"
suppressed = ["MISSING"]
consent_ga4 = ["ad_personalization"]
[service]
member = "m"
roles = ["scorer"]
turn_events = 200
[embedded]
path = "shop.db"
"""
SAID = (b'"consent":"granted"', b'"consent.ad_personalization":"granted"', b'"consent":"denied"', b'"consent":""')
LINES = [line.replace(b'"user_id"', b'%s,"user_id"' % SAID[sum(line.split(b'"user_id":')[1][:9]) % 4]) for line in shop_lines(120, 6) if b'"user_id":' in line]
PORTRAIT = json.loads((Path(__file__).parents[2] / "schemas" / "portrait.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, a file of events and the log that they were scored on."""
    folder = tmp_path_factory.mktemp("action")
    (folder / "clickscore.toml").write_text(CONFIGURATION.replace("shop.db", str(folder / "shop.db")))
    (folder / "events.jsonl").write_bytes(b"\n".join(LINES))
    bench = Bench(load(folder / "clickscore.toml", environ={}).settings)
    bench.log = EmbeddedLog(folder / "shop.db")
    create_topics(bench.log, bench.settings)
    bench.send(LINES)
    loop = bench.loop()
    while bench.log.committed("clickscore", "clickstream.events") != bench.log.end_offsets("clickstream.events"):
        loop.turn()
    bench.log.close()
    return folder


@pytest.fixture
def command(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def ran(*arguments: str | Path, config: Path = folder / "clickscore.toml") -> tuple[int, str, str]:
        code = run(*arguments, "--config", config)
        return code, *said(capsys)

    return ran


def published(folder: Path, topic: str) -> list[dict[str, Any]]:
    log = EmbeddedLog(folder / "shop.db", create=False)
    found = [json.loads(record.value or b"") for record in log.read(f"clickscore.{topic}", 0)]
    log.close()
    return found


Command = Callable[..., tuple[int, str, str]]


def test_a_dry_run_says_what_a_worker_would_publish(folder: Path, command: Command) -> None:
    """But for what the end of the file lets a replay wait for: a worker's clock goes on."""
    code, out, told = command("triggers", "test", folder / "events.jsonl", "--whole")
    dry = [json.loads(line) for line in out.splitlines()]
    live = published(folder, "triggers")
    assert code == 0
    assert {record["trigger_id"] for record in dry} == {record["trigger_id"] for record in live}
    assert [record for record in dry if record["result"] != "held"] == [record for record in live if record["result"] != "held"][: len(dry)]
    assert "still warming up" in told


def test_its_lines_and_its_summary_agree(folder: Path, command: Command) -> None:
    _, out, told = command("triggers", "test", folder / "events.jsonl")
    lines = [json.loads(line) for line in out.splitlines()]
    assert {tuple(line) for line in lines} == {("user_id", "rule", "time_ms", "result", "reason")}
    rows = {row[0]: list(map(int, row[1:])) for row in (line.split() for line in told.splitlines()) if row[:1] in (["back"], ["basket"])}
    for rule, (crossings, held, fired, users, suppressed, waiting) in rows.items():
        mine = [line for line in lines if line["rule"] == rule]
        results = [line["result"] for line in mine]
        assert (held, fired, suppressed) == tuple(results.count(result) for result in ("held", "fired", "suppressed"))
        assert users == len({line["user_id"] for line in mine if line["result"] == "fired"})
        assert crossings == fired + suppressed + waiting
    reasons = [line["reason"] for line in lines if line["result"] == "suppressed"]
    assert sorted(reason for line in told.splitlines() if len(row := line.split()) == 2 for reason in [row[0]] * int(row[1])) == sorted(reasons)
    assert {"consent_denied", "consent_unknown", "holdout"} <= set(reasons)


def test_segments_are_listed_with_their_members(folder: Path, command: Command) -> None:
    latest = {record["user_id"]: record["segments"] for record in published(folder, "segments")}
    regulars = sorted(user for user, names in latest.items() if "regulars" in names)
    assert len(regulars) > 3
    code, out, _ = command("segments", "list")
    rows = [line.split(maxsplit=2) for line in out.splitlines()[1:]]
    assert (code, rows) == (0, [["regulars", str(len(regulars)), "sessions >= 2"], ["keen", "0", "purchase.p > 0.5  (stays while purchase.p > 0.4)"]])
    assert command("segments", "members", "regulars")[1].splitlines() == regulars
    assert [json.loads(line)["user_id"] for line in command("segments", "members", "regulars", "--json", "--limit", "2")[1].splitlines()] == regulars[:2]
    assert command("segments", "members", "keen")[:2] == (0, "")


def test_a_dry_run_of_segments_ends_with_the_same_members(folder: Path, command: Command) -> None:
    _, out, told = command("segments", "test", folder / "events.jsonl")
    latest = {record["user_id"]: record["segments"] for record in map(json.loads, out.splitlines())}
    assert told.split("\nregulars")[1].split()[2] == str(sum("regulars" in names for names in latest.values()))
    assert sorted(user for user, names in latest.items() if "regulars" in names) == command("segments", "members", "regulars")[1].splitlines()


def test_a_portrait_tells_when_and_in_which_form_consent_was_said(folder: Path, command: Command) -> None:
    members = command("segments", "members", "regulars")[1].splitlines()
    consent = {user: json.loads(command("profile", user, "--json")[1])["consent"] for user in members}
    assert {word.get("source") for word in consent.values()} == {"own", "ga4", None}
    for user, word in consent.items():
        assert ("source" in word) == ("time_ms" in word) == (word["state"] != "unknown")
        (line,) = (line for line in command("profile", user)[1].splitlines() if line.startswith("  consent"))
        assert line.endswith("in GA4's consent mode") == (word.get("source") == "ga4")


def test_an_audience_holds_hashes_of_those_who_agreed_and_of_nobody_else(folder: Path, command: Command, tmp_path: Path) -> None:
    members = command("segments", "members", "regulars")[1].splitlines()
    consent = {user: json.loads(command("profile", user, "--json")[1])["consent"]["state"] for user in members}
    assert set(consent.values()) > {"granted"}
    agreed = [user for user in members if consent[user] == "granted"]
    code, _, told = command("segments", "export", "regulars", "--to", tmp_path / "a.csv")
    assert (code, told) == (0, f"{len(agreed)} of {len(members)} members have agreed and are written to {tmp_path / 'a.csv'}\n")
    assert (tmp_path / "a.csv").read_text().splitlines() == ["hashed_id", *sorted(sha256(user.encode()).hexdigest() for user in agreed)]
    without = tmp_path / "without.toml"
    without.write_text((folder / "clickscore.toml").read_text().replace("MISSING", agreed[0]))
    command("segments", "export", "regulars", "--to", tmp_path / "a.jsonl", "--format", "jsonl", config=without)
    listed = [json.loads(line)["hashed_id"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert listed == sorted(sha256(user.encode()).hexdigest() for user in agreed[1:])


def test_a_customer_list_joins_those_who_agreed_with_what_a_file_says_of_them_and_shows_nothing_of_it(folder: Path, command: Command, tmp_path: Path) -> None:
    members = command("segments", "members", "regulars")[1].splitlines()
    agreed = [user for user in members if json.loads(command("profile", user, "--json")[1])["consent"]["state"] == "granted"]
    crm = tmp_path / "crm.csv"
    wrong = agreed[0]
    lines = [f"{user},{user}@Planted.example,{'030 7777' if user == wrong else f'+49 30 1{number:06}'}" for number, user in enumerate(members)]
    crm.write_text("\n".join(["user_id,email,phone", *lines]) + "\n")
    before = {path: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db"}
    code, out, told = command("segments", "export", "regulars", "--identifiers", crm, "--platform", "meta", "--to", tmp_path / "meta.csv")
    assert (code, out) == (0, "")
    count, to = len(agreed), tmp_path / "meta.csv"
    assert told.splitlines() == [
        f"{crm}, line {members.index(wrong) + 2}: phone is no phone number with the code of its country: write one such as +49 30 1234567",
        f"{count} of {len(members)} members have agreed, {count} of them are in {crm} and are written to {to} ({count} lines); values left out: 1",
    ]
    head, *rows = (tmp_path / "meta.csv").read_text().splitlines()
    assert head == "extern_id,email,phone"
    assert {row.split(",")[0] for row in rows} == {sha256(user.encode()).hexdigest() for user in agreed}
    assert {row.split(",")[1] for row in rows} == {sha256(f"{user}@planted.example".encode()).hexdigest() for user in agreed}
    command("segments", "export", "regulars", "--identifiers", crm, "--platform", "google", "--to", tmp_path / "google.jsonl", "--format", "jsonl")
    listed = [json.loads(line) for line in (tmp_path / "google.jsonl").read_text().splitlines()]
    assert {record["Email"] for record in listed} == {sha256(f"{user}@planted.example".encode()).hexdigest() for user in agreed}
    assert sum("Phone" in record for record in listed) == count - 1
    written = [told, (tmp_path / "meta.csv").read_text(), (tmp_path / "google.jsonl").read_text(), (folder / "shop.db").read_bytes().decode("latin-1")]
    assert [text for text in written if "lanted" in text or "7777" in text] == []
    assert {path: path.read_bytes() for path in folder.iterdir() if path.suffix != ".db"} == before


def test_a_customer_list_that_cannot_be_made_leaves_no_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "crm.csv").write_text("user_id,mail\nu1,planted@x.example\n")
    asked = ("segments", "export", "regulars", "--to", tmp_path / "list.csv", "--platform", "google")
    code, _, told = command(*asked, "--identifiers", tmp_path / "crm.csv")
    assert code == 1
    assert "'mail' is no identifier that is known here" in told
    assert f"{tmp_path / 'crm.csv'}, line 1" in told
    assert "planted" not in told
    code, _, told = command(*asked, "--identifiers", tmp_path / "nowhere.csv")
    assert (code, "cannot be read: No such file" in told) == (1, True)
    code, _, told = command(*asked)
    assert code == 2
    assert "go together" in told
    assert not (tmp_path / "list.csv").exists()


def test_a_portrait_is_told_in_words_and_fits_its_schema(folder: Path, command: Command) -> None:
    users = command("segments", "members", "regulars")[1].splitlines()
    for user in users[:3]:
        portrait = json.loads(command("profile", user, "--json")[1])
        assert [error.message for error in Draft202012Validator(PORTRAIT).iter_errors(portrait)] == []
        mine = {line.split(b'"event_id":"')[1].split(b'"')[0] for line in LINES if b'"user_id":"%s"' % user.encode() in line}
        assert portrait["fields"]["sessions"] > 1
        assert portrait["segments"] == ["regulars"]
        assert sum(portrait["hours"]) == len(mine)
        words = command("profile", user)[1]
        assert words.startswith(user)
        for title in ("stage", "visits", "purchases", "likes", "consent", "segments", "churn"):
            assert f"\n  {title} " in words


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("segments", "members", "regulrs"), 1, "did you mean 'regulars'?"),
        (("profile", "nobody"), 1, "nothing is known of user 'nobody'"),
        (("triggers", "test", "missing.jsonl"), 1, "there is no such file"),
    ],
)
def test_what_is_not_there_is_told(command: Command, arguments: tuple[str, ...], code: int, told: str) -> None:
    ended, _, words = command(*arguments)
    assert (ended, told in words) == (code, True)


def test_without_any_configured_it_says_where_they_belong(command: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text('[triggers.off]\nwhen = "true"\nenabled = false\n')
    for arguments in (("triggers", "test", "-"), ("segments", "list")):
        code, _, told = command(*arguments, config=tmp_path / "empty.toml")
        assert (code, f"no {arguments[0]} are configured" in told) == (78, True)


def test_identifiers_are_hashed_without_blanks_and_in_small_letters() -> None:
    from worker.service.queries.audience import Audience

    assert Audience(frozenset({" Anna@Example.com\n"}), 1).hashes == [sha256(b"anna@example.com").hexdigest()]
