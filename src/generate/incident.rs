//! What can go wrong, and how it is written on a command line.

use std::fmt;
use std::str::FromStr;

use super::options::{InvalidOption, product_named};
use super::world::PRODUCTS;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentKind {
    /// Attempts meet errors, and most of them fail.
    ErrorSpike,
    /// Everything takes longer, and people give up.
    Slow,
    /// A task fails for everyone.
    CheckoutOutage,
    /// People leave.
    ChurnWave,
    /// People contact support, which answers late.
    SupportFlood,
}

impl IncidentKind {
    /// Every kind.
    pub const ALL: [IncidentKind; 5] = [
        IncidentKind::ErrorSpike,
        IncidentKind::Slow,
        IncidentKind::CheckoutOutage,
        IncidentKind::ChurnWave,
        IncidentKind::SupportFlood,
    ];

    /// Its name on a command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentKind::ErrorSpike => "error_spike",
            IncidentKind::Slow => "slow",
            IncidentKind::CheckoutOutage => "checkout_outage",
            IncidentKind::ChurnWave => "churn_wave",
            IncidentKind::SupportFlood => "support_flood",
        }
    }

    /// Where it strikes unless told otherwise: product, task, platform.
    fn usual_place(self) -> (Option<&'static str>, Option<&'static str>, Option<&'static str>) {
        match self {
            IncidentKind::ErrorSpike => (Some("shop"), Some("add_to_cart"), Some("ios")),
            IncidentKind::Slow => (Some("bank-app"), None, None),
            IncidentKind::CheckoutOutage => (Some("shop"), Some("checkout"), None),
            IncidentKind::ChurnWave => (Some("bank-app"), None, None),
            IncidentKind::SupportFlood => (Some("shop"), None, None),
        }
    }
}

/// One thing that goes wrong for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// When it starts, after the start of the traffic.
    pub start_ms: i64,
    /// How long it lasts.
    pub duration_ms: i64,
    /// What it is.
    pub kind: IncidentKind,
    /// Only this product; `None` is all of them.
    pub product: Option<String>,
    /// Only this task; `None` is all of them.
    pub task: Option<String>,
    /// Only this platform; `None` is all of them.
    pub platform: Option<String>,
    /// Only people who run the newest release.
    pub newest_only: bool,
    /// How bad it is, 0 to 1.
    pub strength: f64,
}

/// Incidents of every kind in turn, at regular times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// From the start of one to the start of the next; the first comes after half of it.
    pub every_ms: i64,
    /// How long each lasts.
    pub duration_ms: i64,
    /// How bad each is, 0 to 1.
    pub strength: f64,
}

impl Default for Schedule {
    /// Every five minutes for two.
    fn default() -> Schedule {
        Schedule {
            every_ms: 300_000,
            duration_ms: 120_000,
            strength: 0.7,
        }
    }
}

impl Schedule {
    /// Which incident goes on at an offset from the start, if any, and until when that answer holds.
    pub(super) fn at(&self, offset: i64) -> (Option<Incident>, i64) {
        let first = self.every_ms / 2;
        if offset < first {
            return (None, first);
        }
        let number = (offset - first) / self.every_ms;
        let start_ms = first + number * self.every_ms;
        let duration_ms = self.duration_ms.min(self.every_ms);
        if offset >= start_ms + duration_ms {
            return (None, start_ms + self.every_ms);
        }
        let kind = IncidentKind::ALL[(number % IncidentKind::ALL.len() as i64) as usize];
        (
            Some(Incident {
                start_ms,
                duration_ms,
                strength: self.strength,
                ..Incident::usual(kind)
            }),
            start_ms + duration_ms,
        )
    }
}

impl Incident {
    /// The kind at its usual place, from the start, for five minutes, at strength 0.7.
    #[must_use]
    pub fn usual(kind: IncidentKind) -> Incident {
        let (product, task, platform) = kind.usual_place();
        Incident {
            start_ms: 0,
            duration_ms: 300_000,
            kind,
            product: product.map(str::to_owned),
            task: task.map(str::to_owned),
            platform: platform.map(str::to_owned),
            newest_only: false,
            strength: 0.7,
        }
    }

