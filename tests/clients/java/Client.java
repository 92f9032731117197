import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The Java client: topics, produce (idempotent, every codec), consume, admin, groups.
 *
 * Client.java BOOTSTRAP [PART...]; without parts, all of them.
 */
public class Client {
    static final String TOPIC = "java-" + ProcessHandle.current().pid();
    static final int PARTITIONS = 4;
    static final int RECORDS = 20_000;
    static final long PATIENCE_S = 60;
    /** Of the part `steady`: enough that every shard of eight has some. */
    static final int STEADY_PARTITIONS = 16;
    static final long STEADY_S = 4;

    static String bootstrap;
    static Admin admin;
    static long firstMs = System.currentTimeMillis() - RECORDS;

    interface Part {
        void run() throws Exception;
    }

    static final Map<String, Part> PARTS = new TreeMap<>(Map.of(
        "1-topics", Client::topics,
        "2-produce", Client::produce,
        "3-consume", Client::consume,
        "4-places", Client::places,
        "5-configs", Client::configs,
        "6-changes", Client::changes,
        "7-groups", Client::groups,
        "8-rebalance", Client::rebalance,
        "9-deletion", Client::deletion,
        "a-steady", Client::steady));

    static void topics() throws Exception {
        get(admin.createTopics(List.of(new NewTopic(TOPIC, PARTITIONS, (short) 1))).all());
        refused(TopicExistsException.class,
            admin.createTopics(List.of(new NewTopic(TOPIC, 1, (short) 1))).all());
        refused(InvalidReplicationFactorException.class,
            admin.createTopics(List.of(new NewTopic(TOPIC + "-3", 1, (short) 3))).all());
        check(get(admin.listTopics().names()).contains(TOPIC), "the topic is not listed");
        TopicDescription found = get(admin.describeTopics(List.of(TOPIC)).allTopicNames()).get(TOPIC);
        check(found.partitions().size() == PARTITIONS, found.toString());
        check(get(admin.describeCluster().nodes()).size() == 1, "not one node");
        check(get(admin.describeCluster().clusterId()) != null, "no cluster id");
    }

