//! What is particular to a bucket: stores that do not keep their word, credentials, answers that are lost or unclear, and what messages say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../tests/support/moto.rs"]
mod moto;

use bytes::Bytes;
use futures::future::join_all;
use moto::{BUCKET, Fate, Moto, Proxy, SECRET, variables};
use tidegauge_sink::store::{BucketStore, Creation, Move, Provider, Store, StoreError};

const LIMIT: u64 = 1 << 20;
const STAGED: &str = "_tidegauge/staging/w/a.staged";
const FINAL: &str = "events/date=2026-07-01/hour=00/a.parquet";
const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>";

fn open(prefix: &str, variables: Vec<(String, String)>) -> BucketStore {
    BucketStore::open(Provider::S3, BUCKET, prefix, variables).unwrap()
}

/// A store behind a proxy.
fn behind(prefix: &str) -> (BucketStore, Proxy) {
    let proxy = Proxy::before(moto::shared());
    (open(prefix, proxy.variables()), proxy)
}

fn moves() -> Vec<Move> {
    vec![Move {
        staged: STAGED.to_owned(),
        path: FINAL.to_owned(),
    }]
}

/// The message with which a store is refused at start, which shows no secret.
async fn refused(store: &BucketStore) -> String {
    let error = store.probe().await.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, StoreError::Fatal { .. }), "{message}");
    assert!(!message.contains(SECRET) && !message.contains("127.0.0.1"), "{message}");
    message
}

