use std::path::PathBuf;

use super::*;
use crate::comparison::OWN_CPU;

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results")
}

/// A folder of its own, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("loadgen-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// A preset's JSON as it is committed, changed.
    fn holds(&self, preset: &str, change: impl FnOnce(&mut serde_json::Value)) {
        let name = format!("{preset}.json");
        let text = fs::read_to_string(committed().join(&name)).unwrap();
        let mut json = serde_json::from_str(&text).unwrap();
        change(&mut json);
        fs::write(self.0.join(name), json.to_string()).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_committed_page_is_what_the_committed_runs_say() {
    let page = fs::read_to_string(committed().join("README.md")).unwrap();

    let composed = compose(&committed()).unwrap();

    let pairs = page.lines().zip(composed.lines());
    for (at, (found, expected)) in pairs.enumerate() {
        assert_eq!(
            found,
            expected,
            "line {}: `loadgen results --page-only`",
            at + 1
        );
    }
    assert_eq!(page.lines().count(), composed.lines().count());
}

/// So that the load generator is not what limits a run.
#[test]
fn large_batches_cost_the_load_generator_little_in_the_committed_runs() {
    const CPU_SECONDS_PER_GB_MAX: f64 = 0.4;
    for preset in ["two-million", "two-million-3", "batch-16k", "bulk"] {
        let chapter = Chapter::read(&committed(), preset).unwrap().unwrap();

        let cost = chapter.comparison.values("thalweg", OWN_CPU).unwrap();

        assert!(cost.median <= CPU_SECONDS_PER_GB_MAX, "{preset}: {cost:?}");
    }
}

#[test]
fn a_preset_about_latency_shows_percentiles_and_another_shows_rates() {
    let scratch = Scratch::new("page-shape");
    scratch.holds("one-in-flight", |_| {});
    scratch.holds("bulk", |_| {});

    let page = compose(&scratch.0).unwrap();

    assert!(page.contains("| one-in-flight | p50 us |"), "{page}");
    assert!(page.contains("| bulk | records/s |"), "{page}");
}

#[test]
fn a_preset_that_was_run_again_changes_its_own_rows_and_tells_when() {
    let scratch = Scratch::new("page-again");
    scratch.holds("bulk", |_| {});
    scratch.holds("backlog", |json| {
        json["date"] = "2031-01-01 10:00 UTC".into();
        json["commit"] = "feedbee".into();
        let reports = json["reports"].as_array_mut().unwrap();
        for report in reports
            .iter_mut()
            .filter(|it| it["broker_name"] == "thalweg")
        {
            report["consumed"]["records_per_second"] = 1_234_567.0.into();
        }
    });
    fs::write(scratch.0.join("backlog.md"), "Run again on a whim.\n").unwrap();

    let page = compose(&scratch.0).unwrap();

    let rows = |name: &str| page.contains(&format!("| {name} | records/s |"));
    assert!(rows("bulk") && rows("backlog") && !rows("soak"), "{page}");
    assert!(
        page.contains("| backlog | records/s | 1,234,567 |"),
        "{page}"
    );
    assert!(
        page.contains("2031-01-01 10:00 UTC, commit feedbee"),
        "{page}"
    );
    assert!(
        page.contains("-throughput.svg)\n\nRun again on a whim.\n"),
        "{page}"
    );
}

#[test]
fn a_run_that_does_not_hold_is_shown_and_its_broker_has_no_figures() {
    let scratch = Scratch::new("page-liar");
    scratch.holds("bulk", |json| {
        let reports = json["reports"].as_array_mut().unwrap();
        let lies = reports.iter_mut().find(|it| it["broker_name"] == "kafka");
        let lies = lies.unwrap();
        lies["ledger"]["holds"] = false.into();
        lies["ledger"]["lost"] = 7.into();
        json["troubles"] = vec!["kafka: nobody answers"].into();
    });

    let page = compose(&scratch.0).unwrap();

    let row = page.lines().find(|it| it.starts_with("| bulk | records/s"));
    let row = row.unwrap();
    assert!(row.ends_with("| - | - | - | - |"), "{row}");
    assert!(page.contains("lost 7, duplicated 0"), "{page}");
    assert!(
        page.contains("A run came to nothing: kafka: nobody answers"),
        "{page}"
    );
}

#[test]
fn a_round_that_is_missing_does_not_shift_the_others() {
    let scratch = Scratch::new("page-round");
    scratch.holds("bulk", |json| {
        let reports = json["reports"].as_array_mut().unwrap();
        for (at, report) in reports.iter_mut().enumerate() {
            report["round"] = (at % 3 + 1).into();
            let rate = [100.0, 50.0, 25.0][at % 3];
            report["produced"]["records_per_second"] = rate.into();
        }
        reports.remove(0);
    });

    let page = compose(&scratch.0).unwrap();

    let row = page.lines().find(|it| it.starts_with("| bulk | records/s"));
    assert!(row.unwrap().contains("1.00 [1.00 .. 1.00]"), "{page}");
}
