//! What the entries up to one add up to, and which entry may follow. Pure: no store, no clock.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CommitError, DataFile, Entry, FileRef, Genesis, Kind, Nonce, PartitionEntry, Publication, WriterId};

/// The newest entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its position in the chain.
    pub seq: u64,
    /// Its name.
    pub nonce: Nonce,
}

/// Where one partition stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The entry that says so.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub newest: PartitionEntry,
}

/// Where publishing stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationState {
    /// The newest publication.
    pub seq: u64,
    /// All entries up to this one are in its results.
    pub through: u64,
    /// The published watermark.
    pub watermark: Option<i64>,
    /// By window, the end of its last position published.
    pub ends: BTreeMap<String, i64>,
}

/// What a table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableTotals {
    /// Files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
}

/// What the log says as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogState {
    /// The newest entry.
    pub head: Head,
    /// Version of the results.
    pub results: u32,
    /// Number of the epoch.
    pub epoch: u64,
    /// What the pipeline is now: genesis with all later changes.
    pub identity: Genesis,
    /// Where each partition stands that any entry is about, by topic and partition; also those of topics that left.
    #[serde(with = "as_list")]
    pub partitions: BTreeMap<(String, i32), Position>,
    /// Where publishing stands; none before the first publication.
    pub publication: Option<PublicationState>,
    /// What each table holds.
    pub tables: BTreeMap<String, TableTotals>,
    /// Writers whose staged files are void.
    pub fenced: BTreeSet<WriterId>,
    /// The entry that ended the input.
    pub closed: Option<u64>,
    /// Number of gaps recorded.
    pub gaps: u64,
    /// The newest entry that announces a checkpoint.
    #[serde(default)]
    pub announced: Option<u64>,
}

/// JSON has no keys but strings, so positions are written as a list; each says its topic and partition itself.
mod as_list {
    use super::{BTreeMap, Deserialize, Deserializer, Position, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(map: &BTreeMap<(String, i32), Position>, serializer: S) -> Result<S::Ok, S::Error> {
        map.values().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<(String, i32), Position>, D::Error> {
        let list = Vec::<Position>::deserialize(deserializer)?;
        Ok(list
            .into_iter()
            .map(|p| ((p.newest.topic.clone(), p.newest.partition), p))
            .collect())
    }
}

/// An entry before it has a place in the chain. Make one with [`super::CommitLog::draft`].
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Its name; the files that it names carry it.
    pub nonce: Nonce,
    /// The head when it was begun. Whoever computes a publication again for the same draft sets it to the head of that moment.
    pub based_on: Head,
    /// What kind of entry it will be.
    pub kind: Kind,
    /// As in [`Entry`].
    pub partitions: Vec<PartitionEntry>,
    /// As in [`Entry`].
    pub files: Vec<DataFile>,
    /// As in [`Entry`].
    pub delta: Option<FileRef>,
    /// As in [`Entry`].
    pub publication: Option<Publication>,
}

impl LogState {
    /// The state after a genesis entry; `None` for any other.
    #[must_use]
    pub fn begin(entry: &Entry) -> Option<LogState> {
        let Kind::Genesis { genesis } = &entry.kind else { return None };
        Some(LogState {
            head: Head {
                seq: entry.seq,
                nonce: entry.nonce,
            },
            results: entry.results,
            epoch: entry.epoch,
            identity: genesis.clone(),
            partitions: BTreeMap::new(),
            publication: None,
            tables: BTreeMap::new(),
            fenced: BTreeSet::new(),
            closed: None,
            gaps: 0,
            announced: None,
        })
    }

    /// The offset from which a partition goes on; `None` for a topic that the pipeline does not have.
    #[must_use]
    pub fn next_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        let known = self.identity.topics.iter().find(|t| t.topic == topic)?;
        if let Some(position) = self.position(topic, partition) {
            return Some(position.newest.to);
        }
        Some(known.partitions.iter().find(|p| p.partition == partition).map_or(0, |p| p.start))
    }

    /// The newest that an entry says of a partition.
    #[must_use]
    pub fn position(&self, topic: &str, partition: i32) -> Option<&Position> {
        self.partitions.get(&(topic.to_owned(), partition))
    }

