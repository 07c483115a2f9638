//! The hour that a row is filed under.

use std::fmt;

use tidegauge_aggregate::time::EventTime;

const MILLIS_PER_HOUR: i64 = 3_600_000;
/// 9999-12-31T23: the last hour whose date has four digits. Record timestamps are whatever a producer wrote; a longer year in one path
/// would turn the `date` column of the whole table from a date into text.
const LAST: i64 = 70_389_527;

/// An hour of UTC, counted from the Unix epoch, within the years 1970 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The hour that holds a time; times outside the range count as the nearest hour within it.
    #[must_use]
    pub fn of(time: EventTime) -> Hour {
        Hour(time.0.div_euclid(MILLIS_PER_HOUR).clamp(0, LAST))
    }

    /// The Hive partition path: `date=2025-01-29/hour=07`.
    #[must_use]
    pub fn path(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(24));
        write!(f, "date={year:04}-{month:02}-{day:02}/hour={:02}", self.0.rem_euclid(24))
    }
}

/// Year, month and day of a day since the epoch, in the proleptic Gregorian calendar (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(ms: i64) -> String {
        Hour::of(EventTime(ms)).path()
    }

    #[test]
    fn paths_name_the_date_and_hour_in_utc() {
        assert_eq!(path(0), "date=1970-01-01/hour=00");
        assert_eq!(path(1_709_247_599_999), "date=2024-02-29/hour=22");
        assert_eq!(path(1_709_251_200_000), "date=2024-03-01/hour=00");
        assert_eq!(path(951_782_400_000), "date=2000-02-29/hour=00");
        assert_eq!(path(1_738_137_600_000), "date=2025-01-29/hour=08");
    }

    #[test]
    fn times_beyond_four_digit_years_count_as_the_nearest_hour() {
        assert_eq!(path(-1), "date=1970-01-01/hour=00");
        assert_eq!(path(i64::MIN), "date=1970-01-01/hour=00");
        assert_eq!(path(i64::MAX), "date=9999-12-31/hour=23");
        assert_eq!(path(253_402_300_799_999), "date=9999-12-31/hour=23");
        assert_eq!(path(253_402_300_800_000), "date=9999-12-31/hour=23");
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut expected = (1970, 1, 1);
        for day in 0..LAST / 24 {
            assert_eq!(civil(day), expected, "day {day}");
            let (year, month, date) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, date == length) {
                (_, false) => (year, month, date + 1),
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
            };
        }
    }
}
