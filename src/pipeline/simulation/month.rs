//! A month of low, high and bursty traffic: the log, the files of state, memory and recovery stay bounded, tables get few files, what a partition that
//! was silent for most of a day had open corrects what was published, and a backfill of the month gives the same rows.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegauge_sink::log::{Entry, codec, paths};

use super::setup::Setup;
use super::world::World;
use super::{check, in_virtual_time, instance};

const HOUR: i64 = 3_600_000;

/// How much there was of everything at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    entries: usize,
    checkpoints: usize,
    state_files: usize,
    pane_bytes: u64,
    trackers: usize,
}

/// Looks at the files of the log.
fn size(world: &World, process: &instance::Single) -> Size {
    let files = world.files.files();
    let count = |directory: &str| files.keys().filter(|path| path.starts_with(directory)).count();
    Size {
        entries: count(paths::LOG),
        checkpoints: count(paths::CHECKPOINT),
        state_files: count(paths::STATE) + count(paths::DELTA),
        pane_bytes: process.pane_bytes(),
        trackers: process.trackers(),
    }
}

#[test]
fn a_month_of_changing_traffic_leaves_everything_bounded_and_a_backfill_of_it_gives_the_same_rows() {
    let (live, sizes, chain) = in_virtual_time(async {
        let world = World::with(Setup::month(), false);
        let mut process = instance::Single::start(&world).await;
        let mut sizes = Vec::new();
        while world.now() < world.end {
            process.run_for(Duration::from_secs(6 * 3_600)).await;
            sizes.push(size(&world, &process));
        }
        println!("beyond the horizon: {}", process.beyond_horizon());
        process.close().await;
        let chain: Vec<Entry> = world
            .entries
            .lock()
            .unwrap()
            .iter()
            .map(|e| codec::decode(e, "an entry").unwrap())
            .collect();
        (check::tables(&world), sizes, chain)
    });
    let (backfill, most_in_backfill) = in_virtual_time(async {
        let world = World::with(Setup::month(), false);
        // All of it lies in the past.
        world.calm();
        let most = instance::Single::start(&world).await.backfill(400).await;
        (check::tables(&world), most)
    });
    check::same(0, &backfill, &live);

    // The first week fills what is kept for a day; after that nothing grows any more.
    let most = |sizes: &[Size], of: fn(&Size) -> u64| sizes.iter().map(of).max().unwrap_or(0);
    let (warm, rest) = sizes.split_at(sizes.len() / 3);
    for (what, of) in [
        ("entries", (|s| s.entries as u64) as fn(&Size) -> u64),
        ("checkpoints", |s| s.checkpoints as u64),
        ("files of state", |s| s.state_files as u64),
        ("bytes of panes", |s| s.pane_bytes),
        ("trackers", |s| s.trackers as u64),
    ] {
        let (before, after) = (most(warm, of), most(rest, of));
        println!("{what}: at most {before} in the first ten days, {after} in the other twenty");
        assert!(after <= before * 3 / 2, "{what} grow: {before}, then {after}");
    }

    let most_live = most(&sizes, |s| s.pane_bytes);
    println!("bytes of panes: at most {most_in_backfill} in the backfill, {most_live} live");
    assert!(most_in_backfill <= most_live * 2);

    // One file of a table and an hour in each commit, whoever wrote its row groups.
    for entry in &chain {
        let places: BTreeSet<&str> = entry.files.iter().filter_map(|file| Some(file.path.rsplit_once('/')?.0)).collect();
        assert_eq!(
            places.len(),
            entry.files.len(),
            "entry {} has more than one file of a table and hour",
            entry.seq
        );
    }

    let late = chain.iter().filter_map(|entry| entry.publication.as_ref()).any(|publication| {
        let watermark = publication.watermark.unwrap_or(i64::MIN);
        publication.revisions.iter().any(|revision| revision.end < watermark - 18 * HOUR)
    });
    assert!(late, "nothing that was published most of a day before was corrected");
    println!("{} entries in a month", chain.len());
}