    /// The entry that a draft becomes if it is written now. A partition without a new snapshot keeps its newest one.
    #[must_use]
    pub fn entry(&self, draft: &Draft, writer: WriterId, results: u32, written_at: i64) -> Entry {
        let mut partitions = draft.partitions.clone();
        for p in partitions.iter_mut().filter(|p| p.snapshot.is_none()) {
            p.snapshot = self
                .position(&p.topic, p.partition)
                .and_then(|position| position.newest.snapshot.clone());
        }
        let opens_epoch = u64::from(matches!(draft.kind, Kind::Epoch { .. }));
        Entry {
            results,
            epoch: self.epoch + opens_epoch,
            seq: self.head.seq + 1,
            nonce: draft.nonce,
            previous: self.head.nonce,
            writer,
            written_at,
            kind: draft.kind.clone(),
            partitions,
            files: draft.files.clone(),
            delta: draft.delta.clone(),
            publication: draft.publication.clone(),
        }
    }

    /// Rules 1, 6 and 7: whether a draft may become the next entry.
    ///
    /// # Errors
    /// Why not, named by what the writer has to do.
    pub fn check(&self, draft: &Draft) -> Result<(), CommitError> {
        let refused = |why: String| Err(CommitError::Refused { nonce: draft.nonce, why });
        if let Some(seq) = self.closed
            && (draft.partitions.iter().any(|p| p.from < p.to) || matches!(draft.kind, Kind::Close | Kind::Gap { .. } | Kind::Epoch { .. }))
        {
            return Err(CommitError::Closed { seq });
        }
        if let Kind::Checkpoint { after } = draft.kind
            && after != self.announced
        {
            let (seq, checkpoint) = (after.unwrap_or(0), self.announced.unwrap_or(0));
            return Err(CommitError::Overtaken { seq, checkpoint });
        }
        let mut seen = BTreeSet::new();
        for p in &draft.partitions {
            if !seen.insert((&p.topic, p.partition)) {
                return refused(format!("{}[{}] is in it twice", p.topic, p.partition));
            }
            let Some(newest) = self.next_offset(&p.topic, p.partition) else {
                return refused(format!(
                    "the topic {} is none of the pipeline's; `--reconfigure` lets it join",
                    p.topic
                ));
            };
            if p.from < newest {
                return Err(CommitError::Zombie {
                    topic: p.topic.clone(),
                    partition: p.partition,
                    from: p.from,
                    newest,
                });
            }
            if p.from > newest {
                return refused(format!(
                    "{}[{}] would go on from {}, but the log ends at {newest}",
                    p.topic, p.partition, p.from
                ));
            }
        }
        draft
            .publication
            .as_ref()
            .map_or(Ok(()), |publication| self.check_publication(draft, publication))
    }

    fn check_publication(&self, draft: &Draft, publication: &Publication) -> Result<(), CommitError> {
        let newest = self.publication.as_ref().map(|p| p.seq);
        let stale = |newest: String| {
            Err(CommitError::StalePublication {
                previous: publication.previous,
                through: publication.through,
                newest,
            })
        };
        if publication.previous != newest {
            return stale(newest.map_or("there is none yet".to_owned(), |seq| {
                format!("the newest publication is entry {seq}")
            }));
        }
        // A checkpoint keeps panes, and not which entry they came from: whatever is published after it has to contain all of it.
        if let Some(seq) = self.announced.filter(|announced| publication.through < *announced) {
            return stale(format!("entry {seq} announces a checkpoint"));
        }
        // Results that include the draft's own deltas hold only if no other entry came between.
        if publication.through > draft.based_on.seq && (publication.through != self.head.seq + 1 || draft.based_on.seq != self.head.seq) {
            return stale(format!("the newest entry is {}", self.head.seq));
        }
        Ok(())
    }

