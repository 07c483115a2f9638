//! Looking: which topics there are, and what their newest records say.

use std::time::Duration;

use serde_json::{Value, json};
use tidegauge_ingest::decode::DecodeLimits;
use tidegauge_ingest::kafka::{self, ProbedTopic, Sampling};

use super::draft::Draft;
use super::seen::Seen;
use crate::cli::failure::Failure;
use crate::cli::hidden::plain;
use crate::cli::output::Style;
use crate::cli::sample::Sample;

/// How long the cluster has to answer, and then each topic.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of records of a topic.
const BYTES: usize = 64 << 20;
/// Topics that are looked at when none is named.
const TOPICS: usize = 50;

/// What was found.
pub(super) struct Found {
    cluster_id: Option<String>,
    /// Those to read.
    pub(super) chosen: Vec<Looked>,
    /// Those that hold no events, and were not asked for.
    pub(super) left: Vec<Looked>,
    /// Names beyond those that were looked at.
    pub(super) unseen: Vec<String>,
    pub(super) problems: Vec<String>,
    pub(super) seen: Seen,
}

/// A topic, and what its sample holds.
pub(super) struct Looked {
    pub(super) topic: ProbedTopic,
    pub(super) sample: Sample,
}

impl Found {
    /// Looks at the named topics, or at all.
    pub(super) fn look(draft: &Draft, named: &[String], records: u32) -> Result<Found, Failure> {
        let probe = |topics: &[String]| kafka::probe(&draft.settings(topics), PATIENCE).map_err(|error| Failure::Running(error.message));
        if let Some(pattern) = named.iter().find(|name| name.starts_with('^')) {
            return Err(Failure::Usage(format!(
                "--topic {pattern}: an expression cannot be looked at; name topics, and put the expression into the file afterwards"
            )));
        }
        let (names, unseen) = if named.is_empty() {
            let mut names = probe(&[])?.visible;
            let unseen = names.split_off(names.len().min(TOPICS));
            (names, unseen)
        } else {
            (named.to_vec(), Vec::new())
        };
        let probe = probe(&names)?;
        let mut found = Found {
            cluster_id: probe.cluster_id,
            chosen: Vec::new(),
            left: Vec::new(),
            unseen,
            problems: probe.problems,
            seen: Seen::default(),
        };
        if !named.is_empty() && probe.topics.len() < named.len() {
            return Err(Failure::Running(found.problems.join("\n")));
        }
        let settings = draft.settings(&names);
        let spec = &draft.config.spec;
        let limits = DecodeLimits {
            max_record_bytes: spec.max_record_bytes,
            max_future_skew: spec.max_future_skew,
        };
        let sampling = Sampling {
            records: records as usize,
            bytes: BYTES,
            time: PATIENCE,
        };
        for topic in probe.topics {
            let seen = &mut found.seen;
            let sample = Sample::take(&settings, &topic, sampling, limits, &mut |record, event| seen.add(record, event));
            let sample = sample.unwrap_or_else(|problem| {
                found.problems.push(problem);
                Sample::default()
            });
            let wanted = !named.is_empty() || sample.accepted > 0;
            let looked = Looked { topic, sample };
            if wanted { &mut found.chosen } else { &mut found.left }.push(looked);
        }
        Ok(found)
    }

    /// Why there is nothing to write.
    pub(super) fn nothing_to_read(&self) -> String {
        if self.left.is_empty() {
            let because: String = self.problems.iter().map(|problem| format!("\n  {problem}")).collect();
            return format!(
                "there is no topic that this user may see; nothing was written. Send events to a topic (docs/events.md has the contract), or grant \
                 DESCRIBE and READ{because}"
            );
        }
        let lines = self.left.iter().flat_map(Looked::lines);
        let lines: String = lines.map(|line| format!("\n  {}", plain(&line))).collect();
        format!(
            "no topic holds events of the contract yet (docs/events.md); nothing was written. Send some, or take a topic as it is with \
             `--topic NAME`{lines}{}",
            self.more()
        )
    }

    fn more(&self) -> String {
        match self.unseen.len() {
            0 => String::new(),
            count => format!("\n  {count} more topics were not looked at; name those that matter with --topic"),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let topics = |of: &[Looked], read: bool| -> Vec<Value> {
            let each = |looked: &Looked| {
                let mut topic = looked.sample.to_json(&looked.topic);
                topic["read"] = read.into();
                topic
            };
            of.iter().map(each).collect()
        };
        let all = [topics(&self.chosen, true), topics(&self.left, false)].concat();
        json!({
            "cluster_id": self.cluster_id,
            "topics": all,
            "not_looked_at": self.unseen,
            "seen": self.seen.to_json(),
            "problems": self.problems,
        })
    }

    pub(super) fn describe(&self, style: Style) -> String {
        let mut text = String::new();
        let mut line = |title: &str, rest: &str| text.push_str(&format!("{}{}\n", style.title(&format!("{title:<12}")), plain(rest)));
        for (title, topics) in [("reads", &self.chosen), ("leaves out", &self.left)] {
            for looked in topics {
                let mut lines = looked.lines().into_iter();
                line(title, &lines.next().unwrap_or_default());
                lines.for_each(|rest| line("", &rest));
            }
        }
        for (title, names) in self.seen.lists() {
            line(title, &names);
        }
        for problem in &self.problems {
            line("problem", problem);
        }
        if self.chosen.iter().all(|looked| looked.sample.accepted == 0) {
            line(
                "note",
                "no event was seen yet, so nothing is suggested; docs/events.md has the contract, and `init --force` looks again",
            );
        }
        text + self.more().trim_start_matches('\n')
    }
}

impl Looked {
    /// One line on the topic, and one for each example of what is refused.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.topic.name, self.sample.describe(&self.topic))];
        lines.extend(
            self.sample
                .examples
                .iter()
                .map(|example| format!("  {}", example.describe(&self.topic))),
        );
        lines
    }
}
