//! The people: who they are follows from their id, and little needs to be remembered of each.

use super::climate::Place;
use super::random::{Random, mix, mix48, unit, weighted};
use super::rhythm;
use super::world::{COUNTRIES, Country, EXPERIMENTS, PLANS, PRODUCTS, Platform, Product};

/// Of one person, whose place a new one takes after leaving.
#[derive(Clone, Copy, Default)]
struct Slot {
    generation: u16,
    /// Trouble lately, in sixteenths.
    trouble: u8,
    /// Not seen before: signs up first.
    new: bool,
    pays: bool,
}

pub(super) struct People {
    slots: Vec<Slot>,
    salt: u64,
}

/// One person or anonymous visitor as every event describes them.
#[derive(Clone, Copy)]
pub(super) struct Profile {
    /// Place among the people.
    pub(super) index: u32,
    pub(super) user: u64,
    pub(super) anonymous: bool,
    pub(super) session: u64,
    pub(super) product: u8,
    pub(super) platform: u8,
    pub(super) country: u8,
    pub(super) plan: u8,
    pub(super) segment: u8,
    pub(super) experiment: u8,
    pub(super) release: u32,
    pub(super) newest: bool,
    /// How far the device's clock is ahead.
    pub(super) skew: i32,
}

impl Profile {
    pub(super) fn product(&self) -> &'static Product {
        &PRODUCTS[usize::from(self.product)]
    }

    pub(super) fn platform(&self) -> &'static Platform {
        &self.product().platforms[usize::from(self.platform)]
    }

    pub(super) fn country(&self) -> &'static Country {
        &COUNTRIES[usize::from(self.country)]
    }

    pub(super) fn place(&self) -> Place {
        Place {
            product: self.product,
            platform: self.platform,
            newest: self.newest,
        }
    }
}

impl People {
    pub(super) fn new(users: u32, seed: u64) -> People {
        let salt = mix(seed ^ 0x7065_6F70_6C65);
        let slots = (0..users)
            .map(|index| Slot {
                pays: unit(mix(salt ^ u64::from(index))) < 0.35,
                ..Slot::default()
            })
            .collect();
        People { slots, salt }
    }

    /// Someone for a visit at `time`. Some come often, most hardly ever.
    pub(super) fn someone(&mut self, random: &mut Random, time: i64, session: u64) -> Profile {
        let place = random.unit();
        let index = ((place * place * place) * self.slots.len() as f64) as u32;
        let slot = self.slots[index as usize];
        let user = self.id(index);
        let traits = mix(user ^ self.salt);
        let part = |number: u64| unit(mix(traits.wrapping_add(number)));
        // Nearly everyone keeps to one product and one device.
        let product_at = if random.chance(0.85) { part(1) } else { random.unit() };
        let product = weighted(product_at, PRODUCTS.iter().map(|product| product.weight)) as u8;
        let details = &PRODUCTS[usize::from(product)];
        let platform_at = if random.chance(0.8) { part(2) } else { random.unit() };
        let platform = weighted(platform_at, details.platforms.iter().map(|platform| platform.weight)) as u8;
        let (release, newest) = rhythm::release(details, mix(traits.wrapping_add(3 + u64::from(platform))), time);
        let plan = if slot.pays {
            1 + (part(8) * part(8) * (PLANS.len() - 1) as f64) as u8
        } else {
            0
        };
        Profile {
            index,
            user,
            anonymous: random.chance(details.anonymous),
            session,
            product,
            platform,
            country: weighted(part(7), COUNTRIES.iter().map(|country| country.weight)) as u8,
            plan,
            segment: (part(9) * details.segments.len() as f64) as u8,
            experiment: (part(10) * EXPERIMENTS.len() as f64) as u8,
            release: release.max(0) as u32,
            newest,
            skew: skew(part(11), part(12)),
        }
    }

    /// Ids look random and never collide, whoever takes a place that someone left.
    fn id(&self, index: u32) -> u64 {
        mix48((u64::from(index) | u64::from(self.slots[index as usize].generation) << 32) ^ (self.salt >> 16))
    }

    /// Whether this is the person's first visit ever; from now on it is not.
    pub(super) fn arrive(&mut self, profile: &Profile) -> bool {
        std::mem::take(&mut self.slots[profile.index as usize].new)
    }

    /// An anonymous visitor signs up: a new person in the place of one who hardly will be missed.
    pub(super) fn sign_up(&mut self, profile: &mut Profile) {
        self.replace(profile.index);
        self.slots[profile.index as usize].new = false;
        profile.user = self.id(profile.index);
        profile.anonymous = false;
        profile.plan = 0;
    }

    /// Someone leaves for good, and makes room for someone new.
    pub(super) fn leave(&mut self, profile: &Profile) {
        if self.id(profile.index) == profile.user {
            self.replace(profile.index);
        }
    }

    fn replace(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        *slot = Slot {
            generation: slot.generation.wrapping_add(1),
            trouble: 0,
            new: true,
            pays: false,
        };
    }

    pub(super) fn pays(&self, profile: &Profile) -> bool {
        self.slots[profile.index as usize].pays
    }

    pub(super) fn convert(&mut self, profile: &Profile) {
        self.slots[profile.index as usize].pays = true;
    }

    /// Adds the trouble of a visit to what is left of earlier ones, and says how disappointed that leaves them, from 0 to 1.
    pub(super) fn disappointment(&mut self, profile: &Profile, trouble: f64) -> f64 {
        if profile.anonymous {
            return (trouble / 3.0).min(1.0);
        }
        let slot = &mut self.slots[profile.index as usize];
        let total = f64::from(slot.trouble) / 16.0 * 0.5 + trouble;
        slot.trouble = (total * 16.0).min(255.0) as u8;
        (total / 3.0).min(1.0)
    }
}

/// Most clocks are right to a second; a few are far behind, which makes all their events late, or ahead.
fn skew(kind: f64, size: f64) -> i32 {
    match kind {
        k if k < 0.001 => -(180_000.0 + 240_000.0 * size) as i32,
        k if k < 0.003 => (20_000.0 + 160_000.0 * size) as i32,
        k if k < 0.05 => ((size - 0.6) * 20_000.0) as i32,
        _ => ((size - 0.5) * 400.0) as i32,
    }
}
