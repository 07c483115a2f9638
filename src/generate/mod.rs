//! Believable product and customer traffic from a seed.
//!
//! The same [`Options`] give exactly the same records on every machine, however fast and in whatever portions they are drawn:
//! there is no clock, no thread and no hash map in here. Visits and tickets are small state machines that wait in an
//! agenda for their next step; each step writes one record into a buffer that is used again for the next.

mod agenda;
mod climate;
mod draft;
mod files;
mod generator;
mod incident;
mod json;
mod options;
mod people;
mod random;
mod record;
mod refused;
mod rhythm;
mod score;
#[cfg(test)]
mod tests;
mod ticket;
mod visit;
mod world;

pub use files::{Written, write_files};
pub use generator::{Generator, Records};
pub use incident::{Incident, IncidentKind, Schedule};
pub use options::{InvalidOption, Options};
pub use record::GeneratedRecord;
pub use rhythm::volume;

/// Topic of how people use the products.
pub const TELEMETRY: &str = "product.telemetry";
/// Topic of what they say, ask support for, buy, and when they leave.
pub const FEEDBACK: &str = "customer.feedback";
/// Both.
pub const TOPICS: [&str; 2] = [TELEMETRY, FEEDBACK];
