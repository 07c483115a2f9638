//! An output whose input was closed: what a start on it still has to do, and what it tells.

use tidegauge_aggregate::time::EventTime;
use tidegauge_ingest::kafka::ProbedTopic;

use super::commit::Committer;
use super::recover::from_log;
use super::{PipelineError, Summary};

impl Committer {
    /// Publishes what is left where a process died between the entry that closed the input and its publication.
    pub(crate) async fn finish_closing(&mut self) -> Result<(), PipelineError> {
        let published = self.log.state().publication.as_ref().and_then(|p| p.watermark);
        if from_log(published) != EventTime::MAX {
            self.be_reporter(true).await?;
            self.publish(EventTime::MAX).await?;
        }
        Ok(())
    }

    /// The summary again for a bounded run that finds nothing new; anything else is refused.
    pub(crate) async fn closed(&mut self, topics: &[ProbedTopic], until_end: bool) -> Result<Summary, PipelineError> {
        let refuse = |why: String| {
            let location = self.log.store().location();
            Err(PipelineError {
                message: format!("{location}: the input of this output was closed by --close{why}: choose another output.url for more"),
                usage: false,
                again: false,
            })
        };
        if !until_end {
            return refuse(", so nothing can be added to it".to_owned());
        }
        for topic in topics {
            for (partition, marks) in &topic.partitions {
                let to = self.log.state().next_offset(&topic.name, *partition).unwrap_or(0);
                if to < marks.high {
                    let name = &topic.name;
                    return refuse(format!(
                        " with {name}[{partition}] at offset {to}, and the topic goes on to {}",
                        marks.high
                    ));
                }
            }
        }
        self.finish_closing().await?;
        Ok(Summary::of(self.log.state()))
    }
}
