//! What an error of the client means, in words for people, and what to do about it. URLs are left out, since those of Azure can carry tokens.

use object_store::Error;

use super::Provider;

/// Most characters of a reply that is quoted.
const QUOTED: usize = 300;

/// Paths of the services at which clouds give a machine its credentials, which are asked last.
const METADATA: [&str; 4] = [
    "/latest/api/token",
    "/latest/meta-data/",
    "/computeMetadata/",
    "/metadata/identity/",
];

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The store says that there is no such file. Not merely "404", which a bucket that is gone or a proxy on the way answers too.
    NoFile,
    /// There is no such bucket.
    NoBucket,
    /// The credentials are wrong, or may not do that.
    Denied,
    /// No credentials were found.
    NoCredentials,
    /// The bucket is in another region.
    Elsewhere,
    /// `http://` was not allowed.
    Unencrypted,
    /// The store cannot do that.
    Unsupported,
    /// Anything else: a server error, a timeout, no connection.
    Other,
}

/// An error of the client, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) cause: Cause,
    /// In words.
    pub(super) why: String,
}

impl Trouble {
    pub(super) fn of(error: &Error) -> Trouble {
        let mut root: &dyn std::error::Error = error;
        let mut whole = root.to_string();
        while let Some(source) = root.source() {
            root = source;
            whole = format!("{whole}: {root}");
        }
        let root = root.to_string();
        let reply = root.strip_prefix("Server returned non-2xx status code: ");
        let why = match reply {
            Some(reply) => format!("the store answered {}", quoted(reply)),
            None => root.trim_end_matches('.').to_owned(),
        };
        let cause = cause(error, &whole, reply.unwrap_or_default());
        match cause {
            // That a metadata service does not answer tells nobody what is missing.
            Cause::NoCredentials => Trouble {
                cause,
                why: "no credentials were found".to_owned(),
            },
            Cause::Elsewhere => Trouble {
                cause,
                why: "the store answered that the bucket is in another region".to_owned(),
            },
            _ => Trouble { cause, why },
        }
    }
}

fn cause(error: &Error, whole: &str, reply: &str) -> Cause {
    let code = tag(reply, "Code").unwrap_or_default();
    let status = reply.split(' ').next().unwrap_or_default();
    match (status, code) {
        (_, "NoSuchKey" | "BlobNotFound") => Cause::NoFile,
        (_, "NoSuchBucket" | "ContainerNotFound") => Cause::NoBucket,
        (_, "PermanentRedirect" | "AuthorizationHeaderMalformed") => Cause::Elsewhere,
        (_, "NotImplemented") | ("501", _) => Cause::Unsupported,
        _ if METADATA.iter().any(|path| whole.contains(path)) => Cause::NoCredentials,
        ("401" | "403", _) => Cause::Denied,
        _ if whole.contains("Received redirect without LOCATION") => Cause::Elsewhere,
        _ if whole.contains("URL scheme is not allowed") => Cause::Unencrypted,
        _ if matches!(error, Error::NotSupported { .. } | Error::NotImplemented { .. }) => Cause::Unsupported,
        _ => Cause::Other,
    }
}

/// Status, code and message of a reply such as `403 Forbidden: <Error><Code>..</Code><Message>..</Message></Error>`.
fn quoted(reply: &str) -> String {
    let (status, body) = reply.split_once(": ").unwrap_or((reply.trim_end_matches([':', ' ']), ""));
    let line = |text: &str| {
        text.lines()
            .next()
            .unwrap_or_default()
            .trim_end_matches('.')
            .chars()
            .take(QUOTED)
            .collect::<String>()
    };
    match (tag(body, "Code"), tag(body, "Message")) {
        (Some(code), Some(message)) => format!("{status}, {code} ({})", line(message)),
        (Some(code), None) => format!("{status}, {code}"),
        // What a token service answers.
        _ if body.starts_with('{') => format!(
            "{status}, {}",
            body.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .chars()
                .take(QUOTED)
                .collect::<String>()
        ),
        _ => status.to_owned(),
    }
}

fn tag<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

impl Provider {
    /// What a person has to do; `None` where waiting may help as well.
    pub(super) fn remedy(self, cause: Cause) -> Option<&'static str> {
        Some(match (cause, self) {
            (Cause::Denied, Provider::S3) => {
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the role, which needs s3:ListBucket on the bucket, and s3:GetObject, \
                 s3:PutObject and s3:DeleteObject on its objects"
            }
            (Cause::Denied, Provider::Google) => {
                "check GOOGLE_APPLICATION_CREDENTIALS or the service account, which needs the role Storage Object User on the bucket"
            }
            (Cause::Denied, Provider::Azure) => {
                "check AZURE_STORAGE_ACCOUNT_KEY or the identity, which needs the role Storage Blob Data Contributor on the container"
            }
            (Cause::NoCredentials, Provider::S3) => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine or pod a role; profiles in ~/.aws are not read"
            }
            (Cause::NoCredentials, Provider::Google) => {
                "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account, or give this machine or pod one"
            }
            (Cause::NoCredentials, Provider::Azure) => {
                "set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID, or give this machine or pod an identity"
            }
            (Cause::NoBucket, Provider::S3) => "create the bucket, or correct `output.url` or AWS_ENDPOINT_URL",
            (Cause::NoBucket, Provider::Google) => "create the bucket, or correct `output.url`",
            (Cause::NoBucket, Provider::Azure) => "create the container, or correct `output.url` or AZURE_STORAGE_ACCOUNT_NAME",
            (Cause::Elsewhere, _) => "set AWS_REGION to the region of the bucket",
            (Cause::Unencrypted, Provider::S3) => "set AWS_ALLOW_HTTP=true to speak to the store unencrypted, or give an https:// endpoint",
            (Cause::Unencrypted, Provider::Google) => {
                "set GOOGLE_ALLOW_HTTP=true to speak to the store unencrypted, or give an https:// address"
            }
            (Cause::Unencrypted, Provider::Azure) => {
                "set AZURE_ALLOW_HTTP=true to speak to the store unencrypted, or give an https:// endpoint"
            }
            (Cause::NoFile | Cause::Unsupported | Cause::Other, _) => return None,
        })
    }

    /// What to look at when the store cannot be reached at all.
    pub(super) fn address(self) -> &'static str {
        match self {
            Provider::S3 => {
                "check that the store can be reached from here, with AWS_REGION and, for other stores than Amazon's, AWS_ENDPOINT_URL"
            }
            Provider::Google => "check that storage.googleapis.com can be reached from here",
            Provider::Azure => "check that the store can be reached from here, and AZURE_STORAGE_ACCOUNT_NAME",
        }
    }
}
