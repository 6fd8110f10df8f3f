"""PyFlink at the job, DataStream API, one slot, Python in a thread of the JVM's process (the quicker mode). Guarantees: exactly once, by a checkpoint a second
and transactions of the Kafka sink that end with it. State in Flink's heap, written at every checkpoint. The model is lost with the process.
"""
# mypy: ignore-errors

import sys

from job import score_bytes
from pyflink.common import Configuration, SimpleStringSchema, Types, WatermarkStrategy
from pyflink.datastream import KeyedProcessFunction, StreamExecutionEnvironment
from pyflink.datastream.connectors.base import DeliveryGuarantee
from pyflink.datastream.connectors.kafka import KafkaOffsetResetStrategy, KafkaOffsetsInitializer, KafkaRecordSerializationSchema, KafkaSink, KafkaSource
from pyflink.datastream.state import ValueStateDescriptor

bootstrap, group, source, target, folder, connector = sys.argv[1:7]


class Step(KeyedProcessFunction):
    def open(self, context):
        self.user = context.get_state(ValueStateDescriptor("user", Types.PICKLED_BYTE_ARRAY()))

    def process_element(self, value, context):
        state, record = score_bytes(self.user.value(), value)
        self.user.update(state)
        yield record.decode()


def user_of(value):
    start = value.index('"user_id":"') + 11
    return value[start : value.index('"', start)]


configuration = Configuration()
configuration.set_string("python.execution-mode", "thread")
configuration.set_string("execution.checkpointing.interval", "1s")
configuration.set_string("execution.checkpointing.dir", f"file://{folder}/checkpoints")
configuration.set_string("pipeline.jars", f"file://{connector}")
environment = StreamExecutionEnvironment.get_execution_environment(configuration)
environment.set_parallelism(1)
kafka = (
    KafkaSource.builder()
    .set_bootstrap_servers(bootstrap)
    .set_topics(source)
    .set_group_id(group)
    .set_starting_offsets(KafkaOffsetsInitializer.committed_offsets(KafkaOffsetResetStrategy.EARLIEST))
    .set_value_only_deserializer(SimpleStringSchema())
    .build()
)
sink = (
    KafkaSink.builder()
    .set_bootstrap_servers(bootstrap)
    .set_record_serializer(KafkaRecordSerializationSchema.builder().set_topic(target).set_value_serialization_schema(SimpleStringSchema()).build())
    .set_delivery_guarantee(DeliveryGuarantee.EXACTLY_ONCE)
    .set_transactional_id_prefix(group)
    .set_property("transaction.timeout.ms", "60000")
    .build()
)
events = environment.from_source(kafka, WatermarkStrategy.no_watermarks(), "events")
events.key_by(user_of, key_type=Types.STRING()).process(Step(), output_type=Types.STRING()).sink_to(sink)
environment.execute("job")
