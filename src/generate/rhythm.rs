//! What changes with the calendar: how much traffic there is, and which release people run.

use super::random::unit;
use super::world::{HOURS, Product, WEEKDAYS};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Traffic at a time (milliseconds since the epoch), relative to the mean of the week.
#[must_use]
pub fn volume(time: i64) -> f64 {
    let of_day = time.rem_euclid(DAY);
    let hour = (of_day / HOUR) as usize;
    let part = (of_day % HOUR) as f64 / HOUR as f64;
    let level = HOURS[hour] * (1.0 - part) + HOURS[(hour + 1) % 24] * part;
    // The epoch was a Thursday.
    let weekday = (time.div_euclid(DAY) + 3).rem_euclid(7) as usize;
    level / (HOURS.iter().sum::<f64>() / 24.0) * WEEKDAYS[weekday]
}

/// The release that a device runs, counted from the epoch, and whether it is the newest one there is.
pub(super) fn release(product: &Product, device: u64, time: i64) -> (i64, bool) {
    let period = product.release_hours * HOUR;
    let newest = time.div_euclid(period);
    let age = time.rem_euclid(period) as f64 / (product.rollout_hours * HOUR) as f64;
    // Smooth from nobody to all but a few who never update at once.
    let reached = (age.min(1.0) * age.min(1.0) * (3.0 - 2.0 * age.min(1.0))) * 0.94;
    let place = unit(device);
    if place < reached {
        (newest, true)
    } else if place < 0.96 {
        (newest - 1, false)
    } else {
        (newest - 2, false)
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::PRODUCTS;
    use super::*;

    #[test]
    fn the_volume_of_a_week_has_mean_one() {
        let steps = 7 * 24 * 60;
        let mean = (0..steps).map(|minute| volume(minute * 60_000)).sum::<f64>() / steps as f64;
        assert!((mean - 1.0).abs() < 0.001, "{mean}");
    }

    #[test]
    fn evenings_are_busier_than_nights_and_weekends_quieter() {
        let monday = 4 * DAY;
        assert!(volume(monday + 19 * HOUR) > 3.0 * volume(monday + 3 * HOUR));
        assert!(volume(monday + 5 * DAY + 12 * HOUR) < 0.8 * volume(monday + 12 * HOUR));
    }

    #[test]
    fn a_release_reaches_more_and_more_devices() {
        let product = &PRODUCTS[0];
        let start = 1000 * product.release_hours * HOUR;
        let share = |time| {
            (0..1000)
                .filter(|&device| release(product, super::super::random::mix(device), time).1)
                .count()
        };
        let (first, later, last) = (share(start), share(start + 15 * HOUR), share(start + 40 * HOUR));
        assert_eq!(first, 0);
        assert!(later > 350 && later < 600, "{later}");
        assert!(last > 900, "{last}");
    }
}
