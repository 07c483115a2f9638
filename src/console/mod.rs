//! What the console at `/` shows beyond the newest gauges: the past, as committed to the tables, and what it says of how things go.

pub mod ask;
mod catalogue;
pub mod history;
pub mod judge;
pub(crate) mod load;
pub(crate) mod overview;
pub(crate) mod pipeline;
pub mod shared;

pub use ask::history_json;
pub use catalogue::catalogue_json;
pub use shared::Shared;
