//! What people answer, given how disappointed they are (0 to 1).

use super::random::Random;

/// Means of the calm, what disappointment takes away, spread, and range.
struct Scale {
    calm: f64,
    loss: f64,
    spread: f64,
    least: f64,
    most: f64,
}

const NPS: Scale = Scale {
    calm: 8.9,
    loss: 6.5,
    spread: 1.6,
    least: 0.0,
    most: 10.0,
};
const CSAT: Scale = Scale {
    calm: 4.4,
    loss: 2.8,
    spread: 0.8,
    least: 1.0,
    most: 5.0,
};
const CES: Scale = Scale {
    calm: 5.9,
    loss: 3.6,
    spread: 1.0,
    least: 1.0,
    most: 7.0,
};
const SEQ: Scale = Scale {
    calm: 5.8,
    loss: 3.8,
    spread: 1.1,
    least: 1.0,
    most: 7.0,
};

fn whole(scale: &Scale, random: &mut Random, disappointment: f64) -> i64 {
    let score = scale.calm - scale.loss * disappointment + scale.spread * random.normal();
    score.round().clamp(scale.least, scale.most) as i64
}

pub(super) fn nps(random: &mut Random, disappointment: f64) -> i64 {
    whole(&NPS, random, disappointment)
}

pub(super) fn csat(random: &mut Random, disappointment: f64) -> i64 {
    whole(&CSAT, random, disappointment)
}

pub(super) fn ces(random: &mut Random, disappointment: f64) -> i64 {
    whole(&CES, random, disappointment)
}

pub(super) fn seq(random: &mut Random, disappointment: f64) -> i64 {
    whole(&SEQ, random, disappointment)
}

/// Ten answers: odd items praise, even items complain.
pub(super) fn sus(random: &mut Random, disappointment: f64) -> [i64; 10] {
    let mut answers = [0; 10];
    for (index, answer) in answers.iter_mut().enumerate() {
        let agreement = if index % 2 == 0 {
            4.2 - 2.2 * disappointment
        } else {
            1.9 + 2.2 * disappointment
        };
        *answer = (agreement + 0.8 * random.normal()).round().clamp(1.0, 5.0) as i64;
    }
    answers
}

/// The SUS score of the answers, in hundredths.
pub(super) fn sus_score(answers: &[i64; 10]) -> i64 {
    answers
        .iter()
        .enumerate()
        .map(|(index, answer)| if index % 2 == 0 { answer - 1 } else { 5 - answer })
        .sum::<i64>()
        * 250
}

/// In hundredths.
pub(super) fn sentiment(random: &mut Random, disappointment: f64) -> i64 {
    ((0.5 - 1.3 * disappointment + 0.3 * random.normal()).clamp(-1.0, 1.0) * 100.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disappointed_give_worse_scores() {
        let mut random = Random::new(1, 1);
        let mut mean = |score: fn(&mut Random, f64) -> i64, mood: f64| (0..2000).map(|_| score(&mut random, mood)).sum::<i64>() / 20;
        for score in [nps, csat, ces, seq, sentiment, |random: &mut Random, mood| {
            sus_score(&sus(random, mood))
        }] {
            assert!(mean(score, 0.0) > mean(score, 0.8) + 80);
        }
    }

    #[test]
    fn the_best_and_the_worst_sus_answers_make_100_and_0() {
        assert_eq!(sus_score(&[5, 1, 5, 1, 5, 1, 5, 1, 5, 1]), 10_000);
        assert_eq!(sus_score(&[1, 5, 1, 5, 1, 5, 1, 5, 1, 5]), 0);
    }
}
