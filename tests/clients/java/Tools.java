import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

import org.apache.kafka.common.utils.Exit;

/**
 * Apache's own command line tools, one after the other in one virtual machine (each start of one
 * costs seconds), every output checked.
 *
 * Tools.java BOOTSTRAP [PART...]; without parts, all of them.
 */
public class Tools {
    static final String TOPIC = "tools-" + ProcessHandle.current().pid();
    static final String TOOLS = "org.apache.kafka.tools.";
    static String bootstrap;

    interface Part {
        void run() throws Exception;
    }

    record Named(String name, Part part) {}

    static final List<Named> PARTS = List.of(
        new Named("topics", Tools::topics),
        new Named("described", Tools::described),
        new Named("console", Tools::console),
        new Named("performance", Tools::performance),
        new Named("offsets", Tools::offsets),
        new Named("cluster", Tools::cluster),
        new Named("verifiable-producer", Tools::verifiableProducer),
        new Named("configs", Tools::configs),
        new Named("broker-configs", Tools::brokerConfigs),
        new Named("loggers", Tools::loggers),
        new Named("partitions", Tools::partitions),
        new Named("records", Tools::records),
        new Named("log-dirs", Tools::logDirs),
        new Named("latency", Tools::latency),
        new Named("groups", Tools::groups),
        new Named("consumer-performance", Tools::consumerPerformance),
        new Named("verifiable-consumer", Tools::verifiableConsumer),
        new Named("deletion", Tools::deletion));

    static void topics() throws Exception {
        topic("--create", "--topic", TOPIC, "--partitions", "3", "--replication-factor", "1",
            "--config", "retention.ms=7200000").says("Created topic " + TOPIC);
        topic("--create", "--topic", TOPIC).fails("exists");
        topic("--create", "--topic", TOPIC, "--if-not-exists").saysNothing();
        topic("--create", "--topic", "a b").fails("(?i)invalid");
        topic("--list").says(TOPIC);
    }

    static void described() throws Exception {
        topic("--describe", "--topic", TOPIC).says("PartitionCount: 3").says("ReplicationFactor: 1")
            .says("retention.ms=7200000").says("Partition: 2\\s+Leader: \\d+");
    }

    static void console() throws Exception {
        String lines = "";
        for (int at = 0; at < 100; at++) {
            lines += "key" + at + ":value " + at + "\n";
        }
        tool(TOOLS + "ConsoleProducer").with("--topic", TOPIC, "--property", "parse.key=true",
            "--property", "key.separator=:").input(lines).run().saysNothing();
        String found = "";
        Matcher ends = ends();
        while (ends.find()) {
            found += tool(TOOLS + "consumer.ConsoleConsumer").with("--topic", TOPIC, "--partition",
                ends.group(1), "--offset", "earliest", "--max-messages", ends.group(2),
                "--timeout-ms", "30000", "--property", "print.key=true").run().text();
        }
        for (int at = 0; at < 100; at++) {
            check(found.contains("key" + at + "\tvalue " + at + "\n"),
                "no record " + at + " in " + found);
        }
    }

    static void performance() throws Exception {
        tool(TOOLS + "ProducerPerformance").alone("--topic", TOPIC, "--num-records", "20000",
            "--record-size", "100", "--throughput", "-1", "--producer-props",
            "bootstrap.servers=" + bootstrap, "acks=all").run().says("20000 records sent");
    }

    static void latency() throws Exception {
        tool(TOOLS + "EndToEndLatency").alone(bootstrap, TOPIC + "-latency", "200", "all", "100")
            .run().says("Avg latency")
            .says("99th");
    }

    static void offsets() throws Exception {
        int records = 0;
        Matcher ends = ends();
        while (ends.find()) {
            records += Integer.parseInt(ends.group(2));
        }
        check(records == 20100, records + " records, not 20100");
        for (String time : List.of("earliest", "-3", "0")) {
            tool(TOOLS + "GetOffsetShell").with("--topic", TOPIC, "--time", time).run()
                .says(TOPIC + ":2:\\d+");
        }
    }

    /** Partition and end offset of all that have records. */
    static Matcher ends() throws Exception {
        String offsets = tool(TOOLS + "GetOffsetShell").with("--topic", TOPIC).run().text();
        return Pattern.compile(TOPIC + ":(\\d+):([1-9]\\d*)").matcher(offsets);
    }

    static void cluster() throws Exception {
        tool(TOOLS + "BrokerApiVersionsCommand").with().run().says("Produce\\(0\\): 0 to 13")
            .says("Metadata\\(3\\): 0 to 13").says("DescribeCluster");
        tool(TOOLS + "ClusterTool").alone("cluster-id", "--bootstrap-server", bootstrap).run()
            .says("Cluster ID: \\S+");
    }

