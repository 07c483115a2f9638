//! What goes wrong at the moment.

use super::incident::{Incident, IncidentKind, Schedule};
use super::options::{Options, product_named};
use super::world::{PRODUCTS, Product, Task};

/// The incidents, and which of them go on.
pub(super) struct Climate {
    start: i64,
    incidents: Vec<Incident>,
    schedule: Option<Schedule>,
    active: Vec<Incident>,
    /// Until when `active` holds.
    holds_until: i64,
}

/// Who is asking.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) product: u8,
    pub(super) platform: u8,
    pub(super) newest: bool,
}

impl Climate {
    pub(super) fn new(options: &Options) -> Climate {
        let mut climate = Climate {
            start: options.start,
            incidents: options.incidents.clone(),
            schedule: options.schedule,
            active: Vec::new(),
            holds_until: options.start,
        };
        climate.advance(options.start);
        climate
    }

    /// Moves on to a later time.
    pub(super) fn advance(&mut self, time: i64) {
        if time < self.holds_until {
            return;
        }
        let offset = time - self.start;
        let mut until = i64::MAX;
        self.active.clear();
        for incident in &self.incidents {
            let end = incident.start_ms.saturating_add(incident.duration_ms);
            if offset < incident.start_ms {
                until = until.min(incident.start_ms);
            } else if offset < end {
                until = until.min(end);
                self.active.push(incident.clone());
            }
        }
        if let Some(schedule) = self.schedule {
            let (incident, next) = schedule.at(offset);
            self.active.extend(incident);
            until = until.min(next);
        }
        self.holds_until = self.start.saturating_add(until);
    }

    /// Probability that an attempt of the task is struck by an error spike.
    pub(super) fn errors(&self, place: Place, task: &Task) -> f64 {
        self.strongest(IncidentKind::ErrorSpike, place, Some(task))
    }

    /// Probability that an attempt of the task meets an outage.
    pub(super) fn outage(&self, place: Place, task: &Task) -> f64 {
        self.strongest(IncidentKind::CheckoutOutage, place, Some(task))
    }

    /// How slow everything is, from 0 to 1.
    pub(super) fn slowness(&self, place: Place) -> f64 {
        self.strongest(IncidentKind::Slow, place, None)
    }

    pub(super) fn churn(&self, place: Place) -> f64 {
        self.strongest(IncidentKind::ChurnWave, place, None)
    }

    pub(super) fn flood(&self, place: Place) -> f64 {
        self.strongest(IncidentKind::SupportFlood, place, None)
    }

    fn strongest(&self, kind: IncidentKind, place: Place, task: Option<&Task>) -> f64 {
        let mut strength = 0.0;
        for incident in &self.active {
            if incident.kind == kind && strikes(incident, place, task) {
                strength = f64::max(strength, incident.strength);
            }
        }
        strength
    }
}

fn strikes(incident: &Incident, place: Place, task: Option<&Task>) -> bool {
    let product: &Product = &PRODUCTS[usize::from(place.product)];
    let platform = product.platforms[usize::from(place.platform)].name;
    (!incident.newest_only || place.newest)
        && incident
            .product
            .as_deref()
            .is_none_or(|name| product_named(name) == Some(place.product))
        && incident.platform.as_deref().is_none_or(|name| name == platform)
        && task.is_none_or(|task| incident.task.as_deref().is_none_or(|name| name == task.name))
}
