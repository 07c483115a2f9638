//! Deterministic simulation: one to four instances of the real pipeline below threads and Kafka - decoding, aggregation, tables, commit log, reporter,
//! shares - on one thread, over a consumer group and a store that lie, stall and crash, in virtual time. Everything follows from a seed.
//! Whatever happens, the tables in the end are row for row those of a run that nothing disturbed.
//!
//! `TIDEGAUGE_SEEDS` says how many seeds are run, `TIDEGAUGE_FIRST_SEED` where they begin (`cargo xtask simulate`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod group;
mod instance;
mod month;
mod setup;
mod store;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;

use setup::{Random, Setup};
use world::World;

/// Seeds of an ordinary test run.
const SEEDS: u64 = 2_000;
/// How long an undisturbed end may take.
const LIMIT: Duration = Duration::from_secs(3_600);

/// How often things happened that the simulation is for.
type Seen = BTreeMap<&'static str, u64>;

/// Runs a future of one seed in virtual time.
fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let done = LocalSet::new().block_on(&runtime, work);
    super::clock::simulated::set(None);
    done
}

/// The tables of a run of these records by one process that nothing disturbs.
fn undisturbed(seed: u64) -> check::Tables {
    in_virtual_time(async {
        let world = World::with(Setup::small(seed), false);
        world.calm();
        instance::close(&world).await;
        check::tables(&world)
    })
}

/// Some instances, disturbed for as long as records arrive, then one that is left in peace to the end.
fn disturbed(seed: u64) -> (check::Tables, Seen) {
    in_virtual_time(async {
        let world = World::with(Setup::small(seed), true);
        let mut random = Random(seed ^ 0xD15);
        let count = random.between(1, 4);
        let mut running = BTreeMap::new();
        let mut next = 0;
        while world.now() < world.end {
            while (running.len() as u64) < count {
                let id = next;
                next += 1;
                running.insert(id, tokio::task::spawn_local(instance::run(Arc::clone(&world), id)));
            }
            tokio::time::sleep(Duration::from_secs(random.between(5, 240))).await;
            if random.chance(8) {
                world.jump(random.between(0, 3_600_000) as i64 - 1_800_000);
            }
            let ids: Vec<u64> = running.keys().copied().collect();
            for id in ids {
                let ended = running[&id].is_finished() || world.is_dead(id);
                if ended || random.chance(4) {
                    // kill -9, at whatever it was waiting for.
                    let task = running.remove(&id).unwrap();
                    task.abort();
                    if let Err(error) = task.await
                        && error.is_panic()
                    {
                        std::panic::resume_unwind(error.into_panic());
                    }
                    world.see("kills", 1);
                } else if random.chance(4) {
                    world.ask_to_stop(id);
                }
            }
        }
        for (_, task) in running {
            task.abort();
            if let Err(error) = task.await
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        world.calm();
        tokio::time::timeout(LIMIT, instance::close(&world))
            .await
            .expect("the last instance comes to its end");
        let tables = check::tables(&world);
        (tables, world.seen())
    })
}

fn run(seed: u64) -> Seen {
    let expected = undisturbed(seed);
    let (found, seen) = disturbed(seed);
    check::same(seed, &expected, &found);
    seen
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect(variable))
}

#[test]
fn whatever_happens_to_one_to_four_processes_their_tables_are_those_of_an_undisturbed_one() {
    let first = number("TIDEGAUGE_FIRST_SEED").unwrap_or(1);
    let seeds = number("TIDEGAUGE_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            std::thread::spawn(move || {
                let mut all = Seen::new();
                for seed in (first + thread..first + seeds).step_by(threads as usize) {
                    let seen = std::panic::catch_unwind(|| run(seed)).unwrap_or_else(|_| {
                        panic!("seed {seed} failed; run it alone with: cargo xtask simulate --first {seed} --seeds 1");
                    });
                    for (name, n) in seen {
                        *all.entry(name).or_default() += n;
                    }
                }
                all
            })
        })
        .collect();
    let mut all = Seen::new();
    for worker in workers {
        for (name, n) in worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            *all.entry(name).or_default() += n;
        }
    }
    println!("{seeds} seeds from {first}: {all:?}");
    if seeds >= SEEDS {
        for name in check::EXPECTED {
            assert!(all.get(name).is_some_and(|n| *n > 0), "it never came to {name}: {all:?}");
        }
    }
}
