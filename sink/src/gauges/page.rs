//! The page: the newest state, and the collector that turns it into families at every scrape.

use std::sync::{Arc, PoisonError, RwLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};
use tidegauge_aggregate::spec::Spec;

use super::business::{Business, Catalogue};
use super::openmetrics;
use super::operational::{self, Operational};
use super::render::{Format, RenderError};
use super::snapshot::{FamilyMeta, LiveSnapshot};

/// The `/metrics` page of a process. Cheap to update, built only when it is read; safe to share between threads.
#[derive(Clone)]
pub struct Page {
    registry: Registry,
    state: Arc<State>,
}

struct State {
    live: RwLock<Option<Arc<LiveSnapshot>>>,
    operational: RwLock<Arc<Operational>>,
}

impl Page {
    /// A page for a specification, with the metrics of the catalogue and at most `max_series` business series. It has no business series until
    /// [`Page::publish`].
    ///
    /// # Errors
    ///
    /// When two metrics would have the same name.
    pub fn new(spec: &Spec, families: Vec<FamilyMeta>, max_series: usize) -> Result<Page, RenderError> {
        let catalogue = Arc::new(Catalogue::new(spec, families, max_series));
        let state = Arc::new(State {
            live: RwLock::default(),
            operational: RwLock::default(),
        });
        let descriptions = catalogue
            .families()
            .iter()
            .map(|family| {
                Desc::new(
                    format!("tidegauge_{}", family.name),
                    family.help.clone(),
                    Vec::new(),
                    Default::default(),
                )
            })
            .collect::<Result<Vec<Desc>, _>>()?;
        let registry = Registry::new();
        registry.register(Box::new(Scrape {
            catalogue,
            state: Arc::clone(&state),
            descriptions,
        }))?;
        Ok(Page { registry, state })
    }

    /// Replaces the live results.
    pub fn publish(&self, snapshot: LiveSnapshot) {
        *self.state.live.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
    }

    /// Takes all business series off the page: this instance is not the reporter any more, or has to restore its state.
    pub fn withdraw(&self) {
        *self.state.live.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Replaces the operational metrics.
    pub fn observe(&self, operational: Operational) {
        *self.state.operational.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(operational);
    }

    /// The page as text.
    ///
    /// # Errors
    ///
    /// When the encoder fails, which is a bug.
    pub fn render(&self, format: Format) -> Result<String, RenderError> {
        let families = self.registry.gather();
        match format {
            Format::Text => Ok(TextEncoder::new().encode_to_string(&families)?),
            Format::OpenMetrics => Ok(openmetrics::encode(&families)),
        }
    }
}

struct Scrape {
    catalogue: Arc<Catalogue>,
    state: Arc<State>,
    descriptions: Vec<Desc>,
}

impl Collector for Scrape {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let live = self.state.live.read().unwrap_or_else(PoisonError::into_inner).clone();
        let operational = Arc::clone(&self.state.operational.read().unwrap_or_else(PoisonError::into_inner));
        let Business {
            mut families,
            series,
            dropped,
        } = match live {
            Some(live) => self.catalogue.collect(&live),
            None => Business {
                families: Vec::new(),
                series: 0,
                dropped: 0,
            },
        };
        families.extend(operational::collect(&operational, series, dropped));
        families
    }
}
