//! Which store a URL means, and how its client is set up: by the environment variables that each provider's own tools read.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};

use super::BucketStore;
use super::trouble::Trouble;
use crate::store::StoreError;

/// Time for one request, unless the environment says otherwise.
const TIMEOUT: &str = "60 seconds";
/// Copies only where the target is absent. Stores that do not know the header copy anyway, or say so.
const COPY_IF_ABSENT: &str = "header: if-none-match: *";

/// Whose protocol a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3 and compatible stores.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Provider {
    /// The provider that a URL's scheme means: `s3`, `gs` or `az`.
    #[must_use]
    pub fn of_scheme(scheme: &str) -> Option<Provider> {
        [Provider::S3, Provider::Google, Provider::Azure]
            .into_iter()
            .find(|provider| provider.scheme() == scheme)
    }

    fn scheme(self) -> &'static str {
        match self {
            Provider::S3 => "s3",
            Provider::Google => "gs",
            Provider::Azure => "az",
        }
    }
}

impl BucketStore {
    /// The store below `prefix` of a bucket, or of a container of Azure, as `variables` (those of the process, as a rule) say. Nothing is
    /// asked of the store yet.
    ///
    /// # Errors
    /// Where the variables do not fit together, or the prefix is no path.
    pub fn open(
        provider: Provider,
        bucket: &str,
        prefix: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<BucketStore, StoreError> {
        let separator = if prefix.is_empty() { "" } else { "/" };
        let location = format!("{}://{bucket}{separator}{prefix}", provider.scheme());
        let refuse = |error: &object_store::Error| StoreError::Fatal {
            what: format!("the output {location} cannot be used"),
            why: Trouble::of(error).why,
            remedy: "correct `output.url` or the environment variables that the store's client reads".to_owned(),
        };
        let prefix = Path::parse(prefix).map_err(|error| refuse(&error.into()))?;
        let variables = variables.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let objects = match provider {
            Provider::S3 => s3(bucket, variables),
            Provider::Google => google(bucket, variables),
            Provider::Azure => azure(bucket, variables),
        };
        Ok(BucketStore {
            objects: objects.map_err(|error| refuse(&error))?,
            provider,
            prefix: prefix.to_string(),
            location,
            copies_plainly: AtomicBool::new(false),
        })
    }
}

/// The client tries again for a moment only: the pipeline goes on trying, shows that it does, and knows what an unclear answer means.
fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: 3,
        retry_timeout: Duration::from_secs(30),
        ..RetryConfig::default()
    }
}

type Opened = object_store::Result<Arc<dyn ObjectStore>>;

fn s3(bucket: &str, variables: impl Iterator<Item = (String, String)>) -> Opened {
    let builder = AmazonS3Builder::new()
        .with_retry(retries())
        .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
        .with_config(AmazonS3ConfigKey::CopyIfNotExists, COPY_IF_ABSENT)
        // Files are deleted one by one, which every compatible store can do.
        .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
    let builder = variables
        .filter(|(name, _)| name.starts_with("aws_"))
        .filter_map(|(name, value)| Some((name.parse::<AmazonS3ConfigKey>().ok()?, value)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value));
    Ok(Arc::new(builder.with_bucket_name(bucket).build()?))
}

fn google(bucket: &str, variables: impl Iterator<Item = (String, String)>) -> Opened {
    let builder = GoogleCloudStorageBuilder::new()
        .with_retry(retries())
        .with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT);
    let builder = variables
        .filter(|(name, _)| name.starts_with("google_"))
        .filter_map(|(name, value)| Some((name.parse::<GoogleConfigKey>().ok()?, value)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value));
    Ok(Arc::new(builder.with_bucket_name(bucket).build()?))
}

fn azure(container: &str, variables: impl Iterator<Item = (String, String)>) -> Opened {
    let builder = MicrosoftAzureBuilder::new()
        .with_retry(retries())
        .with_config(AzureConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT);
    let builder = variables
        // The second is where App Service and Azure Arc give their identity.
        .filter(|(name, _)| name.starts_with("azure_") || name == "identity_endpoint")
        .filter_map(|(name, value)| Some((name.parse::<AzureConfigKey>().ok()?, value)))
        .fold(builder, |builder, (key, value)| builder.with_config(key, value));
    Ok(Arc::new(builder.with_container_name(container).build()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn open(provider: Provider, prefix: &str, variables: &[(&str, &str)]) -> Result<BucketStore, StoreError> {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        BucketStore::open(provider, "bucket", prefix, variables)
    }

    #[test]
    fn a_scheme_means_a_provider_and_the_location_is_the_url() {
        for (scheme, variables) in [
            ("s3", vec![("AWS_BUCKET", "another")]),
            ("gs", vec![]),
            ("az", vec![("AZURE_STORAGE_ACCOUNT_NAME", "account")]),
        ] {
            let provider = Provider::of_scheme(scheme).unwrap();
            let store = open(provider, "a/b", &variables).unwrap();
            assert_eq!(store.location, format!("{scheme}://bucket/a/b"));
            assert_eq!(open(provider, "", &variables).unwrap().location, format!("{scheme}://bucket"));
        }
        assert_eq!(Provider::of_scheme("file"), None);
    }

    #[test]
    fn variables_that_do_not_fit_together_are_refused_with_a_remedy() {
        let error = open(Provider::S3, "", &[("AWS_ACCESS_KEY_ID", "AKIA")]).unwrap_err().to_string();
        assert!(error.starts_with("the output s3://bucket cannot be used: "), "{error}");
        assert!(
            error.contains("SecretAccessKey") && error.contains("environment variables"),
            "{error}"
        );
        let error = open(Provider::S3, "a//b", &[]).unwrap_err().to_string();
        assert!(error.contains("a//b") && error.contains("`output.url`"), "{error}");
        let error = open(Provider::Azure, "", &[]).unwrap_err().to_string();
        assert!(error.contains("Account"), "{error}");
    }

    #[test]
    fn no_secret_is_shown() {
        let secrets = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "swordfish")];
        let shown = format!("{:?}", open(Provider::S3, "x", &secrets).unwrap());
        assert_eq!(shown, "BucketStore(\"s3://bucket/x\")");
    }
}
