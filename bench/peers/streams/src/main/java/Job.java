import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams at the job of job.py, in Java and with a regression written by hand, since River is Python's. Guarantees: exactly once
 * (exactly_once_v2), state in RocksDB with a changelog topic. The model is an object of the process and lost with it. Arguments: bootstrap, group,
 * source, target, folder, milliseconds between commits.
 */
public final class Job implements Processor<byte[], byte[], byte[], byte[]> {
  private static final int N = 9, FIRST = 0, LAST = 1, TOTAL = 2, IN_SESSION = 6, PRICES = 7, PRICE = 8;
  private static final double GAP_MS = 1_800_000, RATE = 0.01;
  private final ObjectMapper json = new ObjectMapper();
  private final double[] weights = new double[8];
  private double intercept;
  private ProcessorContext<byte[], byte[]> context;
  private KeyValueStore<byte[], byte[]> users;

  @Override
  public void init(ProcessorContext<byte[], byte[]> context) {
    this.context = context;
    users = context.getStateStore("users");
  }

  @Override
  public void process(Record<byte[], byte[]> record) {
    try {
      JsonNode event = json.readTree(record.value());
      double now = event.get("timestamp").asLong();
      String name = event.get("event").asText();
      double[] state = unpacked(users.get(record.key()));
      if (state == null) {
        state = new double[N];
        state[FIRST] = state[LAST] = now;
      } else {
        boolean back = now - state[LAST] > GAP_MS;
        if (name.equals("purchase")) learn(features(state, now), 1);
        else if (back) learn(features(state, now), 0);
        if (back) state[IN_SESSION] = 0;
      }
      state[TOTAL]++;
      state[IN_SESSION]++;
      int kind = name.equals("view_item") ? 3 : name.equals("add_to_cart") ? 4 : name.equals("purchase") ? 5 : 0;
      if (kind > 0) state[kind]++;
      JsonNode price = event.get("price");
      if (price != null) {
        state[PRICES]++;
        state[PRICE] += price.asDouble();
      }
      double p = predict(features(state, now));
      state[LAST] = now;
      users.put(record.key(), packed(state));
      ObjectNode out = json.createObjectNode();
      out.put("user_id", event.get("user_id").asText()).put("event_id", event.get("event_id").asText()).put("time_ms", (long) now).put("p", p);
      context.forward(record.withValue(json.writeValueAsBytes(out)));
    } catch (java.io.IOException error) {
      throw new java.io.UncheckedIOException(error);
    }
  }

  private static double[] features(double[] state, double now) {
    return new double[] {
      Math.log1p((now - state[LAST]) / 1000), Math.log1p((now - state[FIRST]) / 1000), Math.log1p(state[TOTAL]), Math.log1p(state[3]),
      Math.log1p(state[4]), Math.log1p(state[5]), Math.log1p(state[IN_SESSION]), state[PRICES] > 0 ? Math.log1p(state[PRICE] / state[PRICES]) : 0
    };
  }

  private double predict(double[] x) {
    double margin = intercept;
    for (int i = 0; i < x.length; i++) margin += weights[i] * x[i];
    return 1 / (1 + Math.exp(-margin));
  }

  private void learn(double[] x, double outcome) {
    double error = RATE * (outcome - predict(x));
    for (int i = 0; i < x.length; i++) weights[i] += error * x[i];
    intercept += error;
  }

  private static byte[] packed(double[] state) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * N);
    for (double value : state) bytes.putDouble(value);
    return bytes.array();
  }

  private static double[] unpacked(byte[] bytes) {
    if (bytes == null) return null;
    double[] state = new double[N];
    ByteBuffer.wrap(bytes).asDoubleBuffer().get(state);
    return state;
  }

  public static void main(String[] given) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", given[0]);
    properties.put("application.id", given[1]);
    properties.put("state.dir", given[4]);
    properties.put("commit.interval.ms", given[5]);
    properties.put("processing.guarantee", "exactly_once_v2");
    properties.put("replication.factor", "1");
    properties.put("auto.offset.reset", "earliest");
    var store = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("users"), Serdes.ByteArray(), Serdes.ByteArray());
    var bytesIn = Serdes.ByteArray().deserializer();
    var bytesOut = Serdes.ByteArray().serializer();
    Topology topology = new Topology();
    topology.addSource("events", bytesIn, bytesIn, given[2]).addProcessor("score", Job::new, "events");
    topology.addStateStore(store, "score").addSink("scores", given[3], bytesOut, bytesOut, "score");
    KafkaStreams streams = new KafkaStreams(topology, properties);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
