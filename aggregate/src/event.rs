//! `Event`: one decoded record of the event contract, borrowed from the record's bytes.

use crate::time::EventTime;

/// Greatest length of a dimension value in bytes.
pub const MAX_DIMENSION_BYTES: usize = 128;

/// The dimensions that every event may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Common {
    /// What is measured: an app, a service, a site.
    Product,
    /// `ios`, `android`, `web`, ...
    Platform,
    /// `app`, `web`, `phone`, ...
    Channel,
    /// Release of the product.
    Version,
    /// ISO 3166-1 alpha-2, not checked.
    Country,
    /// Persona, plan or cohort.
    Segment,
}

impl Common {
    /// All of them, in the order of [`Event::common`].
    pub const ALL: [Common; 6] = [
        Common::Product,
        Common::Platform,
        Common::Channel,
        Common::Version,
        Common::Country,
        Common::Segment,
    ];

    /// Field name in the event contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Common::Product => "product",
            Common::Platform => "platform",
            Common::Channel => "channel",
            Common::Version => "version",
            Common::Country => "country",
            Common::Segment => "segment",
        }
    }
}

/// One event that follows the contract. Strings borrow from the record or from the decoder's scratch space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event<'a> {
    /// When it happened.
    pub time: EventTime,
    /// Identity for de-duplication.
    pub event_id: Option<&'a str>,
    /// The person.
    pub user_id: Option<&'a str>,
    /// One visit.
    pub session_id: Option<&'a str>,
    /// Common dimensions, by [`Common`]; an empty value is `None`.
    pub common: [Option<&'a str>; 6],
    /// Free attributes in order of first appearance, without nulls; names are unique (the last value won).
    pub attributes: &'a [Attribute<'a>],
    /// What is particular to the event's type.
    pub body: Body<'a>,
}

impl<'a> Event<'a> {
    /// The value of one common dimension.
    #[must_use]
    pub fn common(&self, dimension: Common) -> Option<&'a str> {
        self.common[dimension as usize]
    }

    /// The event's type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        match self.body {
            Body::TaskStarted { .. } => EventType::TaskStarted,
            Body::TaskFinished { .. } => EventType::TaskFinished,
            Body::TaskAbandoned { .. } => EventType::TaskAbandoned,
            Body::Error { .. } => EventType::Error,
            Body::Interaction { .. } => EventType::Interaction,
            Body::SurveyShown { .. } => EventType::SurveyShown,
            Body::SurveyResponse { .. } => EventType::SurveyResponse,
            Body::Feedback { .. } => EventType::Feedback,
            Body::Ticket { action, .. } => match action {
                TicketAction::Opened => EventType::TicketOpened,
                TicketAction::Responded => EventType::TicketResponded,
                TicketAction::Resolved => EventType::TicketResolved,
                TicketAction::Reopened => EventType::TicketReopened,
                TicketAction::Escalated => EventType::TicketEscalated,
            },
            Body::SignedUp => EventType::SignedUp,
            Body::Referred => EventType::Referred,
            Body::Converted { .. } => EventType::Converted,
            Body::Purchased { .. } => EventType::Purchased,
            Body::Churned { .. } => EventType::Churned,
        }
    }
}

/// One free attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value.
    pub value: AttributeValue<'a>,
}

/// The value of an attribute; a null is the same as none and does not appear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AttributeValue<'a> {
    /// A JSON string, unescaped.
    Text(&'a str),
    /// A JSON number, its text as written.
    Number(&'a str),
    /// A JSON boolean.
    Bool(bool),
}

impl<'a> AttributeValue<'a> {
    /// The value as a dimension: JSON text of numbers and booleans, cut to the longest prefix of whole characters within
    /// [`MAX_DIMENSION_BYTES`]; an empty string is absent.
    #[must_use]
    pub fn as_dimension(&self) -> Option<&'a str> {
        let text = match *self {
            AttributeValue::Text(text) | AttributeValue::Number(text) => text,
            AttributeValue::Bool(true) => "true",
            AttributeValue::Bool(false) => "false",
        };
        if text.is_empty() {
            return None;
        }
        Some(&text[..text.floor_char_boundary(MAX_DIMENSION_BYTES)])
    }
}

