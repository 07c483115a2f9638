//! Records as files, in the layout that `replay` reads.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::generator::Generator;
use super::json::{decimal, escape};
use super::record::GeneratedRecord;
use super::{FEEDBACK, TELEMETRY, TOPICS};

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records.
    pub records: u64,
    /// Of them, records that the contract refuses.
    pub refused: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// How often progress is told, in records.
const PROGRESS_EVERY: u64 = 16_384;

/// Writes `events` records to `<directory>/<topic>/<partition>.jsonl`, a file for every partition, even an empty one.
/// `progress` hears of the records so far now and then, and at the end.
///
/// # Errors
/// A file cannot be written, or is there already: recorded events are never overwritten. The message names it.
pub fn write_files(directory: &Path, generator: &mut Generator, events: u64, progress: &mut dyn FnMut(&Written)) -> io::Result<Written> {
    let partitions = generator.partitions();
    let mut telemetry = Topic::create(directory, TELEMETRY, partitions)?;
    let mut feedback = Topic::create(directory, FEEDBACK, partitions)?;
    let mut written = Written::default();
    let mut line = Vec::with_capacity(1024);
    while written.records < events {
        let record = generator.draw();
        let topic = if record.topic == TOPICS[0] { &mut telemetry } else { &mut feedback };
        line.clear();
        write_line(&mut line, record);
        topic.append(record.partition, &line)?;
        written.records += 1;
        written.bytes += line.len() as u64;
        written.refused += u64::from(record.refused.is_some());
        if written.records.is_multiple_of(PROGRESS_EVERY) {
            progress(&written);
        }
    }
    telemetry.finish()?;
    feedback.finish()?;
    progress(&written);
    Ok(written)
}

/// One line: `{"timestamp":...,"key":...,"value":...}`.
fn write_line(out: &mut Vec<u8>, record: &GeneratedRecord) {
    out.extend_from_slice(b"{\"timestamp\":");
    decimal(out, record.timestamp);
    out.extend_from_slice(b",\"key\":");
    escape(out, &String::from_utf8_lossy(record.key()));
    match record.value() {
        None => out.extend_from_slice(b",\"value\":null"),
        Some(value) => match std::str::from_utf8(value) {
            Ok(text) => {
                out.extend_from_slice(b",\"value\":");
                escape(out, text);
            }
            Err(_) => {
                out.extend_from_slice(b",\"value_base64\":\"");
                out.extend_from_slice(STANDARD.encode(value).as_bytes());
                out.push(b'"');
            }
        },
    }
    out.extend_from_slice(b"}\n");
}

/// The files of one topic.
struct Topic {
    files: Vec<(PathBuf, BufWriter<File>)>,
}

impl Topic {
    fn create(directory: &Path, topic: &str, partitions: u32) -> io::Result<Topic> {
        let directory = directory.join(topic);
        fs::create_dir_all(&directory).map_err(|error| explain(&error, "create the directory", &directory))?;
        let create = |partition| {
            let path = directory.join(format!("{partition}.jsonl"));
            let file = File::create_new(&path).map_err(|error| explain(&error, "create", &path))?;
            Ok((path, BufWriter::with_capacity(1 << 17, file)))
        };
        Ok(Topic {
            files: (0..partitions).map(create).collect::<io::Result<_>>()?,
        })
    }

    fn append(&mut self, partition: i32, line: &[u8]) -> io::Result<()> {
        let file = usize::try_from(partition).ok().and_then(|partition| self.files.get_mut(partition));
        let (path, file) = file.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a record is for partition {partition}, which was not asked for"),
            )
        })?;
        file.write_all(line).map_err(|error| explain(&error, "write", path))
    }

    fn finish(self) -> io::Result<()> {
        for (path, mut file) in self.files {
            file.flush().map_err(|error| explain(&error, "write", &path))?;
        }
        Ok(())
    }
}

fn explain(error: &io::Error, what: &str, path: &Path) -> io::Error {
    let hint = match error.kind() {
        io::ErrorKind::AlreadyExists => "; choose an empty directory, or remove it first",
        io::ErrorKind::StorageFull => "; make room, or ask for fewer events",
        io::ErrorKind::PermissionDenied => "; choose a directory that you may write to",
        _ => "",
    };
    io::Error::new(error.kind(), format!("cannot {what} {}: {error}{hint}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(value: Option<&[u8]>) -> String {
        let mut record = GeneratedRecord::new();
        record.key.extend_from_slice(b"u-1");
        record.timestamp = 12;
        record.tombstone = value.is_none();
        record.value.extend_from_slice(value.unwrap_or_default());
        let mut out = Vec::new();
        write_line(&mut out, &record);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_bytes_and_tombstones_have_their_own_form() {
        assert_eq!(
            line(Some(b"{\"a\":\"\\n\"}")),
            "{\"timestamp\":12,\"key\":\"u-1\",\"value\":\"{\\\"a\\\":\\\"\\\\n\\\"}\"}\n"
        );
        assert_eq!(
            line(Some(b"\xff")),
            "{\"timestamp\":12,\"key\":\"u-1\",\"value_base64\":\"/w==\"}\n"
        );
        assert_eq!(line(None), "{\"timestamp\":12,\"key\":\"u-1\",\"value\":null}\n");
    }
}