    static KafkaProducer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        settings.putAll(more);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap,
            "auto.offset.reset", "earliest", "enable.auto.commit", false));
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static void produce() throws Exception {
        String[] codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
        for (int part = 0; part < codecs.length; part++) {
            List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
            try (var producer = producer(Map.of("compression.type", codecs[part]))) {
                for (int at = part; at < RECORDS; at += codecs.length) {
                    var record = new ProducerRecord<>(TOPIC, at % PARTITIONS, firstMs + at,
                        "key " + at, at % 100 == 13 ? null : "value " + at);
                    record.headers().add(new RecordHeader("number", ("" + at).getBytes()));
                    sent.add(producer.send(record));
                }
                producer.flush();
            }
            for (var future : sent) {
                check(future.get(PATIENCE_S, TimeUnit.SECONDS).hasOffset(), "no offset");
            }
        }
    }

    static List<TopicPartition> all() {
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < PARTITIONS; partition++) {
            all.add(new TopicPartition(TOPIC, partition));
        }
        return all;
    }

    static void consume() throws Exception {
        try (var consumer = consumer(Map.of())) {
            consumer.assign(all());
            consumer.seekToBeginning(all());
            Set<String> keys = new java.util.HashSet<>();
            Map<Integer, Long> next = new HashMap<>();
            long until = System.nanoTime() + PATIENCE_S * 1_000_000_000;
            while (keys.size() < RECORDS) {
                check(System.nanoTime() < until, "only " + keys.size() + " records");
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
                    long expected = next.merge(record.partition(), 1L, Long::sum) - 1;
                    check(record.offset() == expected, "expected " + expected + ": " + record);
                    int at = Integer.parseInt(new String(record.headers().lastHeader("number").value()));
                    String value = at % 100 == 13 ? null : "value " + at;
                    check(record.key().equals("key " + at), record.toString());
                    check(java.util.Objects.equals(record.value(), value), record.toString());
                    check(record.timestamp() == firstMs + at, record.toString());
                    check(keys.add(record.key()), "twice: " + record);
                }
            }
        }
    }

    static void places() throws Exception {
        TopicPartition first = all().get(0);
        try (var consumer = consumer(Map.of())) {
            consumer.assign(List.of(first));
            long end = consumer.endOffsets(List.of(first)).get(first);
            check(end == RECORDS / PARTITIONS, "end " + end);
            check(consumer.beginningOffsets(List.of(first)).get(first) == 0, "beginning");
            consumer.seek(first, end - 3);
            int found = 0;
            long until = System.nanoTime() + PATIENCE_S * 1_000_000_000;
            while (found < 3 && System.nanoTime() < until) {
                found += consumer.poll(Duration.ofMillis(200)).count();
            }
            check(found == 3, found + " records at the end");
            var late = consumer.offsetsForTimes(Map.of(first, firstMs + 10L * RECORDS));
            check(late.get(first) == null, "an offset of the future: " + late);
        }
        var specs = Map.of(first, OffsetSpec.maxTimestamp());
        long largest = get(admin.listOffsets(specs).all()).get(first).timestamp();
        check(largest == firstMs + RECORDS - PARTITIONS, "largest time " + largest);
    }

    static void configs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
        ConfigEntry before = get(admin.describeConfigs(List.of(topic)).all()).get(topic)
            .get("retention.ms");
        check(before.isDefault() && before.value().equals("604800000"), before.toString());
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "3600000"),
            AlterConfigOp.OpType.SET);
        get(admin.incrementalAlterConfigs(Map.of(topic, List.of(set))).all());
        ConfigEntry after = get(admin.describeConfigs(List.of(topic)).all()).get(topic)
            .get("retention.ms");
        check(after.value().equals("3600000") && !after.isDefault(), after.toString());
    }

    static void changes() throws Exception {
        TopicPartition first = all().get(0);
        var deleted = admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(10)));
        check(get(deleted.lowWatermarks().get(first)).lowWatermark() == 10, "low watermark");
        String wide = TOPIC + "-wide";
        get(admin.createTopics(List.of(new NewTopic(wide, 1, (short) 1))).all());
        get(admin.createPartitions(Map.of(wide, NewPartitions.increaseTo(6))).all());
        var found = get(admin.describeTopics(List.of(wide)).allTopicNames()).get(wide);
        check(found.partitions().size() == 6, found.toString());
    }

    static int pollAll(KafkaConsumer<String, String> consumer, int wanted) {
        int found = 0;
        long until = System.nanoTime() + PATIENCE_S * 1_000_000_000;
        while (found < wanted) {
            check(System.nanoTime() < until, "only " + found + " records of " + wanted);
            found += consumer.poll(Duration.ofMillis(500)).count();
        }
        return found;
    }

    static int available() throws Exception {
        try (var consumer = consumer(Map.of())) {
            int sum = 0;
            var begins = consumer.beginningOffsets(all());
            for (var end : consumer.endOffsets(all()).entrySet()) {
                sum += end.getValue() - begins.get(end.getKey());
            }
            return sum;
        }
    }

    static void groups() throws Exception {
        String group = TOPIC + "-group";
        int records = available();
        try (var consumer = consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(TOPIC));
            check(pollAll(consumer, records) == records, "more records than there are");
            consumer.commitSync();
        }
        var offsets = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
        check(offsets.size() == PARTITIONS, offsets.toString());
        try (var consumer = consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(TOPIC));
            // The first rebalance of an empty group takes three seconds by default.
            long until = System.nanoTime() + PATIENCE_S * 1_000_000_000;
            while (consumer.assignment().size() < PARTITIONS) {
                check(System.nanoTime() < until, "no partitions after " + PATIENCE_S + " s");
                check(consumer.poll(Duration.ofMillis(100)).isEmpty(), "read again at once");
            }
            check(consumer.poll(Duration.ofSeconds(1)).isEmpty(), "read again after a commit");
            consumer.commitSync(Map.of(all().get(1), new OffsetAndMetadata(7, "a note")));
            check(consumer.committed(Set.of(all().get(1))).get(all().get(1)).metadata()
                .equals("a note"), "the note is lost");
        }
        var described = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
        check(described.members().isEmpty(), described.toString());
        get(admin.deleteConsumerGroups(List.of(group)).all());
    }

    /** A second member takes its share, and gives it back when it leaves. */
    static void rebalance() throws Exception {
        Map<String, Object> settings = Map.of("group.id", TOPIC + "-two",
            "session.timeout.ms", 10000, "heartbeat.interval.ms", 500);
        try (var one = consumer(settings)) {
            one.subscribe(List.of(TOPIC));
            pollAll(one, available());
            try (var two = consumer(settings)) {
                two.subscribe(List.of(TOPIC));
                await("each has half", one, two, () -> one.assignment().size() == PARTITIONS / 2
                    && two.assignment().size() == PARTITIONS / 2);
            }
            await("one has all again", one, null, () -> one.assignment().size() == PARTITIONS);
        }
    }

    static void await(String what, KafkaConsumer<?, ?> one, KafkaConsumer<?, ?> two,
            java.util.function.BooleanSupplier holds) {
        long until = System.nanoTime() + PATIENCE_S * 1_000_000_000;
        while (!holds.getAsBoolean()) {
            check(System.nanoTime() < until, what + ": not after " + PATIENCE_S + " s");
            one.poll(Duration.ofMillis(100));
            if (two != null) {
                two.poll(Duration.ofMillis(100));
            }
        }
    }

    static void deletion() throws Exception {
        get(admin.deleteTopics(List.of(TOPIC)).all());
        refused(UnknownTopicOrPartitionException.class,
            admin.describeTopics(List.of(TOPIC)).allTopicNames());
    }

    /**
     * Every partition in turn, one record a request, and a reader of all of them: where do the
     * requests go? The broker's counters tell.
     */
    static void steady() throws Exception {
        String topic = TOPIC + "-steady";
        get(admin.createTopics(List.of(new NewTopic(topic, STEADY_PARTITIONS, (short) 1))).all());
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < STEADY_PARTITIONS; partition++) {
            all.add(new TopicPartition(topic, partition));
        }
        int sent = 0;
        int found = 0;
        try (var producer = producer(Map.of("linger.ms", 0)); var consumer = consumer(Map.of())) {
            consumer.assign(all);
            long until = System.nanoTime() + STEADY_S * 1_000_000_000;
            for (; System.nanoTime() < until; sent++) {
                producer.send(new ProducerRecord<>(topic, sent % STEADY_PARTITIONS, null, "x"))
                    .get(PATIENCE_S, TimeUnit.SECONDS);
                found += consumer.poll(Duration.ZERO).count();
            }
            found += pollAll(consumer, sent - found);
        }
        check(found == sent, found + " of " + sent);
        System.out.println("java: steady: " + sent + " requests");
    }

    static <T> T get(org.apache.kafka.common.KafkaFuture<T> future) throws Exception {
        return future.get(PATIENCE_S, TimeUnit.SECONDS);
    }

    static void refused(Class<?> expected, org.apache.kafka.common.KafkaFuture<?> future)
            throws Exception {
        try {
            get(future);
        } catch (ExecutionException thrown) {
            check(expected.isInstance(thrown.getCause()), "not " + expected + ": " + thrown);
            return;
        }
        throw new AssertionError("no " + expected);
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        Collection<String> wanted = List.of(arguments).subList(1, arguments.length);
        for (var part : PARTS.entrySet()) {
            String name = part.getKey().substring(2);
            if (!wanted.isEmpty() && !wanted.contains(name)) {
                continue;
            }
            try {
                part.getValue().run();
            } catch (Throwable problem) {
                System.out.println("java: FAILED: " + name + ": " + problem);
                problem.printStackTrace(System.out);
                Runtime.getRuntime().halt(1);
            }
            System.out.println("java: " + name + ": ok");
        }
        System.out.println("java: PASSED");
        Runtime.getRuntime().halt(0);
    }
}