/// The message of an error after which one tries again.
#[track_caller]
fn retried<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(error @ StoreError::Retry { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_store_that_keeps_its_word_is_accepted_and_nothing_stays_behind() {
    let store = open("probe", moto::shared().variables());
    // Two processes may start at once.
    for result in join_all((0..3).map(|_| store.probe())).await {
        result.unwrap();
    }
    assert_eq!(store.list("_tidegauge").await.unwrap(), []);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused_by_name() {
    let (store, proxy) = behind("ignores");
    proxy.rule(|head| {
        head.remove("if-none-match");
        Fate::Pass
    });
    assert_eq!(
        refused(&store).await,
        "the output s3://bucket/ignores does not keep create-if-absent: a second create of one file won as well; without that, two processes could \
         both believe that they committed; use a store with conditional writes (If-None-Match), or a local directory, as `output.url`"
    );
    let files = open("ignores", moto::shared().variables()).list("_tidegauge").await.unwrap();
    assert_eq!(files, [], "nothing stays behind");
}

#[tokio::test]
async fn a_store_that_keeps_its_word_only_when_nothing_else_happens_is_refused() {
    let (store, proxy) = behind("at-once");
    proxy.rule(|head| {
        if head.0[0].contains("/race") {
            head.remove("if-none-match");
        }
        Fate::Pass
    });
    let message = refused(&store).await;
    assert!(
        message.contains("create-if-absent: 8 of 8 concurrent creates of one file won;"),
        "{message}"
    );
}

#[tokio::test]
async fn a_store_whose_listings_lag_is_refused() {
    let (store, proxy) = behind("lags");
    let empty = "<ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";
    proxy.rule(move |head| {
        if head.is("GET") && head.0[0].contains("list-type") {
            Fate::Answer("200 OK", empty)
        } else {
            Fate::Pass
        }
    });
    let message = refused(&store).await;
    assert!(message.contains("a file that was created is not listed at once"), "{message}");
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_refused_with_a_remedy() {
    let store = BucketStore::open(Provider::S3, "no-such-bucket", "a", moto::shared().variables()).unwrap();
    assert_eq!(
        refused(&store).await,
        "the output s3://no-such-bucket/a cannot be used: listing _tidegauge/probe failed: the store answered 404 Not Found, NoSuchBucket (The \
         specified bucket does not exist); create the bucket, or correct `output.url` or AWS_ENDPOINT_URL; then start again"
    );
}

#[tokio::test]
async fn credentials_and_permissions_are_asked_for_by_name() {
    let moto = Moto::start();
    // One may do everything but list; of the other, the tests forget the secret.
    let keys = moto.script(
        r#"
import json
iam = client('iam')
for user, actions in [('deaf', ['Get', 'Put', 'Delete']), ('alice', ['*'])]:
    iam.create_user(UserName=user)
    statement = {'Effect': 'Allow', 'Action': [f's3:{a}Object' if a != '*' else 's3:*' for a in actions], 'Resource': '*'}
    iam.put_user_policy(UserName=user, PolicyName='p', PolicyDocument=json.dumps({'Version': '2012-10-17', 'Statement': [statement]}))
    key = iam.create_access_key(UserName=user)['AccessKey']
    print(key['AccessKeyId'], key['SecretAccessKey'])
"#,
    );
    let keys: Vec<(&str, &str)> = keys.lines().map(|line| line.split_once(' ').unwrap()).collect();
    let [deaf, alice] = keys[..] else { panic!("{keys:?}") };
    moto.demand_permission();
    let endpoint = moto.variables().into_iter().find(|(name, _)| name == "AWS_ENDPOINT_URL").unwrap().1;
    let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    let with = |(key, secret): (&str, &str)| open("a", variables(port, key, secret));

    with(alice).probe().await.unwrap();
    let remedy = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the role, which needs s3:ListBucket on the bucket, and s3:GetObject, \
                  s3:PutObject and s3:DeleteObject on its objects; then start again";
    for (key, code) in [
        (deaf, "403 Forbidden, AccessDenied ("),
        ((alice.0, SECRET), "403 Forbidden, SignatureDoesNotMatch ("),
        (("AKIAIOSFODNN7EXAMPLE", SECRET), "403 Forbidden, InvalidAccessKeyId ("),
    ] {
        let message = refused(&with(key)).await;
        let begin = format!("the output s3://bucket/a cannot be used: listing _tidegauge/probe failed: the store answered {code}");
        assert!(message.starts_with(&begin) && message.ends_with(remedy), "{message}");
    }
}

#[tokio::test]
async fn without_credentials_it_says_where_they_are_looked_for() {
    // Nothing listens at the address of the metadata service.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut variables = moto::shared().variables();
    variables.retain(|(name, _)| !name.contains("ACCESS_KEY"));
    variables.push(("AWS_METADATA_ENDPOINT".to_owned(), format!("http://{nobody}")));
    let message = refused(&open("a", variables)).await;
    assert!(
        message.contains("failed: no credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give"),
        "{message}"
    );
}

#[tokio::test]
async fn an_unencrypted_endpoint_has_to_be_allowed() {
    let mut variables = moto::shared().variables();
    variables.retain(|(name, _)| name != "AWS_ALLOW_HTTP");
    let message = refused(&open("a", variables)).await;
    assert!(message.contains("set AWS_ALLOW_HTTP=true"), "{message}");
}

#[tokio::test]
async fn an_endpoint_where_nobody_answers_is_refused_at_start() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let message = refused(&open("a", variables(port, "AKIA", SECRET))).await;
    assert!(
        message.contains("Connection refused") && message.contains("AWS_ENDPOINT_URL"),
        "{message}"
    );
}

#[tokio::test]
async fn a_store_that_is_away_for_a_while_is_tried_again() {
    let (store, proxy) = behind("away");
    store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
    proxy.rule(|_| Fate::Drop);
    let message = retried(store.publish(&moves()).await);
    assert!(
        message.starts_with(&format!("looking for {FINAL} in s3://bucket/away failed: ")) && message.ends_with("; it will be tried again"),
        "{message}"
    );
    retried(store.stage("a/b", Bytes::new()).await);
    retried(store.create_if_absent("a/c", Bytes::new()).await);
    retried(store.get(STAGED, LIMIT).await);
    retried(store.list("a").await);
    retried(store.delete(STAGED).await);
    proxy.rule(|_| {
        Fate::Answer(
            "503 Slow Down",
            "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
        )
    });
    let message = retried(store.get(STAGED, LIMIT).await);
    assert!(
        message.contains("the store answered 503 Service Unavailable, SlowDown (Please reduce your request rate);"),
        "{message}"
    );
    proxy.rule(|_| Fate::Pass);
    store.publish(&moves()).await.unwrap();
    assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "rows");
}

#[tokio::test]
async fn a_permission_that_is_taken_away_for_a_while_is_waited_for() {
    let (store, proxy) = behind("taken");
    proxy.rule(|head| {
        if head.is("PUT") {
            Fate::Answer("403 Forbidden", DENIED)
        } else {
            Fate::Pass
        }
    });
    let message = retried(store.create_if_absent("a/b", Bytes::from_static(b"x")).await);
    assert_eq!(
        message,
        "creating a/b in s3://bucket/taken failed: the store answered 403 Forbidden, AccessDenied (Access Denied); check AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY or the role, which needs s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its \
         objects; it will be tried again"
    );
    proxy.rule(|_| Fate::Pass);
    assert_eq!(store.create_if_absent("a/b", Bytes::from_static(b"x")).await, Ok(Creation::Created));
}

#[tokio::test]
async fn a_404_that_names_no_file_is_no_missing_file() {
    let (store, proxy) = behind("ingress");
    store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
    // As a proxy answers whose store is gone, or a bucket that was deleted.
    for body in [
        "",
        "default backend - 404",
        "<Error><Code>NoSuchBucket</Code><Message>Gone.</Message></Error>",
    ] {
        proxy.rule(move |_| Fate::Answer("404 Not Found", body));
        retried(store.get(STAGED, LIMIT).await);
        retried(store.publish(&moves()).await);
        retried(store.delete(STAGED).await);
        retried(store.list("_tidegauge").await);
        retried(store.create_if_absent("a/b", Bytes::new()).await);
    }
    proxy.rule(|_| Fate::Pass);
    store.publish(&moves()).await.unwrap();
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_told_by_its_content() {
    let (store, proxy) = behind("lost");
    let mut lost = false;
    proxy.rule(move |head| {
        if head.is("PUT") && !std::mem::replace(&mut lost, true) {
            Fate::LoseAnswer
        } else {
            Fate::Pass
        }
    });
    // The client asks once more and hears of its own success as of another's.
    assert_eq!(
        store.create_if_absent("a/b", Bytes::from_static(b"mine")).await,
        Ok(Creation::Exists)
    );
    assert_eq!(store.get("a/b", LIMIT).await.unwrap(), "mine");
}

#[tokio::test]
async fn a_conflict_over_a_file_that_is_not_there_is_no_existing_file() {
    let (store, proxy) = behind("conflict");
    proxy.rule(|head| {
        if head.is("PUT") {
            Fate::Answer("409 Conflict", "")
        } else {
            Fate::Pass
        }
    });
    let message = retried(store.create_if_absent("a/b", Bytes::from_static(b"x")).await);
    assert!(
        message.starts_with("creating a/b in s3://bucket/conflict failed: the store answered 409 Conflict;"),
        "{message}"
    );
}

#[tokio::test]
async fn a_copy_whose_answer_was_lost_is_finished() {
    let (store, proxy) = behind("copied");
    store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
    proxy.rule(|head| {
        if head.header("x-amz-copy-source").is_some() {
            Fate::LoseAnswer
        } else {
            Fate::Pass
        }
    });
    retried(store.publish(&moves()).await);
    // The file is in both places now.
    assert_eq!(
        store.list("events").await.unwrap().len() + store.list("_tidegauge").await.unwrap().len(),
        2
    );
    proxy.rule(|_| Fate::Pass);
    store.publish(&moves()).await.unwrap();
    assert_eq!(store.list("_tidegauge").await.unwrap(), []);
    assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "rows");
}

#[tokio::test]
async fn a_store_without_conditional_copies_copies_plainly() {
    let (store, proxy) = behind("plain");
    proxy.rule(|head| match (head.header("x-amz-copy-source"), head.header("if-none-match")) {
        (Some(_), Some(_)) => Fate::Answer("501 Not Implemented", "<Error><Code>NotImplemented</Code></Error>"),
        _ => Fate::Pass,
    });
    store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
    store.publish(&moves()).await.unwrap();
    assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "rows");
}

#[tokio::test]
async fn a_copy_that_another_process_finished_first_is_done() {
    let (store, proxy) = behind("first");
    let other = open("first", moto::shared().variables());
    store.stage(STAGED, Bytes::from_static(b"rows")).await.unwrap();
    other.publish(&moves()).await.unwrap();
    // It looked before the other one copied.
    let mut looked = false;
    proxy.rule(move |head| {
        if head.is("HEAD") && !std::mem::replace(&mut looked, true) {
            Fate::Answer("404 Not Found", "")
        } else {
            Fate::Pass
        }
    });
    store.publish(&moves()).await.unwrap();
    assert_eq!(store.get(FINAL, LIMIT).await.unwrap(), "rows");
}
