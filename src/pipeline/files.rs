//! Recorded events as a source: `<topic>/<partition>.jsonl`, a line per record, offsets are line numbers from 0.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tidegauge_aggregate::record::Record;
use tidegauge_ingest::source::{PartitionReader, PartitionRef, ReadError, ReadState};

use super::PipelineError;

/// One line.
#[derive(Deserialize)]
struct Line<'a> {
    timestamp: Option<i64>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value_base64: Option<Cow<'a, str>>,
}

/// A partition's file.
#[derive(Debug)]
pub(crate) struct RecordFile {
    pub(crate) partition: PartitionRef,
    pub(crate) path: PathBuf,
    /// Lines: the end offset.
    pub(crate) end: i64,
}

fn failed(path: &Path, what: &str, error: &dyn std::fmt::Display) -> PipelineError {
    PipelineError {
        message: format!("{}: {what}: {error}", path.display()),
        usage: false,
        again: false,
    }
}

fn misused(message: String) -> PipelineError {
    PipelineError {
        message,
        usage: true,
        again: false,
    }
}

/// The record files of a directory, in order of topic and partition.
pub(crate) fn find(directory: &Path) -> Result<Vec<RecordFile>, PipelineError> {
    let layout = "expected <topic>/<partition>.jsonl, as `tidegauge generate --output` writes";
    let mut found = BTreeMap::new();
    let topics = directory.read_dir().map_err(|e| {
        misused(format!(
            "{}: cannot be read as a directory of records: {e}; {layout}",
            directory.display()
        ))
    })?;
    for topic in topics {
        let topic = topic.map_err(|e| failed(directory, "cannot be listed", &e))?.path();
        let Some(name) = topic.file_name().and_then(|n| n.to_str()).filter(|_| topic.is_dir()) else {
            continue;
        };
        for file in topic.read_dir().map_err(|e| failed(&topic, "cannot be listed", &e))? {
            let path = file.map_err(|e| failed(&topic, "cannot be listed", &e))?.path();
            let number = path
                .file_name()
                .and_then(|n| n.to_str())
                .and_then(|n| n.strip_suffix(".jsonl"))
                .map(str::parse::<i32>);
            match number {
                Some(Ok(partition)) if partition >= 0 => {
                    found.insert((name.to_owned(), partition), path);
                }
                Some(_) => return Err(misused(format!("{}: the name is no partition number; {layout}", path.display()))),
                None => (),
            }
        }
    }
    if found.is_empty() {
        return Err(misused(format!("{}: there are no records; {layout}", directory.display())));
    }
    found
        .into_iter()
        .map(|((topic, partition), path)| {
            let end = count_lines(&path)?;
            Ok(RecordFile {
                partition: PartitionRef::new(topic, partition),
                path,
                end,
            })
        })
        .collect()
}

/// Lines of a file; a last one without a line feed counts.
fn count_lines(path: &Path) -> Result<i64, PipelineError> {
    let mut file = File::open(path).map_err(|e| failed(path, "cannot be opened", &e))?;
    let (mut lines, mut last) = (0, b'\n');
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(|e| failed(path, "cannot be read", &e))?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        lines += part.iter().filter(|b| **b == b'\n').count() as i64;
        last = part.last().copied().unwrap_or(last);
    }
    Ok(lines + i64::from(last != b'\n'))
}

/// Reads one file.
pub(crate) struct FileReader {
    partition: PartitionRef,
    path: PathBuf,
    lines: BufReader<File>,
    position: i64,
    end: i64,
    line: Vec<u8>,
    value: Vec<u8>,
}

impl FileReader {
    /// Begins at an offset.
    pub(crate) fn open(file: &RecordFile, offset: i64) -> Result<FileReader, PipelineError> {
        let lines = File::open(&file.path).map_err(|e| failed(&file.path, "cannot be opened", &e))?;
        let mut reader = FileReader {
            partition: file.partition.clone(),
            path: file.path.clone(),
            lines: BufReader::with_capacity(1 << 18, lines),
            position: 0,
            end: file.end,
            line: Vec::new(),
            value: Vec::new(),
        };
        reader.skip_to(offset).map_err(|e| failed(&file.path, "cannot be read", &e))?;
        Ok(reader)
    }

    fn skip_to(&mut self, offset: i64) -> std::io::Result<()> {
        while self.position < offset {
            self.line.clear();
            if self.lines.read_until(b'\n', &mut self.line)? == 0 {
                break;
            }
            self.position += 1;
        }
        Ok(())
    }

    fn refused(&self, reason: String) -> ReadError {
        let line = self.position + 1;
        ReadError::Refused {
            partition: self.partition.clone(),
            position: self.position,
            reason: format!("{}:{line}: {reason}", self.path.display()),
        }
    }
}

const FORM: &str = r#"expected {"timestamp": ms or null, "key": string or null, "value": string or null}, or "value_base64""#;

impl PartitionReader for FileReader {
    fn topic(&self) -> &str {
        &self.partition.topic
    }

    fn partition(&self) -> i32 {
        self.partition.partition
    }

    fn read(&mut self, limit: usize, each: &mut dyn FnMut(&Record<'_>)) -> Result<ReadState, ReadError> {
        let mut records = 0;
        while records < limit && self.position < self.end {
            self.line.clear();
            match self.lines.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(self.refused("the file has become shorter".to_owned())),
                Ok(_) => (),
                Err(error) => return Err(self.refused(format!("cannot be read: {error}"))),
            }
            let line: Line<'_> = match serde_json::from_slice(&self.line) {
                Ok(line) => line,
                Err(error) => return Err(self.refused(format!("no record: {error}; {FORM}"))),
            };
            let value = match (&line.value, &line.value_base64) {
                (Some(_), Some(_)) => return Err(self.refused(format!("both value and value_base64; {FORM}"))),
                (Some(text), None) => Some(text.as_bytes()),
                (None, Some(text)) => {
                    self.value.clear();
                    if let Err(error) = STANDARD.decode_vec(text.as_bytes(), &mut self.value) {
                        return Err(self.refused(format!("value_base64 is no base64: {error}")));
                    }
                    Some(self.value.as_slice())
                }
                (None, None) => None,
            };
            each(&Record {
                topic: &self.partition.topic,
                partition: self.partition.partition,
                offset: self.position,
                timestamp: line.timestamp.filter(|t| *t >= 0),
                key: line.key.as_deref().map(str::as_bytes),
                value,
                headers: &[],
            });
            self.position += 1;
            records += 1;
        }
        Ok(ReadState {
            records,
            position: self.position,
            at_end: self.position >= self.end,
        })
    }

    fn seek(&mut self, offset: i64) -> Result<(), ReadError> {
        let again = File::open(&self.path).map_err(|e| self.refused(format!("cannot be opened again: {e}")))?;
        self.lines = BufReader::with_capacity(1 << 18, again);
        self.position = 0;
        self.skip_to(offset).map_err(|e| self.refused(format!("cannot be read: {e}")))
    }
}
