//! A quiet partition holds no window back, and what it contributes later corrects what was published: promise 1.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use support::{HOUR, Ledger, MINUTE, Random, START, Step, history, key, spec};
use tidegauge_aggregate::cold::ColdKey;
use tidegauge_aggregate::merger::{Merger, MergerState, Publication};
use tidegauge_aggregate::pane::PaneStore;
use tidegauge_aggregate::plan::Plan;
use tidegauge_aggregate::row::MetricRow;
use tidegauge_aggregate::time::{EventTime, Millis};

const FOR_EVER: Millis = 1 << 50;

/// What a merger publishes that sees all of it at once.
fn at_once(plan: &Arc<Plan>, everything: &PaneStore, watermark: EventTime) -> Publication {
    let mut merger = Merger::new(Arc::clone(plan));
    merger.apply(everything);
    merger.publish(watermark)
}

fn run(plan: &Arc<Plan>, steps: &[Step]) -> (Vec<Publication>, Merger) {
    let mut merger = Merger::new(Arc::clone(plan));
    let mut publications = Vec::new();
    for step in steps {
        match step {
            Step::Apply(delta) => merger.apply(delta),
            Step::Publish(watermark) => publications.push(merger.publish(*watermark)),
        }
    }
    (publications, merger)
}

fn random_spec(random: &mut Random, horizon: Millis) -> Arc<Plan> {
    let (max_groups, k) = (random.pick(&[2, 3, 5, 1_000]), random.pick(&[16, 65_536]));
    Arc::new(Plan::new(spec(horizon, max_groups, k)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// After every publication, what stands is what a run would have published that waited for every partition; and no row was published
    /// that had not changed (see `Ledger::enter`).
    #[test]
    fn what_stands_is_always_what_a_run_without_idle_partitions_gives(seed: u64) {
        let mut random = Random(seed);
        let plan = random_spec(&mut random, FOR_EVER);
        let mut merger = Merger::new(Arc::clone(&plan));
        let mut ledger = Ledger::default();
        let mut everything = PaneStore::default();
        for step in history(&plan, &mut random) {
            match step {
                Step::Apply(delta) => {
                    merger.apply(&delta);
                    everything.merge(&delta, plan.spec.max_groups);
                }
                Step::Publish(watermark) => {
                    ledger.enter(&merger.publish(watermark));
                    prop_assert!(!merger.has_corrections());
                    if watermark != EventTime::MAX && !random.chance(30) {
                        continue;
                    }
                    let expected = at_once(&plan, &everything, merger.published_watermark());
                    let expected: BTreeMap<_, _> = expected.rows.into_iter().map(|r| (key(&r), r)).collect();
                    prop_assert_eq!(ledger.standing(), expected);
                }
            }
        }
        prop_assert_eq!(merger.beyond_horizon(), 0);
    }

    /// Nobody can tell from the publications where the process was stopped, how often checkpoints were made, and which panes were elsewhere.
    #[test]
    fn restarts_and_cold_panes_change_no_publication(seed: u64, horizon in 1_i64..5) {
        let mut random = Random(seed);
        let plan = random_spec(&mut random, horizon * HOUR);
        let steps = history(&plan, &mut random);
        let (expected, steady) = run(&plan, &steps);
        let (published, process) = run_with_interruptions(&plan, &steps, &mut random);
        prop_assert_eq!(&published, &expected);
        prop_assert_eq!(process.merger.beyond_horizon(), steady.beyond_horizon());
    }
}

fn run_with_interruptions(plan: &Arc<Plan>, steps: &[Step], random: &mut Random) -> (Vec<Publication>, Process) {
    let mut published = Vec::new();
    let mut process = Process::new(plan);
    for step in steps {
        if random.chance(40) {
            process.checkpoint();
        }
        if random.chance(15) {
            process.restart(plan);
        }
        if let Step::Apply(delta) = step {
            process.apply(delta);
        }
        if let Step::Publish(watermark) = step {
            published.push(process.merger.publish(*watermark));
        }
        process.since.push(step.clone());
    }
    (published, process)
}

/// A merger with the files that its checkpoints name.
struct Process {
    merger: Merger,
    checkpoint: Option<Vec<u8>>,
    files: BTreeMap<ColdKey, PaneStore>,
    /// What came after the checkpoint.
    since: Vec<Step>,
    taken: usize,
    given_back: usize,
    restarts_with_corrections: usize,
}

impl Process {
    fn new(plan: &Arc<Plan>) -> Process {
        Process {
            merger: Merger::new(Arc::clone(plan)),
            checkpoint: None,
            files: BTreeMap::new(),
            since: Vec::new(),
            taken: 0,
            given_back: 0,
            restarts_with_corrections: 0,
        }
    }

    fn apply(&mut self, delta: &PaneStore) {
        for key in self.merger.cold_needed(delta) {
            self.merger.give_back(key, self.files[&key].clone());
            self.given_back += 1;
        }
        self.merger.apply(delta);
    }

    fn checkpoint(&mut self) {
        for part in self.merger.take_cold() {
            self.taken += 1;
            if part.changed || !self.files.contains_key(&part.key) {
                self.files.insert(part.key, part.panes);
            }
        }
        let named: Vec<ColdKey> = self.merger.cold().collect();
        self.files.retain(|key, _| named.contains(key));
        self.checkpoint = Some(postcard::to_stdvec(&self.merger.state()).unwrap());
        self.since.clear();
    }

    fn restart(&mut self, plan: &Arc<Plan>) {
        self.restarts_with_corrections += usize::from(self.merger.has_corrections());
        self.merger = match &self.checkpoint {
            Some(bytes) => {
                let state: MergerState<'_> = postcard::from_bytes(bytes).unwrap();
                Merger::restore(Arc::clone(plan), state).unwrap()
            }
            None => Merger::new(Arc::clone(plan)),
        };
        for step in std::mem::take(&mut self.since) {
            match &step {
                Step::Apply(delta) => self.apply(delta),
                Step::Publish(watermark) => self.merger.skip_to(*watermark),
            }
            self.since.push(step);
        }
    }
}

/// The property tests above would prove little if corrections never did these things.
#[test]
fn random_histories_correct_in_every_way() {
    let (mut vanished, mut appeared, mut highest) = (0, 0, 0);
    let (mut taken, mut given_back, mut restarts_with_corrections) = (0, 0, 0);
    let mut corrected: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..8 {
        let mut random = Random(seed);
        let plan = Arc::new(Plan::new(spec(FOR_EVER, random.pick(&[3, 1_000]), 65_536)));
        let steps = history(&plan, &mut random);
        let process = run_with_interruptions(&plan, &steps, &mut random).1;
        taken += process.taken;
        given_back += process.given_back;
        restarts_with_corrections += process.restarts_with_corrections;
        for publication in run(&plan, &steps).0 {
            let fresh = |row: &MetricRow| {
                publication
                    .windows
                    .iter()
                    .any(|w| w.window == row.window && row.window_end > w.after)
            };
            for row in &publication.rows {
                appeared += usize::from(row.revision == 0 && !fresh(row));
                vanished += usize::from(row.value.is_none());
                highest = highest.max(row.revision);
                if row.revision > 0 {
                    *corrected.entry(row.metric).or_default() += 1;
                }
            }
        }
    }
    assert!(taken > 10 && given_back > 10, "{taken} cold parts taken, {given_back} given back");
    assert!(restarts_with_corrections > 0);
    assert!(vanished > 10 && appeared > 100, "{vanished} vanished, {appeared} appeared");
    assert!(highest >= 2, "highest revision {highest}");
    for metric in [
        "retention_ratio",
        "spike_excess",
        "consistency_gap",
        "contact_friction_lift",
        "journey_runs",
        "revenue",
    ] {
        assert!(corrected.contains_key(metric), "{metric} was never corrected: {corrected:?}");
    }
}

mod by_hand {
    use support::{Draft, feed};
    use tidegauge_aggregate::event::{Body, Common, Event};
    use tidegauge_aggregate::partition::PartitionState;

    use super::*;

    fn at(minutes: Millis) -> EventTime {
        EventTime(START + minutes * MINUTE)
    }

    fn event<'a>(time: EventTime, user: &'a str, product: &'a str, body: Body<'a>) -> Event<'a> {
        let mut common = [None; 6];
        common[Common::Product as usize] = Some(product);
        Event {
            time,
            event_id: None,
            user_id: Some(user),
            session_id: None,
            common,
            attributes: &[],
            body,
        }
    }

    fn start(attempt_id: &str) -> Body<'_> {
        Body::TaskStarted { task: "pay", attempt_id }
    }

    fn delta(plan: &Arc<Plan>, events: &[Event<'_>]) -> PaneStore {
        let mut state = PartitionState::new(Arc::clone(plan));
        for event in events {
            state.apply(None, 0, event, &mut |_| ());
        }
        state.take_delta()
    }

    fn plan(horizon: Millis) -> Arc<Plan> {
        Arc::new(Plan::new(spec(horizon, 1_000, 65_536)))
    }

    fn revisions(publication: &Publication, metric: &str, window: usize) -> Vec<(Millis, Option<f64>, u32)> {
        let rows = publication
            .rows
            .iter()
            .filter(|r| r.metric == metric && r.window == window && r.grouping == 0);
        rows.map(|r| ((r.window_end.0 - START) / MINUTE, r.value, r.revision)).collect()
    }

    #[test]
    fn repeated_corrections_count_up_and_leave_the_other_windows_alone() {
        let plan = plan(FOR_EVER);
        let mut merger = Merger::new(Arc::clone(&plan));
        merger.apply(&delta(
            &plan,
            &[
                event(at(1), "ann", "app", Body::SignedUp),
                event(at(2), "ann", "app", Body::SignedUp),
            ],
        ));
        let first = merger.publish(at(30));
        assert_eq!(revisions(&first, "users", 0), [(2, Some(1.0), 0), (3, Some(1.0), 0)]);
        for revision in 1..4 {
            let user = format!("user {revision}");
            merger.apply(&delta(&plan, &[event(at(1), &user, "app", Body::SignedUp)]));
            let again = merger.publish(at(30));
            assert!(again.windows.is_empty(), "no window is published a second time as a whole");
            assert_eq!(revisions(&again, "users", 0), [(2, Some(f64::from(revision) + 1.0), revision)]);
        }
        // Without anything new there is nothing to say.
        assert!(merger.publish(at(30)).rows.is_empty());
    }

    #[test]
    fn a_timer_that_the_next_event_lets_fire_corrects_what_was_published_without_it() {
        let plan = plan(FOR_EVER);
        let mut quiet = PartitionState::new(Arc::clone(&plan));
        let mut merger = Merger::new(Arc::clone(&plan));
        quiet.apply(None, 0, &event(at(0), "ann", "app", start("a1")), &mut |_| ());
        merger.apply(&quiet.take_delta());
        // The others are at minute 90, and this partition is idle.
        merger.apply(&delta(&plan, &[event(at(90), "bob", "app", Body::SignedUp)]));
        let first = merger.publish(at(90));
        assert!(revisions(&first, "task_attempts", 0).is_empty());
        // Only the timer at minute 20 contributes to what was published, as an abandonment.
        quiet.apply(None, 1, &event(at(91), "ann", "app", Body::SignedUp), &mut |_| ());
        merger.apply(&quiet.take_delta());
        let second = merger.publish(at(91));
        assert_eq!(revisions(&second, "task_attempts", 0), [(21, Some(1.0), 0)]);
        assert_eq!(revisions(&second, "task_abandonment_ratio", 0), [(21, Some(1.0), 0)]);
    }

    #[test]
    fn a_group_that_falls_under_the_cut_is_taken_back_and_may_return_as_the_rest() {
        let plan = Arc::new(Plan::new(spec(FOR_EVER, 1, 65_536)));
        let mut products: Vec<&str> = vec!["app", "site", "till", "kiosk"];
        products.sort_by_key(|p| tidegauge_aggregate::pane::group_hash(&[Some(Arc::from(*p))]));
        let (lowest, highest) = (products[0], products[3]);
        let mut merger = Merger::new(Arc::clone(&plan));
        merger.apply(&delta(&plan, &[event(at(1), "ann", highest, Body::SignedUp)]));
        merger.publish(at(30));
        merger.apply(&delta(&plan, &[event(at(1), "ann", lowest, Body::SignedUp)]));
        let again = merger.publish(at(30));
        let users: Vec<_> = again
            .rows
            .iter()
            .filter(|r| r.metric == "users" && r.window == 0 && r.grouping == 1)
            .collect();
        let named = |name: &str| {
            users
                .iter()
                .find(|r| r.group[0].as_deref() == Some(name))
                .map(|r| (r.value, r.n, r.revision))
        };
        assert_eq!(named(highest), Some((None, 0, 1)));
        assert_eq!(named(lowest), Some((Some(1.0), 1, 0)));
        assert_eq!(named("__other__"), Some((Some(1.0), 1, 0)));
    }

    #[test]
    fn a_correction_reaches_the_windows_that_compare_themselves_with_the_one_it_changes() {
        let plan = plan(FOR_EVER);
        let mut merger = Merger::new(Arc::clone(&plan));
        let active = |t, user, id| event(t, user, "app", start(id));
        merger.apply(&delta(
            &plan,
            &[active(at(5), "ann", "1"), active(at(35), "ann", "2"), active(at(36), "bob", "3")],
        ));
        let first = merger.publish(at(200));
        assert!(revisions(&first, "retention_ratio", 2).contains(&(60, Some(1.0), 0)), "{first:?}");
        // Cid was there in the first half hour only: of its users one in two stayed.
        merger.apply(&delta(&plan, &[active(at(6), "cid", "4")]));
        let second = merger.publish(at(200));
        assert!(revisions(&second, "retention_ratio", 2).contains(&(60, Some(0.5), 1)), "{second:?}");
        assert!(
            revisions(&second, "users", 2).iter().all(|(end, ..)| *end <= 30),
            "users of the second half hour stay as they are"
        );
    }

    #[test]
    fn a_changed_baseline_corrects_the_spike() {
        let plan = plan(FOR_EVER);
        let mut merger = Merger::new(Arc::clone(&plan));
        let finish = |t: Millis, n: usize, failed: usize| -> Vec<Draft> {
            let mut random = Random(1);
            (0..n).map(|i| Draft::finished(&mut random, at(t), i >= failed)).collect()
        };
        let apply = |merger: &mut Merger, events: &[Draft]| {
            let mut state = PartitionState::new(Arc::clone(&plan));
            feed(&mut state, events);
            merger.apply(&state.take_delta());
        };
        apply(&mut merger, &finish(10, 40, 2));
        apply(&mut merger, &finish(31, 20, 10));
        let spike = |p: &Publication| {
            let failing =
                |r: &&MetricRow| r.metric == "spike_excess" && r.label.as_deref() == Some("task_failure_ratio") && r.grouping == 0;
            let row = p.rows.iter().filter(failing).find(|r| r.window_end == at(35));
            row.map(|r| (r.value, r.revision))
        };
        assert_eq!(spike(&merger.publish(at(60))), Some((Some(0.5 - 0.05), 0)));
        apply(&mut merger, &finish(11, 40, 38));
        assert_eq!(spike(&merger.publish(at(60))), Some((Some(0.5 - 0.5), 1)));
    }

    #[test]
    fn beyond_the_horizon_contributions_are_only_counted() {
        let plan = plan(HOUR);
        let mut merger = Merger::new(Arc::clone(&plan));
        merger.apply(&delta(
            &plan,
            &[
                event(at(1), "ann", "app", Body::SignedUp),
                event(at(530), "ann", "app", Body::SignedUp),
            ],
        ));
        merger.publish(at(600));
        merger.apply(&delta(&plan, &[event(at(1), "bob", "app", Body::SignedUp)]));
        assert!(!merger.has_corrections());
        assert!(merger.publish(at(600)).rows.is_empty());
        // Minute 1 is in one window of 1m, five of 5m, three of 30m and two of 2h.
        assert_eq!(merger.beyond_horizon(), 11);
        // What is within the horizon is corrected as ever.
        merger.apply(&delta(&plan, &[event(at(560), "bob", "app", Body::SignedUp)]));
        assert_eq!(revisions(&merger.publish(at(600)), "users", 0), [(561, Some(1.0), 0)]);
        assert_eq!(merger.beyond_horizon(), 11);
    }
}
