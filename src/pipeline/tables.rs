//! Table options from the configuration.

use std::sync::Arc;

use tidegauge_sink::table::{Compression, Table, TableOptions};

use crate::config::{self, Config};

/// How the tables of a configuration are written.
pub(crate) fn options(config: &Config) -> TableOptions {
    let compression = match config.output.compression {
        config::Compression::Zstd(level) => Compression::Zstd(u8::try_from(level).unwrap_or(1)),
        config::Compression::Snappy => Compression::Snappy,
        config::Compression::Lz4 => Compression::Lz4,
        config::Compression::None => Compression::None,
    };
    let tables = config.output.tables.iter().filter_map(|t| Table::parse(t.as_str())).collect();
    TableOptions {
        compression,
        tables,
        ..TableOptions::new(Arc::new(config.spec.clone()))
    }
}