    static void verifiableProducer() throws Exception {
        tool(TOOLS + "VerifiableProducer").with("--topic", TOPIC + "-verifiable", "--max-messages",
            "500").runApart().says("\"sent\":500").says("\"acked\":500");
    }

    static void configs() throws Exception {
        String[] of = {"--entity-type", "topics", "--entity-name", TOPIC};
        config(of, "--describe").says("retention.ms=7200000");
        config(of, "--describe", "--all").says("cleanup.policy=delete").says("segment.bytes=");
        config(of, "--alter", "--add-config", "retention.ms=3600000,max.message.bytes=500000")
            .says("Completed updating config");
        config(of, "--describe").says("retention.ms=3600000").says("max.message.bytes=500000");
        config(of, "--alter", "--delete-config", "max.message.bytes")
            .says("Completed updating config for topic " + TOPIC);
        config(of, "--describe").says("retention.ms=3600000").lacks("max.message.bytes=500000");
        config(of, "--alter", "--add-config", "retention.ms=soon").fails("(?i)invalid");
        String[] brokers = {"--entity-type", "brokers", "--entity-name", broker()};
        config(brokers, "--describe", "--all").says("num.partitions=").says("log.dirs=");
    }

    /** Configs of the running broker: its own, those of all, and those that can not change. */
    static void brokerConfigs() throws Exception {
        String[] own = {"--entity-type", "brokers", "--entity-name", broker()};
        String[] all = {"--entity-type", "brokers", "--entity-default"};
        config(all, "--alter", "--add-config", "message.max.bytes=2000000")
            .says("Completed updating default config for brokers");
        config(own, "--alter", "--add-config", "message.max.bytes=3000000,log.retention.ms=7000000")
            .says("Completed updating config for broker " + broker());
        config(all, "--describe").says("message.max.bytes=2000000");
        config(own, "--describe")
            .says("message.max.bytes=3000000 sensitive=false synonyms=\\{"
                + "DYNAMIC_BROKER_CONFIG:message.max.bytes=3000000, "
                + "DYNAMIC_DEFAULT_BROKER_CONFIG:message.max.bytes=2000000, ")
            .says("log.retention.ms=7000000");
        String[] topic = {"--entity-type", "topics", "--entity-name", TOPIC};
        config(topic, "--describe", "--all")
            .says("max.message.bytes=3000000 .*DYNAMIC_BROKER_CONFIG:message.max.bytes=3000000");
        config(own, "--alter", "--add-config", "num.partitions=3")
            .fails("(?i)cannot update these configs dynamically");
        config(all, "--alter", "--add-config", "log.retention.ms=soon").fails("(?i)invalid");
        config(own, "--alter", "--delete-config", "message.max.bytes,log.retention.ms")
            .says("Completed updating config for broker " + broker());
        config(all, "--alter", "--delete-config", "message.max.bytes")
            .says("Completed updating default config for brokers");
        for (String[] of : List.of(own, all)) {
            config(of, "--describe").says("(?i)configs for").lacks("message.max.bytes");
        }
    }

    /** What the running broker logs. */
    static void loggers() throws Exception {
        String[] own = {"--entity-type", "broker-loggers", "--entity-name", broker()};
        String name = "thalweg.shard.tick";
        config(own, "--describe").says("(?m)^ +root=INFO sensitive=false synonyms=\\{\\}")
            .says(name + "=INFO");
        config(own, "--alter", "--add-config", name + "=TRACE,root=WARN")
            .says("Completed updating config for broker-logger " + broker());
        config(own, "--describe").says("root=WARN").says(name + "=TRACE")
            .says("thalweg.shard.stop=WARN");
        config(own, "--alter", "--delete-config", name)
            .says("Completed updating config for broker-logger " + broker());
        config(own, "--describe").says(name + "=WARN");
        config(own, "--alter", "--add-config", "root=LOUD").fails("not a supported log level");
        config(own, "--alter", "--delete-config", "root").fails("root logger is not allowed");
        config(own, "--alter", "--add-config", "no.such=INFO").fails("(?i)no.such");
        config(own, "--alter", "--add-config", "root=INFO").says("Completed updating config");
    }

    static void partitions() throws Exception {
        topic("--alter", "--topic", TOPIC, "--partitions", "5").saysNothing();
        topic("--describe", "--topic", TOPIC).says("PartitionCount: 5");
        topic("--alter", "--topic", TOPIC, "--partitions", "2").fails("(?i)partitions");
    }

