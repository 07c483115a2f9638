//! The store that a location means.

use std::sync::Arc;

use tidegauge_sink::store::{BucketStore, LocalStore, Provider, Store};

use super::PipelineError;
use crate::config::{Config, Location};

/// Opens the output of a configuration, without asking anything of it yet.
///
/// # Errors
/// Where there is none, or the environment variables that say how to reach it do not fit together.
pub(crate) fn open_store(config: &Config) -> Result<Arc<dyn Store>, PipelineError> {
    match config.output.location.as_deref() {
        Some(location) => open_location(location),
        None => Err(usage(
            "output.url is missing: where results go, such as file:///var/lib/tidegauge".to_owned(),
        )),
    }
}

/// Opens an output; object stores take credentials and addresses from the environment.
///
/// # Errors
/// Where the environment variables that say how to reach it do not fit together.
pub(crate) fn open_location(location: &Location) -> Result<Arc<dyn Store>, PipelineError> {
    let (scheme, bucket, prefix) = match location {
        Location::Local(path) => return Ok(Arc::new(LocalStore::new(path))),
        Location::Remote { scheme, bucket, prefix } => (scheme, bucket, prefix),
    };
    let Some(provider) = Provider::of_scheme(scheme) else {
        return Err(usage(format!(
            "output.url: {scheme}:// is no store that is known; use file://, s3://, gs:// or az://"
        )));
    };
    let text = |value: std::ffi::OsString| value.into_string().ok();
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
    match BucketStore::open(provider, bucket, prefix, variables) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => Err(usage(error.to_string())),
    }
}

fn usage(message: String) -> PipelineError {
    PipelineError {
        message,
        usage: true,
        again: false,
    }
}
