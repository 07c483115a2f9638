//! A configuration: any text is read, or refused with mistakes that say where they are.

#![no_main]
#![allow(dead_code, unused_imports, unreachable_pub)]

// The root package would bring the Kafka client; its configuration does without, but for this one question.
extern crate self as tidegauge_ingest;

mod kafka {
    /// Stands for librdkafka, which knows its properties.
    pub(crate) fn refused(name: &str, value: &str) -> Option<String> {
        (name.len() + value.len() > 40).then(|| format!("{name:?} is not accepted"))
    }
}

#[path = "../../../src/config/mod.rs"]
mod config;

use config::{Config, FixedEnvironment, Place, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let nothing = FixedEnvironment::default();
    for read in [parse(text, "t.toml", &nothing), Config::for_replay(text, "t.toml", &nothing)] {
        match read {
            Ok(config) => drop(tidegauge_aggregate::plan::Plan::new(config.spec)),
            Err(errors) => {
                assert!(!errors.mistakes.is_empty());
                for mistake in &errors.mistakes {
                    let Place::File { line, column, .. } = mistake.place else {
                        panic!("no variable is set: {mistake}");
                    };
                    let columns = text.split('\n').nth(line - 1).map(|text| text.chars().count());
                    assert!(columns.is_some_and(|columns| (1..=columns + 1).contains(&column)), "{mistake}");
                }
                assert!(errors.to_string().len() < 1_000 * (text.len() + 100));
            }
        }
    }
});
