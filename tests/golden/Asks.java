import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Asks all that the Java client can ask, in every version that it knows, through `record.py`, which
 * offers a client named `golden-N-M` versions that are N older than the newest, and M for Metadata.
 *
 * Asks.java BOOTSTRAP; what fails is told and does not end it: not everything is in every version.
 */
public class Asks {
    /** Fetch 18 down to 4, Metadata 13 down to 0: no API of the broker has more versions. */
    static final int BACK_MAX = 14;
    static final int METADATA_BACK_MAX = 13;
    /** Older heartbeats have no room for a static member's name. */
    static final int STATIC_BACK_MAX = 1;
    static final long PATIENCE_S = 10;
    static final int RECORDS = 3;
    static final int NODE = 1000;

    /** With a transaction that stays open, and one that was aborted. */
    static final String OPEN = "golden-open";
    static final String GROUP = "golden-group";
    static final ConfigResource METRICS =
        new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "golden-metrics");
    static final ClientQuotaEntity QUOTA =
        new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, "golden-quota"));

    static String bootstrap;
    static Admin admin;
    static String client;
    static String topic;

    interface Call {
        Object call() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        as(0, 0);
        KafkaProducer<String, String> open = producer(Map.of("transactional.id", "golden-open"));
        prepare(open);
        for (int back = 0; back <= BACK_MAX; back++) {
            as(back, 0);
            topics();
            records();
            cluster();
            rights();
            transactions();
            groups();
            if (back <= STATIC_BACK_MAX) {
                staticMember();
            }
            deletion();
        }
        for (int back = 1; back <= METADATA_BACK_MAX; back++) {
            as(0, back);
            attempt("list", () -> wait(admin.listTopics().names()));
            attempt("partitions", () -> {
                try (KafkaConsumer<String, String> reader = consumer()) {
                    return reader.partitionsFor(OPEN);
                }
            });
        }
        open.close(Duration.ZERO);
        admin.close();
    }

    /** From here on with versions so much older. */
    static void as(int back, int metadataBack) {
        client = "golden-" + back + "-" + metadataBack;
        topic = client;
        if (admin != null) {
            admin.close();
        }
        admin = Admin.create(settings());
    }

    static Map<String, Object> settings() {
        return new HashMap<>(Map.of("bootstrap.servers", bootstrap, "client.id", client,
            "default.api.timeout.ms", 8000, "request.timeout.ms", 5000,
            "enable.metrics.push", false));
    }

    static void attempt(String what, Call call) {
        try {
            call.call();
        } catch (Exception failed) {
            System.out.println(client + ": " + what + ": " + failed);
        }
    }

    static <T> T wait(KafkaFuture<T> future) throws Exception {
        return future.get(PATIENCE_S, TimeUnit.SECONDS);
    }

    static KafkaProducer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> settings = settings();
        settings.put("max.block.ms", 5000);
        settings.put("delivery.timeout.ms", 8000);
        settings.putAll(more);
        return new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(String... more) {
        Map<String, Object> settings = settings();
        settings.putAll(Map.of("group.id", GROUP, "auto.offset.reset", "earliest",
            "enable.auto.commit", false, "heartbeat.interval.ms", 100,
            "session.timeout.ms", 6000, "fetch.max.wait.ms", 100));
        for (int at = 0; at < more.length; at += 2) {
            settings.put(more[at], more[at + 1]);
        }
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    /** What the later questions are about. */
    static void prepare(KafkaProducer<String, String> open) throws Exception {
        wait(admin.createTopics(List.of(new NewTopic(OPEN, 1, (short) 1))).all());
        open.initTransactions();
        open.beginTransaction();
        open.send(new ProducerRecord<>(OPEN, "key", "aborted")).get();
        open.abortTransaction();
        open.beginTransaction();
        open.send(new ProducerRecord<>(OPEN, "key", "open")).get();
        AlterConfigOp every =
            new AlterConfigOp(new ConfigEntry("interval.ms", "1000"), AlterConfigOp.OpType.SET);
        wait(admin.incrementalAlterConfigs(Map.of(METRICS, List.of(every))).all());
        wait(admin.alterClientQuotas(List.of(new ClientQuotaAlteration(QUOTA,
            List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e9))))).all());
        ScramCredentialInfo scram = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
        wait(admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion("golden-user", scram, "secret"))).all());
    }

    static void topics() {
        NewTopic made =
            new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "7200000"));
        NewTopic placed = new NewTopic(topic + "-placed", Map.of(0, List.of(NODE)));
        attempt("create", () -> wait(admin.createTopics(List.of(made, placed)).all()));
        attempt("create again", () -> wait(admin.createTopics(List.of(made, placed),
            new CreateTopicsOptions().validateOnly(true)).all()));
        attempt("grow", () -> wait(admin.createPartitions(
            Map.of(topic, NewPartitions.increaseTo(3))).all()));
        attempt("list", () -> wait(admin.listTopics().names()));
        attempt("describe", () -> wait(admin.describeTopics(List.of(topic)).allTopicNames()));
        AlterConfigOp hour = new AlterConfigOp(new ConfigEntry("retention.ms", "3600000"),
            AlterConfigOp.OpType.SET);
        ConfigResource named = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        attempt("alter", () -> wait(admin.incrementalAlterConfigs(
            Map.of(named, List.of(hour))).all()));
        attempt("metrics", () -> wait(admin.describeConfigs(List.of(METRICS)).all()));
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, GROUP);
        attempt("group", () -> wait(admin.describeConfigs(List.of(group)).all()));
        attempt("resources", () -> wait(admin.listConfigResources(
            Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all()));
        attempt("all resources", () -> wait(admin.listConfigResources().all()));
    }

    /** Plain ones, and those of the topic with transactions. */
    static void records() {
        TopicPartition first = new TopicPartition(topic, 0);
        attempt("produce", () -> {
            try (KafkaProducer<String, String> sender = producer(Map.of())) {
                for (int at = 0; at < RECORDS; at++) {
                    sender.send(new ProducerRecord<>(topic, 0, "key", "value " + at)).get();
                }
            }
            return null;
        });
        attempt("consume", () -> {
            try (KafkaConsumer<String, String> reader = consumer()) {
                reader.assign(List.of(first));
                // With a leader epoch, so that it asks where that epoch ends.
                reader.seek(first, new OffsetAndMetadata(1, Optional.of(0), ""));
                poll(reader, RECORDS - 1);
                reader.offsetsForTimes(Map.of(first, 0L));
                return reader.endOffsets(List.of(first));
            }
        });
        attempt("read committed", () -> {
            try (KafkaConsumer<String, String> reader =
                consumer("isolation.level", "read_committed")) {
                TopicPartition open = new TopicPartition(OPEN, 0);
                reader.assign(List.of(open));
                reader.seekToBeginning(List.of(open));
                reader.poll(Duration.ofMillis(500));
                return reader.endOffsets(List.of(open));
            }
        });
        for (OffsetSpec spec : List.of(OffsetSpec.latest(), OffsetSpec.maxTimestamp())) {
            attempt("offsets", () -> wait(admin.listOffsets(Map.of(first, spec)).all()));
        }
        attempt("delete records", () -> wait(admin.deleteRecords(
            Map.of(first, RecordsToDelete.beforeOffset(1))).all()));
    }

    static void poll(KafkaConsumer<String, String> reader, int wanted) {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        for (int found = 0; found < wanted && System.nanoTime() < until; ) {
            found += reader.poll(Duration.ofMillis(100)).count();
        }
    }

    static void cluster() {
        TopicPartition first = new TopicPartition(topic, 0);
        attempt("cluster", () -> wait(admin.describeCluster().nodes()));
        attempt("fenced", () -> wait(admin.describeCluster(
            new DescribeClusterOptions().includeFencedBrokers(true)).nodes()));
        attempt("log dirs", () -> wait(admin.describeLogDirs(List.of(NODE)).allDescriptions()));
        attempt("elect", () -> wait(admin.electLeaders(ElectionType.PREFERRED,
            Set.of(first, new TopicPartition("golden-absent", 0))).partitions()));
        attempt("elect unclean", () -> wait(admin.electLeaders(ElectionType.UNCLEAN,
            Set.of(first)).partitions()));
        NewPartitionReassignment here = new NewPartitionReassignment(List.of(NODE));
        attempt("reassign", () -> wait(admin.alterPartitionReassignments(
            Map.of(first, Optional.of(here), new TopicPartition(topic, 1), Optional.empty()))
            .all()));
        attempt("reassignments", () -> wait(admin.listPartitionReassignments(Set.of(first))
            .reassignments()));
        attempt("quorum", () -> wait(admin.describeMetadataQuorum().quorumInfo()));
        for (boolean validate : new boolean[] {false, true}) {
            FeatureUpdate same =
                new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.UPGRADE);
            attempt("features", () -> wait(admin.updateFeatures(Map.of("group.version", same),
                new UpdateFeaturesOptions().validateOnly(validate)).all()));
        }
    }

    static void rights() {
        AclBinding reads = new AclBinding(
            new ResourcePattern(ResourceType.TOPIC, topic, PatternType.PREFIXED),
            new AccessControlEntry("User:golden", "*", AclOperation.READ, AclPermissionType.ALLOW));
        AclBindingFilter filter = reads.toFilter();
        attempt("acl", () -> wait(admin.createAcls(List.of(reads)).all()));
        attempt("acls", () -> wait(admin.describeAcls(filter).values()));
        attempt("no acl", () -> wait(admin.deleteAcls(List.of(filter)).all()));
        attempt("quotas", () -> wait(admin.describeClientQuotas(ClientQuotaFilter.all())
            .entities()));
        attempt("users", () -> wait(admin.describeUserScramCredentials(
            List.of("golden-user", "golden-absent")).all()));
    }

    static void transactions() {
        attempt("transactions", () -> wait(admin.listTransactions().all()));
        attempt("long ones", () -> wait(admin.listTransactions(
            new ListTransactionsOptions().filterOnDuration(1)).all()));
        attempt("patterned", () -> wait(admin.listTransactions(new ListTransactionsOptions()
            .filterOnTransactionalIdPattern("golden.*")).all()));
        attempt("transaction", () -> wait(admin.describeTransactions(List.of("golden-open"))
            .all()));
        attempt("producers", () -> wait(admin.describeProducers(
            List.of(new TopicPartition(OPEN, 0))).all()));
    }

    static void groups() {
        TopicPartition first = new TopicPartition(topic, 0);
        attempt("member", () -> {
            try (KafkaConsumer<String, String> member = consumer()) {
                member.subscribe(List.of(topic));
                // From the second record on, as the first is deleted.
                poll(member, RECORDS - 1);
                OffsetAndMetadata second = new OffsetAndMetadata(2, Optional.of(0), "a note");
                member.commitSync(Map.of(first, second));
                member.committed(Set.of(first));
                attempt("classic", () -> wait(admin.describeClassicGroups(List.of(GROUP)).all()));
                attempt("list", () -> wait(admin.listGroups().all()));
                attempt("stable", () -> wait(admin.listGroups(new ListGroupsOptions()
                    .inGroupStates(Set.of(GroupState.STABLE))).all()));
                attempt("typed", () -> wait(admin.listGroups(new ListGroupsOptions()
                    .withTypes(Set.of(GroupType.CLASSIC))).all()));
                return member.poll(Duration.ofMillis(300)); // so long that it beats
            }
        });
        attempt("offsets", () -> wait(admin.listConsumerGroupOffsets(GROUP)
            .partitionsToOffsetAndMetadata()));
        attempt("alter offsets", () -> wait(admin.alterConsumerGroupOffsets(GROUP,
            Map.of(first, new OffsetAndMetadata(1))).all()));
        attempt("delete offsets", () -> wait(admin.deleteConsumerGroupOffsets(GROUP,
            Set.of(first)).all()));
        attempt("delete group", () -> wait(admin.deleteConsumerGroups(List.of(GROUP)).all()));
    }

    /** One that does not leave by itself. */
    static void staticMember() {
        String name = "golden-static";
        attempt("static member", () -> {
            try (KafkaConsumer<String, String> member = consumer("group.instance.id", name)) {
                member.subscribe(List.of(topic));
                poll(member, RECORDS - 1);
                return wait(admin.describeClassicGroups(List.of(GROUP)).all());
            }
        });
        attempt("remove", () -> wait(admin.removeMembersFromConsumerGroup(GROUP,
            new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove(name)))).all()));
    }

    static void deletion() {
        attempt("delete by id", () -> {
            Uuid id = wait(admin.describeTopics(List.of(topic + "-placed")).allTopicNames())
                .get(topic + "-placed").topicId();
            return wait(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
        });
        attempt("delete", () -> wait(admin.deleteTopics(List.of(topic)).all()));
    }
}
