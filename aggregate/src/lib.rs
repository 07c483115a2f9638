//! The pure core of Tidegauge: what UX and CX metrics are, computed from records in offset order. No IO, no clock, no threads.

pub mod event;
pub mod indicator;
pub mod measure;
pub mod record;
pub mod row;
pub mod spec;
pub mod time;
