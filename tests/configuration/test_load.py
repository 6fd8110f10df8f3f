"""Reading the configuration: which place is stronger, and how each place is named when something in it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.configuration.refusals import refused
from worker.configuration import load
from worker.configuration.fields import default_of, leaf_at
from worker.configuration.writing import toml_value
from worker.core.settings import DAY_MS, HOUR_MS
from worker.errors import ConfigurationError, Problem

HORIZON = "CLICKSCORE_TARGETS__PURCHASE__HORIZON"


def test_without_any_configuration_there_are_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load(environ={})
    assert loaded.settings.targets["purchase"].horizon_ms == 7 * DAY_MS
    assert loaded.origin(("targets", "purchase", "horizon")) == "default"


def test_a_flag_is_stronger_than_the_environment_and_that_than_the_file(config: Path) -> None:
    config.write_text('seed = 1\n[targets.purchase]\nhorizon = "2 d"\nprior = 0.5\n')
    only_file = load(config, environ={})
    with_environment = load(config, environ={HORIZON: "3 d"})
    with_flag = load(config, ["targets.purchase.horizon=4 d"], environ={HORIZON: "3 d"})
    assert [loaded.settings.targets["purchase"].horizon_ms // DAY_MS for loaded in (only_file, with_environment, with_flag)] == [2, 3, 4]
    assert [loaded.origin(("targets", "purchase", "horizon")) for loaded in (only_file, with_environment, with_flag)] == [
        f"{config}, line 3, column 1",
        f"environment variable {HORIZON}",
        "flag --set targets.purchase.horizon",
    ]
    assert with_flag.settings.targets["purchase"].prior == 0.5
    assert with_flag.settings.seed == 1


def test_the_file_is_the_flags_else_the_environments_else_the_one_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, seed in [("flag.toml", 1), ("environment.toml", 2), ("clickscore.toml", 3)]:
        Path(name).write_text(f"seed = {seed}\n")
    named = {"CLICKSCORE_CONFIG": "environment.toml"}
    assert [load(Path("flag.toml"), environ=named).settings.seed, load(environ=named).settings.seed, load(environ={}).settings.seed] == [1, 2, 3]


def test_a_flag_that_stands_for_a_setting_counts_as_one() -> None:
    loaded = load(options={"--embedded": ("embedded.path", "shop.db"), "--no-reasons": ("reasons", 0), "--seed": ("seed", None)}, environ={})
    assert (loaded.settings.embedded.path, loaded.settings.reasons, loaded.settings.seed) == ("shop.db", 0, 0)
    assert loaded.origin(("embedded", "path")) == "flag --embedded"
    with pytest.raises(ConfigurationError, match="flag --no-reasons"):
        load(options={"--no-reasons": ("reasons", 99)}, environ={})


@pytest.mark.parametrize("text", ['["1 h", "2 h"]', "['1 h', '2 h']", ' ["1 h","2 h"] '])
def test_lists_are_written_as_in_toml_everywhere(text: str) -> None:
    assert load(environ={"CLICKSCORE_SILENCE__MARKS": text}).settings.silence.marks_ms == (HOUR_MS, 2 * HOUR_MS)
    assert load(None, [f"silence.marks={text}"], environ={}).settings.silence.marks_ms == (HOUR_MS, 2 * HOUR_MS)


def test_values_given_as_text() -> None:
    environ = {"CLICKSCORE_SEED": "5", "CLICKSCORE_OUTAGE__DETECT": "false", "CLICKSCORE_SILENCE__SHARE": "0.5", "CLICKSCORE_SERVICE__TURN_WAIT": "'5 ms'"}
    settings = load(None, ["events.names.kauf=purchase", 'events.names."in.korb"=add_to_cart', "embedded.path=[1].db"], environ=environ).settings
    assert (settings.seed, settings.outage.detect, settings.silence.share, settings.service.turn_wait_ms) == (5, False, 0.5, 5)
    assert settings.events.names == {"kauf": "purchase", "in.korb": "add_to_cart"}
    assert settings.embedded.path == "[1].db"


def test_a_whole_table_may_come_from_one_variable() -> None:
    loaded = load(environ={"CLICKSCORE_EVENTS__NAMES": '{"Kauf": "purchase"}', "CLICKSCORE_EVENTS__NAMES__KORB": "add_to_cart"})
    assert loaded.settings.events.names == {"Kauf": "purchase", "korb": "add_to_cart"}
    assert loaded.origin(("events", "names", "Kauf")) == "environment variable CLICKSCORE_EVENTS__NAMES"


def test_times_of_toml_are_read_as_text(config: Path) -> None:
    config.write_text("[outage]\ndeclared = [[2020-12-24T18:00:00Z, 2020-12-27T08:00:00+01:00]]\n")
    assert load(config, environ={}).settings.outage.declared == (("2020-12-24T18:00:00+00:00", "2020-12-27T08:00:00+01:00"),)


def test_variables_that_are_not_meant_for_us_are_left_alone() -> None:
    links = {"CLICKSCORE_PORT": "tcp://10.0.0.1:80", "CLICKSCORE_SERVICE_HOST": "10.0.0.1", "CLICKSCORE_WORKER_SERVICE_PORT_METRICS": "9108"}
    links |= {"CLICKSCORE_PORT_9108_TCP_ADDR": "10.0.0.1", "CLICKSCORE_TRACEBACK": "1", "CLICKSCORE_SEED": "", "HOME": "/"}
    assert load(environ=links).settings == load(environ={}).settings


def default(*path: str) -> str:
    """Write the default at a path, the example that a refusal gives."""
    leaf = leaf_at(path)
    assert leaf is not None
    return toml_value(default_of(leaf))


WRONG = """\
seeed = 1
reasons = true
[targets.purchase]
horizn = "14 d"
horizon = "14 days"
[targets.intent]
horizon = "0 d"
[targets.cart]
optimizer = "ftlr"
[targets.user_id]
horizon = "1 d"
[service]
turn_events = "5000"
turn_wait = 20
session_gap = "3 min"
roles = ["scorer", "traner"]
[silence]
marks = "1 h"
share = 1.5
[events]
names = { a = 1, b = "purchse" }
[outage]
declared = [["2020-12-24T18:00:00Z"]]
detect = 1
"""


def test_everything_wrong_in_a_file_is_said_at_once_with_its_place_and_what_to_do(config: Path) -> None:
    config.write_text(WRONG)
    assert refused(config) == [
        Problem("unknown key 'seeed'", "shop.toml, line 1, column 1", "did you mean 'seed'?"),
        Problem("reasons is true, not a whole number", "shop.toml, line 2, column 1", f"write a whole number, for example reasons = {default('reasons')}"),
        Problem("unknown key 'horizn' in [targets.purchase]", "shop.toml, line 4, column 1", "did you mean 'horizon'?"),
        Problem("targets.purchase.horizon: '14 days' has no known unit", "shop.toml, line 5, column 1", "use one of ms, s, min, h, d, for example '14 d'"),
        Problem('targets.intent.horizon is "0 d"', "shop.toml, line 7, column 1", 'write more than zero, for example "30 min"'),
        Problem("'horizon' is missing in [targets.cart]", "shop.toml, line 8, column 1", 'add horizon = "7 d"'),
        Problem('targets.cart.optimizer is "ftlr"', "shop.toml, line 9, column 1", "did you mean 'ftrl'? It may be 'ftrl', 'adagrad' or 'sgd'"),
        Problem("targets.user_id: 'user_id' is a key of the score record itself", "shop.toml, line 10, column 1", "choose another name for the target"),
        Problem(
            'service.turn_events is "5000", not a whole number',
            "shop.toml, line 13, column 1",
            f"write a whole number, for example turn_events = {default('service', 'turn_events')}",
        ),
        Problem("service.turn_wait: a duration needs a unit", "shop.toml, line 14, column 1", "write it as text, for example '30 min', not 20"),
        Problem("unknown key 'session_gap' in [service]", "shop.toml, line 15, column 1", "it belongs to [profiles]"),
        Problem('service.roles[1] is "traner"', "shop.toml, line 16, column 20", "did you mean 'trainer'? It may be 'scorer', 'trainer' or 'deliver'"),
        Problem(
            'silence.marks is "1 h", not a list',
            "shop.toml, line 18, column 1",
            f"write a list, for example marks = {default('silence', 'marks')}",
        ),
        Problem("silence.share is 1.5", "shop.toml, line 19, column 1", f"write at most 1.0, for example {default('silence', 'share')}"),
        Problem("events.names.a is 1, not text", "shop.toml, line 21, column 11", "write text"),
        Problem("events.names.b: 'purchse' is not a GA4 event name", "shop.toml, line 21, column 18", "did you mean 'purchase'?"),
        Problem("outage.declared[0] has too few items", "shop.toml, line 23, column 13", "write 2 of them"),
        Problem("outage.detect is 1, not true or false", "shop.toml, line 24, column 1", "write true or false, for example detect = true"),
    ]


def test_a_variable_is_named_with_the_one_that_was_meant() -> None:
    assert refused(CLICKSCORE_TARGETS_PURCHASE_HORIZON="1 d", CLICKSCORE_SEED="many", CLICKSCORE_TARGETS__CART__HORIZN="1 d") == [
        Problem("seed is \"many\", not a whole number", "environment variable CLICKSCORE_SEED", "write a whole number, for example seed = 0"),
        Problem(
            "CLICKSCORE_TARGETS_PURCHASE_HORIZON names no setting",
            "environment variable CLICKSCORE_TARGETS_PURCHASE_HORIZON",
            f"did you mean {HORIZON}?",
        ),
        Problem(
            "CLICKSCORE_TARGETS__CART__HORIZN names no setting",
            "environment variable CLICKSCORE_TARGETS__CART__HORIZN",
            "did you mean CLICKSCORE_TARGETS__CART__HORIZON?",
        ),
    ]  # fmt: skip


def test_a_flag_is_named() -> None:
    assert refused(None, "targets.purchase.alpha=99", "reasons", "servce.group=x") == [
        Problem("'reasons' sets nothing", "flag --set reasons", "write KEY=VALUE, for example --set targets.purchase.horizon='14 d'"),
        Problem("unknown section 'servce'", "flag --set servce.group", "did you mean 'service'?"),
        Problem(
            'targets.purchase.alpha is "99"', "flag --set targets.purchase.alpha", f"write at most 10.0, for example {default('targets', 'purchase', 'alpha')}"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "what", "place", "todo"),
    [
        ("seed = 1\n[targets.intent]\nhorizon = 14 d\n", "expected newline or end", "line 3, column 14", 'put text and durations in quotes: horizon = "14 d"'),
        ("[events\n", "expected ']'", "line 1, column 8", "a line is a [section]"),
        ("seed = 1\nseed = 2\n", "cannot overwrite a value", "line 2, column 9", "a line is a [section]"),
        ("seed =", "invalid value", "line 1, at its end", "a line is a [section]"),
        ("log = console", "invalid value", "line 1, column 7", 'put text and durations in quotes: log = "console"'),
    ],
)  # fmt: skip
def test_what_is_not_toml_is_refused_with_its_line(config: Path, text: str, what: str, place: str, todo: str) -> None:
    config.write_text(text)
    (problem,) = refused(config)
    assert what in problem.what.lower()
    assert problem.where == f"shop.toml, {place}"
    assert problem.todo.startswith(todo)


def test_a_file_that_is_not_toml_does_not_hide_a_wrong_variable(config: Path) -> None:
    config.write_text("[")
    assert [problem.where.split(",")[0] for problem in refused(config, CLICKSCORE_SEED="x")] == ["shop.toml", "environment variable CLICKSCORE_SEED"]


def test_a_file_that_is_not_there_names_who_asked_for_it(config: Path) -> None:
    assert "shop.toml, named by flag --config" in [problem.where for problem in refused(config)]
    assert "none.toml, named by environment variable CLICKSCORE_CONFIG" in [problem.where for problem in refused(CLICKSCORE_CONFIG="none.toml")]


def test_a_file_that_is_not_text_is_refused_with_its_line(config: Path) -> None:
    config.write_bytes(b"seed = 1\nx = '\xff'\n")
    assert refused(config) == [Problem("the configuration file is not UTF-8 text", "shop.toml, line 2", "save it as UTF-8")]


def test_a_byte_order_mark_is_no_fault(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbfseed = 1\r\nreasons = 2\r\n")
    assert load(config, environ={}).settings.reasons == 2
