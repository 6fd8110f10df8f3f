"""The one settings class: everything that the program can be told, with its default and its meaning.

A new setting is one field here (or in worker/core/settings.py, when it decides what is computed): the file, the environment, the flags,
`config show`, the JSON Schema and docs/configuration.md follow from it. How values are read is in worker/configuration.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.core.action.settings import ActionSettings, SegmentSettings, TriggerSettings
from worker.core.privacy.pseudonyms import Pseudonyms
from worker.core.settings import UNITS_MS, CoreSettings, Positive, Section, TargetSettings, default_targets, written
from worker.delivery_settings import DeliverSettings, DestinationSettings
from worker.endpoint_settings import EndpointSettings
from worker.kafka_settings import KafkaSettings
from worker.privacy_settings import PrivacySettings

if TYPE_CHECKING:
    from worker.core.action.plan import Plan

# A target's table lies beside these keys in a score record, so that it cannot bear one of their names.
SCORE_KEYS = frozenset({"schema", "score_id", "user_id", "time_ms", "cause", "event_id"})
_TARGET_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TOPIC_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")


def duration_text(duration_ms: int) -> str:
    """Write milliseconds as a file would, in the largest unit that leaves a whole number: 5_400_000 -> "90 min"."""
    unit = next(unit for unit, size_ms in sorted(UNITS_MS.items(), key=lambda item: -item[1]) if duration_ms % size_ms == 0)
    return f"{duration_ms // UNITS_MS[unit]} {unit if duration_ms else 'min'}"


def _target_name(name: str) -> str:
    """Refuse a name that cannot be a key, a metric's label and part of an environment variable alike."""
    if name in SCORE_KEYS:
        raise ValueError(f"{name!r} is a key of the score record itself: choose another name for the target")
    if "__" in name or _TARGET_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot name a target: use up to 32 small letters, digits and single underscores, with a letter first")
    return name


def _action_name(name: str) -> str:
    """Refuse a name that cannot stand in a condition, be a metric's label and part of an environment variable alike."""
    if "__" in name or _TARGET_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no name for this: use up to 32 small letters, digits and single underscores, with a letter first")
    return name


def _topic_name(name: str) -> str:
    if _TOPIC_NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot name a topic: use 1 to 249 letters, digits, dots, underscores and hyphens")
    return name


TargetName = Annotated[str, AfterValidator(_target_name)]
ActionName = Annotated[str, AfterValidator(_action_name)]  # of a segment, a rule or a destination
TopicName = Annotated[str, AfterValidator(_topic_name)]


class TopicSettings(Section):
    """The names of the topics, in Kafka and in an embedded log alike."""

    events: TopicName = Field("clickstream.events", description="The input: one event a record, its key the user id.")
    scores: TopicName = Field("clickscore.scores", description="The score records.")
    profiles: TopicName = Field("clickscore.profiles", description="The changelog of profiles and pending decisions.")
    examples: TopicName = Field("clickscore.examples", description="What was predicted, on which bins, and what came of it.")
    models: TopicName = Field("clickscore.models", description="The model snapshots.")
    segments: TopicName = Field("clickscore.segments", description="The segments that each user is in; written where segments are configured.")
    triggers: TopicName = Field("clickscore.triggers", description="What became of every crossing of a rule; written where triggers are configured.")
    deadletter: TopicName = Field("clickscore.deadletter", description="The original bytes of what could not be read, and why.")
    privacy: TopicName = Field("clickscore.privacy", description="Requests to be forgotten; there and followed where privacy.key is set.")
    receipts: TopicName = Field("clickscore.receipts", description="What was erased when; there and written where privacy.key is set.")

    @model_validator(mode="after")
    def _distinct(self) -> TopicSettings:
        names = list(self.model_dump().values())
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} names more than one topic: give each topic a name of its own")
        return self


class ServiceSettings(Section):
    """How the worker runs: its turns, its roles and its logs. None of it changes a score."""

    roles: tuple[Literal["scorer", "trainer", "deliver"], ...] = Field(
        ("scorer", "trainer"),
        min_length=1,
        description="What this worker does: scorer, trainer, deliver. A scorer without a trainer goes on with the last model; deliver sends triggers.",
    )
    group: str = Field("clickscore", min_length=1, description="The consumer group; its workers share the partitions.")
    member: str = Field("", description="A name of this worker that outlasts a restart, so that it keeps its partitions; empty takes the host's name.")
    turn_events: int = Field(5_000, ge=1, le=100_000, description="A turn is committed when it holds this many events.")
    turn_wait_ms: Positive = Field(
        written("17 ms"),
        alias="turn_wait",
        description="Where events come singly, turns begin this far apart: shorter brings scores sooner and takes more processor time.",
    )
    snapshot_examples: int = Field(10_000, ge=1, description="A trainer publishes its model after this many examples.")
    snapshot_wait_ms: Positive = Field(
        written("60 s"), alias="snapshot_wait", description="A trainer that has learned anything publishes its model at the latest after this time."
    )
    emission: Literal["every", "latest"] = Field(
        "every", description="Which scores are published: every one, or of a user's scores in one turn the latest only."
    )
    patience_ms: Positive = Field(
        written("10 min"),
        alias="patience",
        description="A worker that cannot reach its log for this long ends with exit code 1, for its supervisor to start anew.",
    )
    log_format: Literal["auto", "json", "console"] = Field("auto", description="Form of the log: auto is console on a terminal and json elsewhere.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least severity that is logged.")


