import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowBytesStoreSupplier;
import org.apache.kafka.streams.state.WindowStore;

/** Responses and 400s of each target in event-time windows: what a Kafka Streams application counts of `responses`. */
public class WindowedCounts {
    static final Duration SIZE = Duration.ofMinutes(5);
    static final Duration GRACE = Duration.ofMinutes(1);
    static final JsonFactory JSON = new JsonFactory();

    record Event(String target, long time, int status) {}

    record Counts(long responses, long badRequests) {}

    /** Reads the three fields that are counted by, and skips the others. */
    static Event parse(byte[] value) {
        String target = null;
        long time = 0;
        int status = 0;
        try (JsonParser parser = JSON.createParser(value)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "target" -> target = parser.getText();
                    case "time" -> time = parser.getLongValue();
                    case "response" -> {
                        while (parser.nextToken() == JsonToken.FIELD_NAME) {
                            boolean isStatus = parser.currentName().equals("status");
                            parser.nextToken();
                            if (isStatus) {
                                status = parser.getIntValue();
                            } else {
                                parser.skipChildren();
                            }
                        }
                    }
                    default -> parser.skipChildren();
                }
            }
        } catch (IOException error) {
            throw new IllegalArgumentException(error);
        }
        return new Event(target, time, status);
    }

    static Serde<Event> eventSerde() {
        return Serdes.serdeFrom((topic, event) -> { throw new UnsupportedOperationException(); }, (topic, data) -> parse(data));
    }

    static Serde<Counts> countsSerde() {
        return Serdes.serdeFrom(
            (topic, counts) -> counts == null ? null
                : ByteBuffer.allocate(16).putLong(counts.responses).putLong(counts.badRequests).array(),
            (topic, data) -> {
                if (data == null) {
                    return null;
                }
                ByteBuffer buffer = ByteBuffer.wrap(data);
                return new Counts(buffer.getLong(), buffer.getLong());
            });
    }

    static Properties properties(Map<String, String> given) {
        Properties properties = new Properties();
        properties.put("application.id", given.get("group"));
        properties.put("bootstrap.servers", given.get("servers"));
        properties.put("state.dir", given.get("state"));
        properties.put("processing.guarantee", given.get("guarantee"));
        properties.put("num.stream.threads", "1");
        properties.put("commit.interval.ms", "1000");
        properties.put("statestore.cache.max.bytes", String.valueOf(64 << 20));
        properties.put("replication.factor", "1");
        properties.put("consumer.auto.offset.reset", "earliest");
        properties.put("consumer.max.poll.records", "8000");
        properties.put("consumer.max.partition.fetch.bytes", String.valueOf(4 << 20));
        properties.put("producer.batch.size", String.valueOf(256 << 10));
        properties.put("producer.linger.ms", "100");
        return properties;
    }

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> given = new TreeMap<>();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            given.put(pair[0], pair[1]);
        }
        TimeWindows windows = TimeWindows.ofSizeAndGrace(SIZE, GRACE);
        if (given.get("windows").equals("hopping")) {
            windows = windows.advanceBy(Duration.ofMinutes(1));
        }
        Duration retention = SIZE.plus(GRACE);
        WindowBytesStoreSupplier store = given.get("store").equals("memory")
            ? Stores.inMemoryWindowStore("counts", retention, SIZE, false)
            : Stores.persistentWindowStore("counts", retention, SIZE, false);
        StreamsBuilder builder = new StreamsBuilder();
        builder
            .stream(given.get("topic"), Consumed.with(Serdes.String(), eventSerde())
                .withTimestampExtractor((record, previous) -> ((Event) record.value()).time()))
            .groupByKey(Grouped.with(Serdes.String(), eventSerde()))
            .windowedBy(windows)
            .aggregate(
                () -> new Counts(0, 0),
                (key, event, counts) ->
                    new Counts(counts.responses + 1, counts.badRequests + (event.status == 400 ? 1 : 0)),
                Materialized.<String, Counts>as(store)
                    .withKeySerde(Serdes.String()).withValueSerde(countsSerde()).withCachingEnabled());
        KafkaStreams streams = new KafkaStreams(builder.build(), properties(given));
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            System.out.print(counted(streams));
            System.out.flush();
            streams.close(Duration.ofSeconds(20));
            stopped.countDown();
        }));
        streams.start();
        stopped.await();
    }

    /** The sums over all windows, as JSON: in hopping windows each response is in five. */
    static String counted(KafkaStreams streams) {
        Map<String, Long> byTarget = new TreeMap<>();
        long badRequests = 0;
        var store = streams.store(
            StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.<String, Counts>windowStore()));
        try (KeyValueIterator<Windowed<String>, Counts> all = store.all()) {
            while (all.hasNext()) {
                KeyValue<Windowed<String>, Counts> found = all.next();
                byTarget.merge(found.key.key(), found.value.responses, Long::sum);
                badRequests += found.value.badRequests;
            }
        }
        StringBuilder json = new StringBuilder("{\"bad_requests\": " + badRequests + ", \"by_target\": {");
        String separator = "";
        for (var entry : byTarget.entrySet()) {
            json.append(separator).append('"').append(entry.getKey()).append("\": ").append(entry.getValue());
            separator = ", ";
        }
        return json.append("}}").toString();
    }
}