    static void records() throws Exception {
        Path file = Files.createTempFile("delete-records", ".json");
        Files.writeString(file, "{\"version\": 1, \"partitions\": [{\"topic\": \"" + TOPIC
            + "\", \"partition\": 0, \"offset\": 3}]}");
        tool(TOOLS + "DeleteRecordsCommand").with("--offset-json-file", file.toString()).run()
            .says("low_watermark: 3");
        Files.delete(file);
        tool(TOOLS + "GetOffsetShell").with("--topic", TOPIC, "--time", "earliest").run()
            .says(TOPIC + ":0:3");
    }

    static void logDirs() throws Exception {
        tool(TOOLS + "LogDirsCommand").with("--describe", "--topic-list", TOPIC).run()
            .says("\"partition\":\"" + TOPIC + "-0\"");
    }

    static void groups() throws Exception {
        String group = TOPIC + "-group";
        tool(TOOLS + "consumer.ConsoleConsumer").with("--topic", TOPIC, "--group", group,
            "--from-beginning", "--max-messages", "50", "--timeout-ms", "30000").run()
            .says("Processed a total of 50 messages");
        tool(TOOLS + "consumer.ConsoleConsumer").with("--include", TOPIC + "-verif.*",
            "--from-beginning", "--max-messages", "5", "--timeout-ms", "30000").run()
            .says("Processed a total of 5 messages");
        group("--list").says(group);
        group("--describe", "--group", group).says(TOPIC).says("(?i)LAG");
        group("--describe", "--group", group, "--state").says("Empty");
        group("--describe", "--group", group, "--members").says("has no active members");
        group("--reset-offsets", "--group", group, "--topic", TOPIC, "--to-earliest", "--execute")
            .says(TOPIC);
        group("--delete-offsets", "--group", group, "--topic", TOPIC)
            .says("Request succeed").says(TOPIC + "\\s+0\\s+Successful");
        group("--delete", "--group", group).says("was successful");
        group("--describe", "--group", group).complains("not found");
    }

    static void consumerPerformance() throws Exception {
        tool(TOOLS + "ConsumerPerformance").with("--topic", TOPIC, "--messages", "20000",
            "--timeout", "60000").run().says("MB.sec").says("\\d{4}-\\d{2}-\\d{2}");
    }

    static void verifiableConsumer() throws Exception {
        tool(TOOLS + "VerifiableConsumer").with("--topic", TOPIC + "-verifiable", "--group-id",
            TOPIC + "-verified", "--max-messages", "500", "--reset-policy", "earliest").runApart()
            .says("partitions_assigned").says("records_consumed").says("offsets_committed");
    }

    static void deletion() throws Exception {
        topic("--delete", "--topic", TOPIC).saysNothing();
        topic("--list").lacks("(?m)^" + TOPIC + "$");
        topic("--delete", "--topic", TOPIC).fails("does not exist");
    }

    static Result topic(String... arguments) throws Exception {
        return tool(TOOLS + "TopicCommand").with(arguments).run();
    }