/// What is particular to each type of event.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the event contract, which documents them")]
pub enum Body<'a> {
    TaskStarted {
        task: &'a str,
        attempt_id: &'a str,
    },
    TaskFinished {
        task: &'a str,
        attempt_id: &'a str,
        success: bool,
        effort: Effort,
    },
    TaskAbandoned {
        task: &'a str,
        attempt_id: &'a str,
        reason: Option<&'a str>,
        effort: Effort,
    },
    Error {
        code: &'a str,
        severity: Severity,
        task: Option<&'a str>,
        attempt_id: Option<&'a str>,
        message: Option<&'a str>,
    },
    Interaction {
        action: Action,
        target: Option<&'a str>,
        latency_ms: Option<i64>,
    },
    SurveyShown {
        instrument: Instrument,
        scope: Scope,
        task: Option<&'a str>,
        touchpoint: Option<&'a str>,
    },
    SurveyResponse {
        instrument: Instrument,
        /// In millionths; of `sus` from `answers` where there is no `score`.
        score_micros: i64,
        scope: Scope,
        task: Option<&'a str>,
        touchpoint: Option<&'a str>,
        comment: Option<&'a str>,
    },
    Feedback {
        text: Option<&'a str>,
        sentiment_micros: Option<i64>,
        touchpoint: Option<&'a str>,
    },
    Ticket {
        action: TicketAction,
        ticket_id: &'a str,
        category: Option<&'a str>,
        priority: Option<&'a str>,
        touchpoint: Option<&'a str>,
    },
    SignedUp,
    Referred,
    Converted {
        plan: Option<&'a str>,
    },
    Purchased {
        amount_micros: i128,
        currency: Option<&'a str>,
    },
    Churned {
        reason: Option<&'a str>,
    },
}

/// What the end of an attempt may say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of the event contract, which documents them")]
pub struct Effort {
    pub duration_ms: Option<i64>,
    pub clicks: Option<i64>,
    pub errors: Option<i64>,
}

macro_rules! names {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "each variant is the contract's name of the same spelling")]
        $vis enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every variant, in the order of the contract.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The contract's name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The variant of that exact name.
            #[must_use]
            pub fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

names! {
    /// The types of event of the contract.
    pub enum EventType {
        TaskStarted = "task_started",
        TaskFinished = "task_finished",
        TaskAbandoned = "task_abandoned",
        Error = "error",
        Interaction = "interaction",
        SurveyShown = "survey_shown",
        SurveyResponse = "survey_response",
        Feedback = "feedback",
        TicketOpened = "ticket_opened",
        TicketResponded = "ticket_responded",
        TicketResolved = "ticket_resolved",
        TicketReopened = "ticket_reopened",
        TicketEscalated = "ticket_escalated",
        SignedUp = "signed_up",
        Referred = "referred",
        Converted = "converted",
        Purchased = "purchased",
        Churned = "churned",
    }
}

impl EventType {
    /// Whether the type is a telemetry type: how people use the product, as opposed to what they say and decide.
    #[must_use]
    pub fn is_telemetry(self) -> bool {
        (self as u8) <= (EventType::Interaction as u8)
    }
}

names! {
    /// How bad an `error` event is.
    pub enum Severity { Minor = "minor", Major = "major", Fatal = "fatal" }
}

names! {
    /// What an `interaction` was.
    pub enum Action {
        Impression = "impression",
        View = "view",
        Click = "click",
        RageClick = "rage_click",
        DeadClick = "dead_click",
        ErrorClick = "error_click",
    }
}

names! {
    /// The survey instruments.
    pub enum Instrument { Nps = "nps", Csat = "csat", Ces = "ces", Sus = "sus", Seq = "seq" }
}

names! {
    /// What a survey was about.
    pub enum Scope { Brand = "brand", Product = "product", Task = "task", Touchpoint = "touchpoint" }
}

names! {
    /// How an attempt ended.
    pub enum Outcome { Success = "success", Failure = "failure", Abandoned = "abandoned" }
}

/// What happened to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the contract's `ticket_...` type of the same name")]
pub enum TicketAction {
    Opened,
    Responded,
    Resolved,
    Reopened,
    Escalated,
}

/// One attempt fact, as the `attempts` table keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttemptRow<'a> {
    /// When the attempt ended.
    pub time: EventTime,
    /// When it started, if the start was seen.
    pub started: Option<EventTime>,
    /// Its id.
    pub attempt_id: &'a str,
    /// Its task.
    pub task: &'a str,
    /// The person: the end's, else the start's.
    pub user_id: Option<&'a str>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the end was inferred from silence.
    pub inferred: bool,
    /// Time on task, where known.
    pub duration_ms: Option<i64>,
    /// Clicks, where the end said.
    pub clicks: Option<i64>,
    /// Errors during the attempt.
    pub errors: i64,
    /// Common dimensions: the end's, else the start's.
    pub common: [Option<&'a str>; 6],
    /// Values of the configured attribute dimensions, in the order of [`crate::spec::Spec::attribute_names`].
    pub attributes: &'a [Option<&'a str>],
    /// Offset of the record that ended it; none for an inferred end.
    pub offset: Option<i64>,
}
