//! Random small logs and specifications that are nasty on purpose: times around every edge, few ids, much repetition.

use tidegauge_aggregate::spec::{Dimension, Grouping, Journey, Spec, Spike, Window};

use super::random_event::{TASKS, Writer};
use super::{Log, RefRecord};

/// SplitMix64: a seed gives the same case everywhere and for ever.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In `[0, bound)`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// In `[low, high]`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as u64) as i64
    }

    /// True in `percent` of the cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize].clone()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// A specification and a log for it.
#[derive(Clone, Debug)]
pub struct Case {
    pub seed: u64,
    pub spec: Spec,
    pub log: Log,
}

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let dense = random.chance(25);
    let spec = spec(&mut random, dense);
    let log = log(&mut random, &spec, dense);
    Case { seed, spec, log }
}

const SECOND: i64 = 1_000;

/// A valid specification with small windows, short memories and whatever groupings; for dense logs such that groups are large.
pub fn spec(random: &mut Random, dense: bool) -> Spec {
    let groupings = groupings(random, dense);
    let windows = windows(random, groupings.len());
    let spike = random.chance(70).then(|| {
        let window = random.below(windows.len() as u64) as usize;
        Spike {
            window,
            baseline: windows[window].size * random.range(1, 6),
        }
    });
    Spec {
        lateness: random.pick(&[0, 1, SECOND, 10 * SECOND, 30 * SECOND, 120 * SECOND]),
        max_future_skew: random.pick(&[0, 5 * SECOND, 300 * SECOND]),
        max_record_bytes: random.pick(&[600, 1 << 20]),
        attempt_timeout: random.pick(&[1, 5 * SECOND, 20 * SECOND, 60 * SECOND]),
        ticket_retention: random.pick(&[SECOND, 20 * SECOND, 300 * SECOND, 30 * 86_400 * SECOND]),
        first_response_target: random.pick(&[0, 5 * SECOND, 20 * SECOND]),
        resolution_target: random.pick(&[10 * SECOND, 40 * SECOND]),
        apdex_threshold: random.pick(&[100, 500]),
        gross_margin: random.pick(&[1.0, 0.4, 0.0]),
        journeys: journeys(random),
        groupings,
        windows,
        spike,
        ..Spec::default()
    }
}

fn groupings(random: &mut Random, dense: bool) -> Vec<Grouping> {
    let mut pool = vec![
        "",
        "product",
        "platform",
        "channel",
        "task",
        "touchpoint",
        "product+task",
        "product+platform",
        "platform+product+task",
        "task+touchpoint",
        "product+touchpoint",
        "channel+product",
        "version+segment",
        "country",
        "attributes.plan",
        "attributes.size+product",
        "task+attributes.plan",
    ];
    random.shuffle(&mut pool);
    pool.truncate(random.range(2, 7) as usize);
    let always: &[&str] = match dense {
        true => &["", "platform", "channel", "product", "platform+product"],
        false if random.chance(70) => &[""],
        false => &[],
    };
    for name in always {
        if !pool.contains(name) {
            pool.push(name);
        }
    }
    let read = |name: &str| -> Vec<Dimension> { name.split('+').filter_map(Dimension::parse).collect() };
    pool.into_iter().map(|name| Grouping { dimensions: read(name) }).collect()
}

fn windows(random: &mut Random, groupings: usize) -> Vec<Window> {
    let mut slide = random.pick(&[10 * SECOND, 15 * SECOND, 60 * SECOND]);
    let mut windows = Vec::new();
    for index in 0..random.range(1, 3) {
        let mut chosen: Vec<usize> = (0..groupings).collect();
        if random.chance(40) {
            random.shuffle(&mut chosen);
            chosen.truncate(random.range(1, groupings as i64) as usize);
        }
        let size = slide * random.pick(&[1, 1, 2, 3, 5]);
        windows.push(Window {
            name: format!("w{index}"),
            size,
            slide,
            groupings: chosen,
        });
        slide *= random.pick(&[1, 2, 3, 4]);
    }
    random.shuffle(&mut windows);
    windows
}

fn journeys(random: &mut Random) -> Vec<Journey> {
    (0..random.range(0, 3))
        .map(|index| {
            let mut steps: Vec<String> = TASKS.iter().map(|task| (*task).to_owned()).collect();
            random.shuffle(&mut steps);
            steps.truncate(random.range(2, TASKS.len() as i64) as usize);
            Journey {
                name: format!("j{index}"),
                steps,
                within: random.pick(&[5 * SECOND, 20 * SECOND, 60 * SECOND]),
            }
        })
        .collect()
}

/// A log of a few partitions on two topics; some are empty. A dense one has many attempts in few partitions.
pub fn log(random: &mut Random, spec: &Spec, dense: bool) -> Log {
    let slowest = spec.windows.iter().map(|w| w.slide).max().unwrap_or(SECOND);
    // Close to the epoch, windows reach before it; else anywhere, aligned to nothing.
    let start = if random.chance(12) {
        0
    } else {
        1_738_137_600_000 + random.range(0, slowest)
    };
    let mut log = Log::new();
    for topic in ["customer.feedback", "product.telemetry"] {
        for partition in 0..random.range(1, if dense { 1 } else { 3 }) {
            let length = if dense {
                random.range(300, 600)
            } else {
                random.pick(&[0, 1, 30, 80, 150])
            };
            let mut writer = Writer::new(spec, start, dense, random.range(50, if dense { 500 } else { 1_500 }));
            let mut records: Vec<RefRecord> = Vec::new();
            for _ in 0..length {
                writer.record(random, &mut records);
            }
            log.push((topic.to_owned(), partition as i32, records));
        }
    }
    log
}
