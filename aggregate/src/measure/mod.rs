//! The mergeable state of a pane. Every merge is exactly associative and commutative, so a result does not depend on how the input was
//! split or in which order its parts came together.

pub mod histogram;
pub mod log_moment;
pub mod moment;
pub mod money;
pub mod sketch;

mod bucket;
#[cfg(test)]
mod laws;

pub use histogram::{Histogram, Unit};
pub use log_moment::LogMoment;
pub use moment::Moment;
pub use money::Money;
pub use sketch::{ONE_PURCHASE, Sketch, Theta, combine_bits, purchases};

/// No count that was counted comes near this, so sums of any number of states that hold no more stay far from the end of 64 bits.
pub(crate) const MOST_COUNTED: u64 = 1 << 48;

/// Inserts each value before what is at its place now; places ascend. Everything moves once, from the end.
fn insert_all<T: Copy>(list: &mut Vec<T>, fresh: impl DoubleEndedIterator<Item = (usize, T)> + ExactSizeIterator + Clone) {
    let (mut end, mut left) = (list.len(), fresh.len());
    let Some((_, filler)) = fresh.clone().next() else { return };
    list.resize(end + left, filler);
    for (at, value) in fresh.rev() {
        list.copy_within(at..end, at + left);
        left -= 1;
        list[at + left] = value;
        end = at;
    }
}