class EmbeddedSettings(Section):
    """The log that needs no broker."""

    path: str = Field("clickscore.db", min_length=1, description="File of the embedded log.")


class Settings(CoreSettings, BaseSettings):
    """Everything that the program can be told. `Settings()` is the defaults: only worker/configuration reads a file or the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True, env_prefix="CLICKSCORE_", env_nested_delimiter="__")

    targets: dict[TargetName, TargetSettings] = Field(
        default_factory=default_targets, description="The outcomes to predict; a default target keeps what its table does not name."
    )
    segments: dict[ActionName, SegmentSettings] = Field({}, description="Groups of users, each a condition over their portraits.")
    triggers: dict[ActionName, TriggerSettings] = Field({}, description="Rules that make a trigger when a condition begins to hold for a user.")
    action: ActionSettings = ActionSettings()
    destinations: dict[ActionName, DestinationSettings] = Field({}, description="Where triggers that fired are sent to.")
    deliver: DeliverSettings = DeliverSettings()
    privacy: PrivacySettings = PrivacySettings()
    topics: TopicSettings = TopicSettings()
    service: ServiceSettings = ServiceSettings()
    endpoint: EndpointSettings = EndpointSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    kafka: KafkaSettings = KafkaSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out the library's own reading of the environment: it passes over unknown names and cannot say which variable was wrong."""
        return (init_settings,)

    @field_validator("targets", mode="before")
    @classmethod
    def _keep_defaults(cls, given: Any) -> Any:
        """Lay each given table over the default target of its name, so that changing one key does not ask for the rest."""
        if not isinstance(given, dict):
            return given
        merged: dict[Any, Any] = {**default_targets(), **given}
        for name, target in default_targets().items():
            table = merged[name]
            if isinstance(table, dict):
                merged[name] = {**file_form(target), **table}
        return merged

    @field_validator("targets", mode="after")
    @classmethod
    def _drop_disabled(cls, targets: dict[str, TargetSettings]) -> dict[str, TargetSettings]:
        kept = {name: target for name, target in targets.items() if target.enabled}
        if not kept:
            raise ValueError("every target is turned off: leave at least one enabled")
        return kept

    @model_validator(mode="after")
    def _rules_exist(self) -> Settings:
        """Where rules are configured, a destination names some of those; who only delivers need not know them."""
        for name, destination in self.destinations.items():
            unknown = sorted(set(destination.rules) - self.triggers.keys()) if self.triggers else []
            if unknown:
                raise ValueError(f"destinations.{name}.rules names {unknown[0]!r}, which is no rule: there are {', '.join(self.triggers)}")
        return self

    @functools.cached_property
    def plan(self) -> Plan | None:
        """Segments and triggers, ready to work; None where none are configured. Raises PlanError (worker/configuration refuses what would)."""
        from worker.core.action.plan import plan_of

        return plan_of(self.targets, self.segments, self.triggers, self.action, self.seed)

    @functools.cached_property
    def pseudonyms(self) -> Pseudonyms:
        """What names users where their ids must not stand."""
        return Pseudonyms(self.privacy.key_bytes)

    @property
    def core(self) -> CoreSettings:
        """The part that decides what is computed, alone: what a pipeline is given, and what two runs must share to agree."""
        return CoreSettings.model_construct(**{name: getattr(self, name) for name in CoreSettings.model_fields})

    @property
    def erases_by_compaction(self) -> bool:
        """Whether tombstones take what names erased users from triggers and dead letters too: on Kafka, where privacy.key is set. An embedded log is swept."""
        return bool(self.privacy.key and self.kafka.bootstrap)


def file_form(section: Section) -> dict[str, Any]:
    """Turn a section back into the keys and values that a file would hold, durations as text."""
    return {field.alias or name: file_value(name, getattr(section, name)) for name, field in type(section).model_fields.items()}


def file_value(name: str, value: Any) -> Any:
    """Turn the value of the field `name` into what a file would hold: durations (fields in `_ms`) as text, tuples as lists."""
    if isinstance(value, Section):
        return file_form(value)
    if isinstance(value, tuple):
        return [file_value(name, item) for item in value]
    if isinstance(value, dict):
        return {key: file_value(name, item) for key, item in value.items()}
    return duration_text(cast("int", value)) if name.endswith("_ms") else value