    pub(super) fn check(&self) -> Result<(), InvalidOption> {
        let name = self.kind.as_str();
        let refuse = |text: String| Err(InvalidOption(format!("incident {name}: {text}")));
        if self.start_ms < 0 || self.duration_ms <= 0 || self.start_ms.checked_add(self.duration_ms).is_none() {
            return refuse(format!(
                "it starts at {} ms for {} ms; it must start at 0 or later and last",
                self.start_ms, self.duration_ms
            ));
        }
        if !(0.0..=1.0).contains(&self.strength) {
            return refuse(format!("strength is {}; it must be 0 to 1", self.strength));
        }
        let products: Vec<_> = match self.product.as_deref() {
            None => PRODUCTS.iter().collect(),
            Some(wanted) => match product_named(wanted) {
                Some(index) => vec![&PRODUCTS[usize::from(index)]],
                None => {
                    return refuse(format!(
                        "no product `{wanted}`; there are {}",
                        list(PRODUCTS.iter().map(|p| p.name))
                    ));
                }
            },
        };
        if let Some(wanted) = self.task.as_deref() {
            let tasks = products.iter().flat_map(|product| product.tasks).map(|task| task.name);
            if !tasks.clone().any(|task| task == wanted) {
                return refuse(format!("no task `{wanted}`; there are {}", list(tasks)));
            }
        }
        if let Some(wanted) = self.platform.as_deref() {
            let platforms = products.iter().flat_map(|product| product.platforms).map(|platform| platform.name);
            if !platforms.clone().any(|platform| platform == wanted) {
                return refuse(format!("no platform `{wanted}`; there are {}", list(platforms)));
            }
        }
        Ok(())
    }
}

fn list(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}ms+{}ms", self.kind.as_str(), self.start_ms, self.duration_ms)?;
        if let Some(product) = &self.product {
            write!(f, ":{product}")?;
        }
        if let Some(task) = &self.task {
            write!(f, "/{task}")?;
        }
        write!(f, "*{}", self.strength)
    }
}

/// `KIND[@START][+DURATION][:PRODUCT[/TASK]][*STRENGTH]`, as in `checkout_outage@10m+5m:shop/checkout*0.8`.
impl FromStr for Incident {
    type Err = InvalidOption;

    fn from_str(text: &str) -> Result<Incident, InvalidOption> {
        let (rest, strength) = split(text, '*');
        let (rest, place) = split(rest, ':');
        let (rest, duration) = split(rest, '+');
        let (kind, start) = split(rest, '@');
        let Some(kind) = IncidentKind::ALL.into_iter().find(|known| known.as_str() == kind) else {
            let known = list(IncidentKind::ALL.into_iter().map(IncidentKind::as_str));
            return Err(InvalidOption(format!("incident `{text}`: no kind `{kind}`; there are {known}")));
        };
        let mut incident = Incident::usual(kind);
        if let Some(start) = start {
            incident.start_ms = milliseconds(text, start)?;
        }
        if let Some(duration) = duration {
            incident.duration_ms = milliseconds(text, duration)?;
        }
        if let Some(place) = place {
            let (product, task) = split(place, '/');
            incident.product = Some(product.to_owned()).filter(|name| !name.is_empty());
            incident.task = task.map(str::to_owned);
            incident.platform = None;
        }
        if let Some(strength) = strength {
            let parsed = strength.parse().ok();
            incident.strength =
                parsed.ok_or_else(|| InvalidOption(format!("incident `{text}`: strength `{strength}` is no number; write 0 to 1")))?;
        }
        incident.check()?;
        Ok(incident)
    }
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn milliseconds(whole: &str, text: &str) -> Result<i64, InvalidOption> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let value = text[..digits]
        .parse::<i64>()
        .ok()
        .zip(unit)
        .and_then(|(value, unit)| value.checked_mul(unit));
    value.ok_or_else(|| InvalidOption(format!("incident `{whole}`: `{text}` is no duration; write it like 90s, 5m or 1h")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_incident_is_read_from_its_short_form() {
        let incident: Incident = "checkout_outage@10m+90s:shop/search*0.5".parse().unwrap();
        assert_eq!((incident.start_ms, incident.duration_ms, incident.strength), (600_000, 90_000, 0.5));
        assert_eq!(
            (incident.product.as_deref(), incident.task.as_deref()),
            (Some("shop"), Some("search"))
        );
        assert_eq!("slow".parse::<Incident>().unwrap(), Incident::usual(IncidentKind::Slow));
        let shown = incident.to_string();
        assert_eq!(shown.parse::<Incident>().unwrap(), incident);
    }

    #[test]
    fn a_mistake_says_what_would_be_right() {
        let message = |text: &str| text.parse::<Incident>().unwrap_err().to_string();
        assert!(message("earthquake").contains("error_spike, slow"));
        assert!(message("slow@5").contains("`5` is no duration"));
        assert!(message("slow:shoe").contains("shop, bank-app, docs"));
        assert!(message("checkout_outage:docs/checkout").contains("find_article"));
        assert!(message("slow*2").contains("0 to 1"));
        assert!(message("slow*x").contains("no number"));
    }

    #[test]
    fn a_schedule_goes_through_every_kind() {
        let schedule = Schedule {
            every_ms: 100,
            duration_ms: 40,
            strength: 0.5,
        };
        assert_eq!(schedule.at(0), (None, 50));
        let kinds: Vec<_> = (0..6)
            .filter_map(|n| schedule.at(60 + 100 * n).0.map(|incident| incident.kind))
            .collect();
        assert_eq!(kinds[..5], IncidentKind::ALL);
        assert_eq!(kinds[5], IncidentKind::ErrorSpike);
        assert_eq!(schedule.at(90), (None, 150));
    }
}