    static Result config(String[] of, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of(of));
        all.addAll(List.of(arguments));
        return tool("kafka.admin.ConfigCommand").with(all.toArray(new String[0])).run();
    }

    static Result group(String... arguments) throws Exception {
        return tool(TOOLS + "consumer.group.ConsumerGroupCommand").with(arguments).run();
    }

    static String broker() throws Exception {
        String nodes = tool(TOOLS + "BrokerApiVersionsCommand").with().run().text();
        // A node's own id ends so; its other shards' ids are none of the cluster's nodes.
        Matcher id = Pattern.compile("\\(id: (\\d*000)").matcher(nodes);
        check(id.find(), "no node's id in " + nodes);
        return id.group(1);
    }

    // Machinery.

    /** What a tool first asked to end with: some catch what we throw, and then ask for 1. */
    static Integer exitCode;

    static final class Ended extends Error {
        Ended() {
            super("", null, false, false);
        }
    }

    static void end(int code, String message) {
        if (exitCode == null) {
            exitCode = code;
        }
        throw new Ended();
    }

    static final List<Runnable> hooks = new ArrayList<>();

    static void runHook(Runnable hook) {
        try {
            hook.run();
        } catch (Ended ended) {
            // It asked for the end that it has.
        }
    }

    static Tool tool(String name) {
        return new Tool(name);
    }

    static final class Tool {
        private final String name;
        private String[] arguments = {};
        private String input = "";

        Tool(String name) {
            this.name = name;
        }

        /** With the broker's address first. */
        Tool with(String... more) {
            List<String> all = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
            all.addAll(List.of(more));
            arguments = all.toArray(new String[0]);
            return this;
        }

        Tool alone(String... all) {
            arguments = all;
            return this;
        }

        Tool input(String text) {
            input = text;
            return this;
        }

        /** In a virtual machine of its own, for one that does its last work at the end of it. */
        Result runApart() throws Exception {
            List<String> command = new ArrayList<>(List.of(
                System.getProperty("java.home") + "/bin/java", "-Xmx128m",
                "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), name));
            command.addAll(List.of(arguments));
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            CompletableFuture.delayedExecutor(60, TimeUnit.SECONDS).execute(process::destroyForcibly);
            byte[] said = process.getInputStream().readAllBytes();
            String text = new String(said, StandardCharsets.UTF_8);
            return new Result(String.join(" ", command), process.waitFor(), text);
        }

        Result run() throws Exception {
            ByteArrayOutputStream said = new ByteArrayOutputStream();
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            output.target = said;
            exitCode = null;
            int thrownCode = 0;
            try {
                Class.forName(name).getMethod("main", String[].class)
                    .invoke(null, (Object) arguments);
            } catch (InvocationTargetException thrown) {
                if (!(thrown.getCause() instanceof Ended)) {
                    thrownCode = 1;
                    said.writeBytes(("" + thrown.getCause()).getBytes(StandardCharsets.UTF_8));
                }
            } finally {
                output.target = null;
            }
            // Some send or close only in these. One that waits for its tool's end has it.
            List<Runnable> mine = List.copyOf(hooks);
            hooks.clear();
            output.target = said;
            mine.forEach(Tools::runHook);
            output.target = null;
            int code = exitCode == null ? thrownCode : exitCode;
            String text = said.toString(StandardCharsets.UTF_8);
            return new Result(name + " " + String.join(" ", arguments), code, text);
        }
    }

    /** What was run and nobody has looked at yet: a part that leaves some of it has failed. */
    static final List<Result> unseen = new ArrayList<>();

    static final class Result {
        private final String command;
        private final int code;
        private final String output;

        Result(String command, int code, String output) {
            this.command = command;
            this.code = code;
            // What ended the tool is ours; some print whatever they catch.
            String ours = Pattern.quote(Ended.class.getName());
            this.output = output.replaceAll("(?m)^" + ours + ".*$", "");
            unseen.add(this);
        }

        /** What it said, if it ended well. */
        String text() {
            unseen.remove(this);
            check(code == 0, command + " ended with " + code + ": " + output);
            return output;
        }

        Result says(String pattern) {
            check(finds(pattern, text()), command + " did not say " + pattern + ", but: " + output);
            return this;
        }

        Result lacks(String pattern) {
            check(!finds(pattern, text()), command + " said " + pattern + ": " + output);
            return this;
        }

        void saysNothing() {
            check(text().isBlank(), command + " should have said nothing, but: " + output);
        }

        void fails(String pattern) {
            check(code != 0, command + " was to fail, and ended well: " + output);
            refuses(pattern);
        }

        /** As `fails`, for a tool of Apache's that ends with 0 whatever went wrong. */
        void complains(String pattern) {
            check(code == 0, command + " ends with " + code + " now: let it fail");
            refuses(pattern);
        }

        private void refuses(String pattern) {
            unseen.remove(this);
            check(finds(pattern, output),
                command + " did not refuse with " + pattern + ", but: " + output);
        }

        private static boolean finds(String pattern, String text) {
            return Pattern.compile(pattern).matcher(text).find();
        }
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }

    /** Some tools keep the stream that they find first: it must stay the same one. */
    static final class Switch extends OutputStream {
        volatile OutputStream target;

        @Override
        public void write(int b) {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int length) {
            if (target instanceof ByteArrayOutputStream buffer) {
                buffer.write(bytes, from, length);
            }
        }
    }

    static final Switch output = new Switch();

    public static void main(String[] arguments) {
        PrintStream own = System.out;
        System.setOut(new PrintStream(output, true));
        System.setErr(new PrintStream(output, true));
        Exit.setExitProcedure(Tools::end);
        Exit.setHaltProcedure(Tools::end);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        bootstrap = arguments[0];
        List<String> wanted = List.of(arguments).subList(1, arguments.length);
        for (Named part : PARTS) {
            if (!wanted.isEmpty() && !wanted.contains(part.name)) {
                continue;
            }
            long began = System.nanoTime();
            try {
                part.part.run();
                check(unseen.isEmpty(), "nobody looked at what these said: "
                    + unseen.stream().map(result -> result.command).toList());
            } catch (Throwable problem) {
                own.println("tools: FAILED: " + part.name + ": " + problem);
                problem.printStackTrace(own);
                Runtime.getRuntime().halt(1);
            }
            double seconds = (System.nanoTime() - began) / 1e9;
            own.printf("tools: %s: ok (%.1f s)%n", part.name, seconds);
        }
        own.println("tools: PASSED");
        // Shutdown hooks of the tools must not hold us back.
        Runtime.getRuntime().halt(0);
    }
}
