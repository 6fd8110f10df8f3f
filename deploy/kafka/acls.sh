#!/bin/sh
# Written by `python -m tools.generate` from tools/kafka_access.py: change that, not this.
# The least that each role needs. The arguments go to kafka-acls: acls.sh --bootstrap-server HOST:PORT --command-config FILE
set -eu

# clickscore run: scores, learns, publishes
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickstream.events --operation Read --operation Describe --operation DescribeConfigs # the input
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.scores --operation Write --operation Describe --operation DescribeConfigs # publishes scores
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.segments --operation Write --operation Describe --operation DescribeConfigs # publishes changes of segments
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.triggers --operation Write --operation Describe --operation DescribeConfigs # publishes triggers
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.profiles --operation Read --operation Write --operation Describe --operation DescribeConfigs # state, read back when a partition is gained
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.examples --operation Read --operation Write --operation Describe --operation DescribeConfigs # the scorer writes what the trainer learns from
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.models --operation Read --operation Write --operation Describe --operation DescribeConfigs # the trainer writes what the scorer reads
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.deadletter --operation Write --operation Describe --operation DescribeConfigs # what cannot be read
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.privacy --operation Read --operation Write --operation Describe --operation DescribeConfigs # requests to be forgotten are read, and answered with tombstones
kafka-acls "$@" --add --allow-principal User:clickscore-worker --topic clickscore.receipts --operation Read --operation Write --operation Describe --operation DescribeConfigs # the scorer writes what the trainer passes over
kafka-acls "$@" --add --allow-principal User:clickscore-worker --group clickscore --operation Read # the scorers' group and positions
kafka-acls "$@" --add --allow-principal User:clickscore-worker --group clickscore.trainer --operation Read # the trainers' group and positions
kafka-acls "$@" --add --allow-principal User:clickscore-worker --transactional-id clickscore. --resource-pattern-type prefixed --operation Write --operation Describe # one id a member and role: their names are not known beforehand

# clickscore run --roles deliver: sends triggers to destinations
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.triggers --operation Read --operation Describe --operation DescribeConfigs # what fired
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.deadletter --operation Write --operation Describe --operation DescribeConfigs # what could not be delivered
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickstream.events --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.scores --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.profiles --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.examples --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.models --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.segments --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.privacy --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --topic clickscore.receipts --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --group clickscore.deliver. --resource-pattern-type prefixed --operation Read # a group and its positions for each destination
kafka-acls "$@" --add --allow-principal User:clickscore-deliverer --transactional-id clickscore.deliver. --resource-pattern-type prefixed --operation Write --operation Describe # dead letters and positions are one transaction

# clickscore send, or a shop's own producer: puts events on the input
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickstream.events --operation Write --operation Describe --operation DescribeConfigs # the input; a producer of the shop's own needs this alone
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.scores --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.profiles --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.examples --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.models --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.segments --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.triggers --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.deadletter --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.privacy --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --topic clickscore.receipts --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-sender --transactional-id clickscore-append- --resource-pattern-type prefixed --operation Write --operation Describe # clickscore send writes whole batches or nothing

# clickscore tap, top and explain, and whoever acts on scores
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.scores --operation Read --operation Describe --operation DescribeConfigs # scores
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.segments --operation Read --operation Describe --operation DescribeConfigs # segments
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.triggers --operation Read --operation Describe --operation DescribeConfigs # triggers
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.deadletter --operation Read --operation Describe --operation DescribeConfigs # what could not be read
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.models --operation Read --operation Describe --operation DescribeConfigs # models in force
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickstream.events --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.profiles --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.examples --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.privacy --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-reader --topic clickscore.receipts --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-reader --group clickscore --operation Describe # how far it is scored

# clickscore deadletters replay
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.deadletter --operation Read --operation Write --operation Describe --operation DescribeConfigs # letters, and receipts of those that were replayed
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickstream.events --operation Read --operation Write --operation Describe --operation DescribeConfigs # the input, to which they go back
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.receipts --operation Read --operation Describe --operation DescribeConfigs # who was erased, whose letters do not go back
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.scores --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.profiles --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.examples --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.models --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.segments --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.triggers --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --topic clickscore.privacy --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --group clickscore.deadletters --operation Read # the oldest letter that was not replayed
kafka-acls "$@" --add --allow-principal User:clickscore-replayer --transactional-id clickscore.deadletters. --resource-pattern-type prefixed --operation Write --operation Describe # a batch of letters is one transaction

# clickscore relearn: models are learned anew without the erased
kafka-acls "$@" --add --allow-principal User:clickscore-relearner --topic clickscore.examples --operation Read --operation Write --operation Describe --operation DescribeConfigs # what remains to learn from, and the mark by which the trainer takes a model over
kafka-acls "$@" --add --allow-principal User:clickscore-relearner --topic clickscore.models --operation Read --operation Write --operation Describe --operation DescribeConfigs # the model that runs, and the one that is handed over
kafka-acls "$@" --add --allow-principal User:clickscore-relearner --topic clickscore.receipts --operation Read --operation Describe --operation DescribeConfigs # who was erased
kafka-acls "$@" --add --allow-principal User:clickscore-relearner --group clickscore.trainer --operation Describe # how far the trainer has learned
kafka-acls "$@" --add --allow-principal User:clickscore-relearner --transactional-id clickscore-append- --resource-pattern-type prefixed --operation Write --operation Describe # a model, and then its mark, are written

# clickscore privacy: users are forgotten on request
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.privacy --operation Write --operation Describe --operation DescribeConfigs # requests
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.receipts --operation Read --operation Describe --operation DescribeConfigs # receipts
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.deadletter --operation Read --operation Write --operation Describe --operation DescribeConfigs # letters of erased users are covered with tombstones
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickstream.events --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.scores --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.profiles --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.examples --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.models --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.segments --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-officer --topic clickscore.triggers --operation Describe --operation DescribeConfigs # whether it is as it should be
kafka-acls "$@" --add --allow-principal User:clickscore-officer --transactional-id clickscore-append- --resource-pattern-type prefixed --operation Write --operation Describe # requests and tombstones are written all or none

# KEDA: reads the lag
kafka-acls "$@" --add --allow-principal User:clickscore-scaler --topic clickstream.events --operation Describe # how far the input goes
kafka-acls "$@" --add --allow-principal User:clickscore-scaler --group clickscore --operation Describe # how far it is scored
