//! The pure core of Tidegauge: what UX and CX metrics are, computed from records in offset order. No IO, no clock, no threads.

mod accumulate;
mod attempt;
pub mod catalogue;
pub mod counters;
mod dedup;
mod evaluate;
pub mod event;
pub mod fact;
pub mod indicator;
mod journey;
mod keyed;
pub mod layout;
pub mod measure;
pub mod merger;
pub mod pane;
pub mod partition;
pub mod plan;
pub mod record;
pub mod row;
pub mod snapshot;
pub mod spec;
pub mod tally;
mod ticket;
pub mod time;
mod timers;
mod tuple;
mod window;
