//! Rule 10 for a bucket: may it be used, and does it keep its word?

use bytes::Bytes;
use futures::future::try_join_all;

use super::BucketStore;
use crate::log::Nonce;
use crate::store::{Creation, Move, PRIVATE, Store, StoreError};

/// Concurrent creates of one file.
const RACERS: usize = 8;
/// Files of another probe that are this much older than those of this one, in milliseconds, were left by a crash.
const LEFT: i64 = 3_600_000;
/// Most bytes of a file of the probe.
const MOST: u64 = 64;

pub(super) async fn probe(store: &BucketStore) -> Result<(), StoreError> {
    let probes = format!("{PRIVATE}/probe");
    let nonce = Nonce::random().map_err(|error| refuse(store, "cannot be used", error.to_string(), "start again"))?;
    let own = format!("{probes}/{nonce}");
    let tried = try_all(store, &probes, &own).await;
    let removed = remove(store, &probes, &own).await;
    tried.and(removed).map_err(|error| match error {
        // Retrying is for a running pipeline; at start, an output that cannot be used is refused with the reason.
        StoreError::Retry { doing, why } => {
            let doing = doing.trim_end_matches(store.location()).trim_end_matches(" in ");
            // Where the reason says what to do already, only the last step is missing.
            let remedy = if why.contains("; ") {
                "then start again"
            } else {
                store.provider.address()
            };
            refuse(store, "cannot be used", format!("{doing} failed: {why}"), remedy)
        }
        other => other,
    })
}

async fn try_all(store: &BucketStore, probes: &str, own: &str) -> Result<(), StoreError> {
    // Asks for the bucket and the permission to list it, which "there is no such file" depends on elsewhere.
    store.list(probes).await?;
    one_after_the_other(store, &format!("{own}/twice")).await?;
    at_once(store, own, &format!("{own}/race")).await?;
    let (staged, path) = (format!("{own}/staged"), format!("{own}/placed"));
    store.stage(&staged, Bytes::from_static(b"moved")).await?;
    store
        .publish(&[Move {
            staged,
            path: path.clone(),
        }])
        .await?;
    if read(store, &path).await? == "moved" {
        Ok(())
    } else {
        Err(broken(store, "does not copy what was written"))
    }
}

async fn one_after_the_other(store: &BucketStore, path: &str) -> Result<(), StoreError> {
    let first = store.create_if_absent(path, Bytes::from_static(b"first")).await?;
    let second = store.create_if_absent(path, Bytes::from_static(b"second")).await?;
    match (first, second) {
        (Creation::Created, Creation::Exists) if read(store, path).await? == "first" => Ok(()),
        (Creation::Created, Creation::Created) => Err(broken(store, "a second create of one file won as well")),
        (Creation::Exists, _) => Err(broken(store, "the first create of a file lost")),
        (Creation::Created, Creation::Exists) => Err(broken(store, "a second create of one file lost, but replaced its content")),
    }
}

async fn at_once(store: &BucketStore, own: &str, path: &str) -> Result<(), StoreError> {
    let racers = (0..RACERS).map(|racer| store.create_if_absent(path, Bytes::from(format!("racer {racer}"))));
    let answers = try_join_all(racers).await?;
    let winners: Vec<usize> = (0..)
        .zip(answers)
        .filter(|(_, answer)| *answer == Creation::Created)
        .map(|(racer, _)| racer)
        .collect();
    let [winner] = winners[..] else {
        return Err(broken(
            store,
            &format!("{} of {RACERS} concurrent creates of one file won", winners.len()),
        ));
    };
    // Before it is read, which could make a listing catch up.
    if !store.list(own).await?.iter().any(|file| file.path == path) {
        return Err(broken(store, "a file that was created is not listed at once"));
    }
    if read(store, path).await? != format!("racer {winner}") {
        return Err(broken(store, "of concurrent creates of one file, the content of a loser stayed"));
    }
    Ok(())
}

async fn read(store: &BucketStore, path: &str) -> Result<String, StoreError> {
    match store.get(path, MOST).await {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(StoreError::Missing { .. }) => Err(broken(store, "a file that was written is not there")),
        Err(error) => Err(error),
    }
}

/// Removes the files of this probe, and what a crash left of earlier ones.
async fn remove(store: &BucketStore, probes: &str, own: &str) -> Result<(), StoreError> {
    let files = store.list(probes).await?;
    let is_own = |path: &str| path.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
    let now = files.iter().filter(|file| is_own(&file.path)).map(|file| file.modified).max();
    for file in files {
        if is_own(&file.path) || now.is_some_and(|now| file.modified < now - LEFT) {
            store.delete(&file.path).await?;
        }
    }
    Ok(())
}

fn broken(store: &BucketStore, why: &str) -> StoreError {
    let remedy = "without that, two processes could both believe that they committed; use a store with conditional writes (If-None-Match), \
                  or a local directory, as `output.url`";
    refuse(store, "does not keep create-if-absent", why.to_owned(), remedy)
}

fn refuse(store: &BucketStore, what: &str, why: String, remedy: &str) -> StoreError {
    StoreError::Fatal {
        what: format!("the output {} {what}", store.location()),
        why,
        remedy: remedy.to_owned(),
    }
}
