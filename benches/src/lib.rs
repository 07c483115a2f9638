//! What the benches share: the traffic, the pipeline they push it through, what it is compared with, and a clock.

pub mod baseline;
pub mod clock;
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "the generator of the program, of which the benches use a part"
)]
#[path = "../../src/generate/mod.rs"]
mod generate;
pub mod memory;
pub mod pipeline;
pub mod traffic;
