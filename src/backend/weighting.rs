//! How scores of chosen chunks become weights.

use crate::topk::{Candidate, TopK};

/// How the scores of the selected chunks, most recent first, become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// Each chunk takes sigmoid(score) of what more recent ones have left.
    StickBreaking,
    /// Softmax over the selected chunks.
    Softmax {
        /// Whether a learned multiple of the place in the order is added to the scores first.
        position_decay: bool,
    },
}

/// Fills `readings` (K) with the chunks of `top` and their weights, most recent first, then with weights of 0.
pub(crate) fn weigh(top: &TopK, weighting: Weighting, decay: f32, readings: &mut [(u64, f32)]) {
    readings.fill((0, 0.0));
    let candidates = top.recent_first();
    let weights = weights(&candidates, weighting, decay);
    for ((reading, candidate), weight) in readings.iter_mut().zip(&candidates).zip(weights) {
        *reading = (candidate.id, weight);
    }
}

/// The weights of `candidates`, which are ordered most recent first.
fn weights(candidates: &[Candidate], weighting: Weighting, decay: f32) -> impl Iterator<Item = f32> {
    // Infinite scores, which only absurd weights produce, are kept from turning into NaN.
    let scores = candidates.iter().map(|c| c.score.clamp(f32::MIN, f32::MAX));
    let decayed = scores.enumerate().map(move |(i, score)| score + i as f32 * decay);
    let (mut left, mut max, mut sum) = (0.0, 0.0, 1.0);
    if let Weighting::Softmax { .. } = weighting {
        max = decayed.clone().fold(f32::NEG_INFINITY, f32::max);
        sum = decayed.clone().map(|score| (score - max).exp()).sum();
    }
    decayed.map(move |score| match weighting {
        Weighting::StickBreaking => {
            // ln sigmoid(s) = −softplus(−s), and what is left after it: ln (1 − sigmoid(s)) = −softplus(s).
            let weight = (left - softplus(-score)).exp();
            left -= softplus(score);
            weight
        }
        Weighting::Softmax { .. } => (score - max).exp() / sum,
    })
}

/// ln(1 + exp(x))
fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weigh(scores: &[f32], weighting: Weighting, decay: f32) -> Vec<f32> {
        let candidates: Vec<_> = scores.iter().map(|&score| Candidate { id: 0, score }).collect();
        weights(&candidates, weighting, decay).collect()
    }

    #[test]
    fn stick_breaking_leaves_the_rest_to_older_chunks() {
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let got = weigh(&[0.5, -1.0, 3.0], Weighting::StickBreaking, 0.0);
        let (a, b) = (sigmoid(0.5), (1.0 - sigmoid(0.5)) * sigmoid(-1.0));
        let c = (1.0 - sigmoid(0.5)) * (1.0 - sigmoid(-1.0)) * sigmoid(3.0);
        for (got, want) in got.iter().zip([a, b, c]) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        assert_eq!(weigh(&[f32::INFINITY, 3.0, f32::NEG_INFINITY], Weighting::StickBreaking, 0.0), [1.0, 0.0, 0.0]);
        assert!(weigh(&[-60.0; 8], Weighting::StickBreaking, 0.0).iter().sum::<f32>() < 1e-20);
    }

    #[test]
    fn softmax_with_and_without_decay() {
        let softmax = Weighting::Softmax { position_decay: true };
        assert_eq!(weigh(&[2.0, 2.0], softmax, 0.0), [0.5, 0.5]);
        let got = weigh(&[1.0, 1.0, 1.0], softmax, -1.0);
        let sum = 1.0 + (-1f32).exp() + (-2f32).exp();
        for (i, got) in got.iter().enumerate() {
            assert!((got - (-(i as f32)).exp() / sum).abs() < 1e-6);
        }
        assert!(weigh(&[f32::INFINITY, 0.0], softmax, 0.0).iter().all(|w| w.is_finite()));
    }
}
