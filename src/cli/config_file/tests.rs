use super::*;

fn pairs(entries: Result<Vec<Entry>, Mistake>) -> Vec<(String, String, usize)> {
    let entries = entries.expect("it can be read").into_iter();
    let pairs = entries.map(|entry| (entry.key, entry.value, entry.at.line));
    pairs.collect()
}

fn triple(key: &str, value: &str, line: usize) -> (String, String, usize) {
    (key.to_owned(), value.to_owned(), line)
}

#[test]
fn properties_are_read_as_java_reads_them() {
    let text = "# a comment\n! another\n\nlog.dirs = /a,\\\n    /b\nnum.partitions:3\n\
                  listeners PLAINTEXT://:9092\nodd\\=key=a\\tb\\u0041\nempty=\r\nalone\n";

    let expected = [
        triple("log.dirs", "/a,/b", 4),
        triple("num.partitions", "3", 6),
        triple("listeners", "PLAINTEXT://:9092", 7),
        triple("odd=key", "a\tbA", 8),
        triple("empty", "", 9),
        triple("alone", "", 10),
    ];
    assert_eq!(pairs(properties::parse(text)), expected);
}

#[test]
fn toml_is_read_with_tables_joined_and_lists_as_kafka_writes_them() {
    let text = "num-partitions = 3\nauto-create-topics = false\n\n[log]\n\
                retention.ms = 1_000\ndirs = [\"/a\", \"/b\"]\n\
                cleaner.min.cleanable.ratio = 0.25\n";

    let expected = [
        triple("num-partitions", "3", 1),
        triple("auto-create-topics", "false", 2),
        triple("log.retention.ms", "1000", 5),
        triple("log.dirs", "/a,/b", 6),
        triple("log.cleaner.min.cleanable.ratio", "0.25", 7),
    ];
    assert_eq!(pairs(toml_file::parse(text)), expected);
}

#[test]
fn what_is_no_toml_is_told_with_line_and_column() {
    let mistake = |text| toml_file::parse(text).expect_err(text).at;

    assert_eq!(
        mistake("cores = 2\n\nlisten = oops\n"),
        Place {
            line: 3,
            column: 10
        }
    );
    assert_eq!(mistake("cores = 1\ncores = 2\n").line, 2);
    assert_eq!(
        mistake("a = 1\nwhen = 1979-05-27\n"),
        Place { line: 2, column: 8 }
    );
}

fn refusal(entries: Result<Vec<Entry>, Mistake>) -> (usize, String) {
    let applied = entries.and_then(|entries| apply(&entries, &mut BrokerConfig::default()));
    let mistake = applied.expect_err("a mistake");
    (mistake.at.line, mistake.words)
}

#[test]
fn an_unknown_or_impossible_key_names_line_key_and_the_nearest_known_one() {
    let unknown = refusal(properties::parse("\nnum.partition=3\n"));
    let impossible = refusal(properties::parse("compression.type=zstd\n"));
    let out_of_bounds = refusal(toml_file::parse("cores = 2\nnum-partitions = 0\n"));
    let twice = refusal(properties::parse("num.partitions=3\nnum-partitions=4\n"));

    assert_eq!(unknown.0, 2);
    assert!(
        unknown
            .1
            .contains("'num.partition'; did you mean 'num.partitions'?"),
        "{unknown:?}"
    );
    assert!(
        impossible
            .1
            .contains("compression.type=zstd is not possible"),
        "{impossible:?}"
    );
    assert_eq!(out_of_bounds.0, 2);
    assert!(
        out_of_bounds
            .1
            .contains("num.partitions: it must be a Int from 1"),
        "{out_of_bounds:?}"
    );
    assert!(twice.1.contains("line 1 too"), "{twice:?}");
}

#[test]
fn a_kafka_key_without_meaning_is_accepted_with_one_line_that_says_so() {
    let text =
        "num.io.threads=16\nzookeeper.connect=x\nssl.protocol=TLSv1.3\nnum.network.threads=3";
    let entries = properties::parse(text).expect("it can be read");

    let notes = apply(&entries, &mut BrokerConfig::default()).expect("it is accepted");

    let lines: Vec<usize> = notes.iter().map(|(at, _)| at.line).collect();
    // A default that is written out is no news.
    assert_eq!(lines, [1, 2, 3]);
    assert!(
        notes[0].1.starts_with("num.io.threads has no effect"),
        "{notes:?}"
    );
    assert!(
        notes[2].1.starts_with("ssl.protocol has no meaning"),
        "{notes:?}"
    );
}

#[test]
fn byte_counts_take_units_and_other_values_stay_as_they_are() {
    let mut config = BrokerConfig::default();

    set(&mut config, "cache-bytes", "512MiB").expect("a count");
    set(&mut config, "log.dirs", "9k").expect("a name");

    assert_eq!(config.number("cache.bytes"), Some(512 << 20));
    assert_eq!(config.given("log.dirs"), Some("9k"));
}
