//! The top-level names of the event contract.

macro_rules! fields {
    ($($length:literal { $($variant:ident = $name:literal),+ $(,)? })+) => {
        /// A top-level field that the contract knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Field { $($($variant),+),+ }

        impl Field {
            /// Every field.
            pub(super) const ALL: &[Field] = &[$($(Field::$variant),+),+];

            /// The contract's name.
            pub(super) fn as_str(self) -> &'static str {
                match self { $($(Field::$variant => $name),+),+ }
            }

            /// The field of that exact name. Grouped by length, so that few comparisons decide.
            pub(super) fn parse(name: &str) -> Option<Field> {
                match name.len() {
                    $($length => match name { $($name => Some(Field::$variant),)+ _ => None },)+
                    _ => None,
                }
            }
        }
    };
}

fields! {
    4 { Type = "type", Time = "time", Task = "task", Code = "code", Text = "text", Plan = "plan" }
    5 { Scope = "scope", Score = "score" }
    6 { Action = "action", Target = "target", Clicks = "clicks", Errors = "errors", Reason = "reason", Amount = "amount" }
    7 {
        UserId = "user_id", Product = "product", Channel = "channel", Version = "version", Country = "country", Segment = "segment",
        Outcome = "outcome", Message = "message", Answers = "answers", Comment = "comment",
    }
    8 {
        EventId = "event_id", Platform = "platform", Severity = "severity", Category = "category", Priority = "priority",
        Currency = "currency",
    }
    9 { TicketId = "ticket_id", Sentiment = "sentiment" }
    10 {
        SessionId = "session_id", Attributes = "attributes", AttemptId = "attempt_id", LatencyMs = "latency_ms",
        Instrument = "instrument", Touchpoint = "touchpoint",
    }
    11 { DurationMs = "duration_ms" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_finds_its_field_and_no_other_does() {
        for field in Field::ALL {
            assert_eq!(Field::parse(field.as_str()), Some(*field), "{}", field.as_str());
            assert_eq!(Field::parse(&field.as_str().to_uppercase()), None);
        }
        assert_eq!(Field::ALL.last().map(|field| *field as usize + 1), Some(Field::ALL.len()));
        assert_eq!(Field::parse(""), None);
        assert_eq!(Field::parse("typo"), None);
    }
}
