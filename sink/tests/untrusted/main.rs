//! Files of the log whose bytes were not written by this program, behind checksums that are right: what is accepted can be used, what is not is
//! refused, and neither takes memory that the bytes do not account for. `ingest/fuzz` does the same for as long as one wishes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod seeds;
#[path = "../../../aggregate/tests/support/mod.rs"]
mod support;
mod uses;

use std::alloc::System;
use std::fs;
use std::path::{Path, PathBuf};

use cap::Cap;
use proptest::prelude::*;
use support::Random;

/// What all tests of this program may hold together; going beyond ends it.
const MOST_BYTES: usize = 512 << 20;

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, MOST_BYTES);

fn directory(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/fuzz/seeds").join(kind)
}

fn files(kind: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{kind} has no seeds");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn the_seeds_are_what_the_program_writes_and_are_accepted() {
    let update = std::env::var_os("UPDATE_SEEDS").is_some();
    for (kind, name, bytes) in seeds::all() {
        let path = directory(kind).join(&name);
        if update {
            fs::create_dir_all(directory(kind)).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_default();
        assert!(
            kept == bytes,
            "{} is not what is written now; make it again with UPDATE_SEEDS=1 cargo test -p tidegauge-sink --test untrusted",
            path.display()
        );
        let (_, accept) = uses::ALL.iter().find(|(known, _)| *known == kind).unwrap();
        assert!(accept(&bytes), "{kind}/{name} is refused");
    }
}

/// One to three changes of the kind that a fuzzer makes: a cut, a length that promises far more than follows, a piece again, a digit, a byte.
fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1) as u64) as usize;
        let kept = bytes.len().min(at);
        match random.below(8) {
            0 => bytes.truncate(kept),
            1 => drop(bytes.splice(kept..kept, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            2 => drop(bytes.splice(kept..kept, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])),
            3 => {
                let piece = bytes[kept..bytes.len().min(kept + 1 + random.below(40) as usize)].to_vec();
                drop(bytes.splice(kept..kept, piece));
            }
            4 | 5 => {
                if let Some(digit) = bytes[kept..].iter_mut().find(|byte| byte.is_ascii_digit()) {
                    *digit = b'0' + random.below(10) as u8;
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if random.chance(50) {
                        *byte ^ (1 << random.below(8))
                    } else {
                        random.next() as u8
                    };
                }
            }
        }
    }
}

#[test]
fn a_changed_file_is_refused_or_safe_to_use() {
    let mut random = Random(20_260_129);
    for (kind, accept) in uses::ALL {
        let seeds = files(kind);
        // Among them what fuzzing found, which may be refused.
        seeds.iter().for_each(|seed| _ = accept(seed));
        let (mut refused, mut accepted) = (0, 0);
        for round in 0..600 {
            let mut bytes = seeds[round % seeds.len()].clone();
            change(&mut bytes, &mut random);
            *(if accept(&bytes) { &mut accepted } else { &mut refused }) += 1;
        }
        assert!(refused > 50 && accepted > 10, "{kind}: {refused} refused, {accepted} accepted");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_or_safe_to_use(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, accept) in uses::ALL {
            accept(&bytes);
        }
    }
}
