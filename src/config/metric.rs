//! The names that `target.metric` may hold.

use std::sync::LazyLock;

use tidegauge_aggregate::catalogue;

static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| catalogue::metrics().map(|metric| metric.name).collect());

/// Every metric of the catalogue.
#[must_use]
pub fn metric_names() -> &'static [&'static str] {
    &NAMES
}