    /// Adds the next entry of the chain.
    ///
    /// # Errors
    /// How the entry does not follow; then nothing is changed.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), String> {
        self.follows(entry)?;
        self.head = Head {
            seq: entry.seq,
            nonce: entry.nonce,
        };
        self.results = entry.results;
        self.epoch = entry.epoch;
        match &entry.kind {
            Kind::Epoch { change } => self.reconfigure(entry.seq, change),
            Kind::Fence { fenced } => drop(self.fenced.insert(*fenced)),
            Kind::Gap { .. } => self.gaps = self.gaps.saturating_add(1),
            Kind::Close => self.closed = Some(entry.seq),
            Kind::Checkpoint { .. } => self.announced = Some(entry.seq),
            Kind::Genesis { .. } | Kind::Commit | Kind::Publication => {}
        }
        for p in &entry.partitions {
            self.partitions.insert(
                (p.topic.clone(), p.partition),
                Position {
                    seq: entry.seq,
                    newest: p.clone(),
                },
            );
        }
        for file in &entry.files {
            let table = self.tables.entry(file.table.clone()).or_default();
            table.files = table.files.saturating_add(1);
            table.rows = table.rows.saturating_add(file.rows);
            table.bytes = table.bytes.saturating_add(file.bytes);
        }
        if let Some(new) = &entry.publication {
            let mut ends = self.publication.take().map(|p| p.ends).unwrap_or_default();
            ends.extend(new.windows.iter().map(|w| (w.window.clone(), w.to_end)));
            self.publication = Some(PublicationState {
                seq: entry.seq,
                through: new.through,
                watermark: new.watermark,
                ends,
            });
        }
        Ok(())
    }

    fn follows(&self, entry: &Entry) -> Result<(), String> {
        if entry.seq.checked_sub(1) != Some(self.head.seq) {
            return Err(format!("it says that it is entry {} right after {}", entry.seq, self.head.seq));
        }
        if entry.previous != self.head.nonce {
            return Err(format!(
                "it follows {}, but entry {} is {}",
                entry.previous, self.head.seq, self.head.nonce
            ));
        }
        let opens_epoch = u64::from(matches!(entry.kind, Kind::Epoch { .. }));
        if entry.epoch.checked_sub(opens_epoch) != Some(self.epoch) {
            return Err(format!("it is of epoch {} and does not follow epoch {}", entry.epoch, self.epoch));
        }
        if entry.results < self.results {
            return Err(format!("its results version {} is lower than {}", entry.results, self.results));
        }
        if self.fenced.contains(&entry.writer) {
            return Err(format!("its writer {} was fenced before", entry.writer));
        }
        if let (Some(seq), Some(p)) = (self.closed, entry.partitions.iter().find(|p| p.from < p.to)) {
            return Err(format!(
                "it moves {}[{}] although entry {seq} closed the input",
                p.topic, p.partition
            ));
        }
        for p in &entry.partitions {
            let newest = self.next_offset(&p.topic, p.partition);
            if newest != Some(p.from) {
                let newest = newest.map_or("an unknown topic".to_owned(), |offset| offset.to_string());
                return Err(format!(
                    "it moves {}[{}] on from {}, which was at {newest}",
                    p.topic, p.partition, p.from
                ));
            }
        }
        if let Kind::Checkpoint { after } = entry.kind
            && after != self.announced
        {
            return Err(format!(
                "it announces a checkpoint after {after:?}, but the newest announced is {:?}",
                self.announced
            ));
        }
        let newest = self.publication.as_ref().map(|p| p.seq);
        match &entry.publication {
            Some(p) if p.previous != newest => Err(format!("its publication follows {:?}, but the newest is {newest:?}", p.previous)),
            _ => Ok(()),
        }
    }

    fn reconfigure(&mut self, seq: u64, change: &super::EpochChange) {
        self.identity.spec = change.spec.clone();
        self.identity.least_reader = change.least_reader;
        self.identity.least_writer = change.least_writer;
        self.identity
            .topics
            .retain(|t| !change.leaves.contains(&t.topic) && !change.joins.iter().any(|new| new.topic == t.topic));
        self.identity.topics.extend(change.joins.iter().cloned());
        // A topic that comes back starts where the change says, and keeps only what the summary counted before.
        for topic in &change.joins {
            for ((_, partition), position) in self.partitions.iter_mut().filter(|((name, _), _)| *name == topic.topic) {
                let start = topic.partitions.iter().find(|p| p.partition == *partition).map_or(0, |p| p.start);
                let newest = &mut position.newest;
                (newest.from, newest.to, newest.watermark, newest.idle) = (start, start, None, false);
                (newest.last, newest.snapshot, position.seq) = (None, None, seq);
            }
        }
    }
}
