//! A share of the gauges: as bytes of any kind, and as the content of a file whose checksum is right.

#![no_main]

#[path = "../../../aggregate/tests/support/mod.rs"]
mod support;
#[path = "../../../sink/tests/untrusted/uses.rs"]
mod uses;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    uses::share(bytes);
});
