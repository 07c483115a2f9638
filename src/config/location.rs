//! Where results can go: a directory, or a bucket of an object store.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::error::Problem;
use super::nearest::nearest;

/// A place for files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory of this host.
    Local(PathBuf),
    /// An object store.
    Remote {
        /// `s3`, `gs` or `az`.
        scheme: &'static str,
        /// Bucket or container.
        bucket: String,
        /// Path within it, without slashes at its ends; may be empty.
        prefix: String,
    },
}

impl Location {
    /// Reads `file:///dir`, `s3://bucket/prefix`, `gs://...`, `az://...`. The message completes "`key` is ...".
    pub(super) fn parse(text: &str) -> Result<Location, Problem> {
        const SCHEMES: [&str; 4] = ["file", "s3", "gs", "az"];
        let Some((scheme, rest)) = text.split_once("://") else {
            let meant = text.starts_with('/').then(|| format!("file://{text}"));
            return Err(Problem::new("no URL").suggest(meant));
        };
        if scheme != "file" && rest.contains('@') {
            let problem = Problem::new("a URL with credentials; object stores take theirs from the environment");
            return Err(problem.found("a URL that is not shown here"));
        }
        if scheme == "file" {
            if !rest.starts_with('/') {
                return Err(Problem::new("a file URL without an absolute path").suggest(Some(format!("file:///{rest}"))));
            }
            if rest.contains(['%', '?', '#']) {
                return Err(Problem::new(
                    "a file URL with `%`, `?` or `#`, which file URLs give a meaning of their own",
                ));
            }
            return Ok(Location::Local(PathBuf::from(rest)));
        }
        let Some(scheme) = SCHEMES.into_iter().find(|known| *known == scheme) else {
            let meant = match scheme {
                "s3a" | "s3n" => Some("s3"),
                "gcs" => Some("gs"),
                "azure" | "abfs" | "abfss" | "wasb" => Some("az"),
                _ => None,
            };
            let near = meant.map(str::to_owned).or_else(|| nearest(scheme, SCHEMES));
            return Err(Problem::new("a URL of an unknown scheme").suggest(near.map(|near| format!("{near}://{rest}"))));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(Problem::new("a URL without a bucket"));
        }
        if !bucket.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
            return Err(Problem::new(
                "a URL whose bucket has other characters than letters, digits, `.`, `_` and `-`",
            ));
        }
        if rest.contains(['?', '#']) {
            return Err(Problem::new("a URL with a query or a fragment"));
        }
        let prefix = prefix.trim_matches('/');
        if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(Problem::new("a URL with an empty part, `.` or `..` in its path"));
        }
        Ok(Location::Remote {
            scheme,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// Reads an argument: a URL, or the path of a directory.
    ///
    /// # Errors
    /// Says what is wrong with the URL.
    pub fn from_argument(argument: OsString) -> Result<Location, String> {
        let Some(url) = argument.to_str().filter(|text| text.contains("://")) else {
            return Ok(Location::Local(argument.into()));
        };
        Location::parse(url).map_err(|problem| {
            let meant = problem
                .suggestion
                .map_or_else(String::new, |url| format!("; did you mean `{url}`?"));
            format!("it is {}{meant}", problem.message)
        })
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Local(path) => path.display().fmt(f),
            Location::Remote { scheme, bucket, prefix } if prefix.is_empty() => write!(f, "{scheme}://{bucket}"),
            Location::Remote { scheme, bucket, prefix } => write!(f, "{scheme}://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_argument_is_a_path_or_a_url() {
        let read = |text: &str| Location::from_argument(text.into());
        assert_eq!(read("out/a").unwrap(), Location::Local("out/a".into()));
        assert_eq!(read("file:///out").unwrap(), Location::Local("/out".into()));
        assert_eq!(read("gs://bucket/a/b/").unwrap().to_string(), "gs://bucket/a/b");
        assert_eq!(read("s3://bucket").unwrap().to_string(), "s3://bucket");
        assert!(read("gcs://bucket").unwrap_err().contains("did you mean `gs://bucket`?"));
    }

    #[test]
    fn a_bucket_and_a_prefix_are_names_that_every_store_takes() {
        for (url, why) in [
            ("s3:///a", "without a bucket"),
            ("s3://a bucket/b", "whose bucket has other characters"),
            ("s3://bucket:9000/b", "whose bucket has other characters"),
            ("az://c/a//b", "an empty part"),
            ("az://c/../b", "`..` in its path"),
            ("gs://b/a?x=1", "a query"),
        ] {
            let message = Location::parse(url).unwrap_err().message;
            assert!(message.contains(why), "{url}: {message}");
        }
    }
}
