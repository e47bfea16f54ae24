//! Logits to the next token.

use crate::{Error, Result};

/// How to choose among the tokens that a model finds likely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplerOptions {
    /// What logits are divided by: below 1 the likely gets likelier. 0 takes the most likely token always.
    pub temperature: f32,
    /// Only this many of the most likely tokens are candidates; 0 for all.
    pub top_k: usize,
    /// Only the fewest most likely tokens whose probabilities sum to this are candidates; 1 for all.
    pub top_p: f32,
    /// Two samplers of one seed choose alike.
    pub seed: u64,
}

impl Default for SamplerOptions {
    /// Temperature 1, all tokens, seed 0.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 0 }
    }
}

/// Chooses tokens: temperature, then top-k, then top-p, then a draw. The same options and logits give the
/// same tokens. Allocates nothing after the first call.
#[derive(Debug, Clone)]
pub struct Sampler {
    options: SamplerOptions,
    random: SplitMix64,
    /// Candidates of the last call: token and weight, relative to that of the most likely token.
    candidates: Vec<(u32, f32)>,
}

impl Sampler {
    /// Takes the most likely token always, and of equals the one of lowest id.
    pub fn greedy() -> Self {
        let options = SamplerOptions { temperature: 0.0, ..SamplerOptions::default() };
        Self { options, random: SplitMix64(0), candidates: Vec::new() }
    }

    /// A sampler with `options`.
    ///
    /// # Errors
    /// `InvalidArgument` for a temperature that is negative or not finite, and for `top_p` outside of (0, 1].
    pub fn new(options: SamplerOptions) -> Result<Self> {
        if !(options.temperature.is_finite() && options.temperature >= 0.0) {
            return Err(Error::invalid(format!("temperature {} is not 0 or more", options.temperature)));
        }
        if !(options.top_p > 0.0 && options.top_p <= 1.0) {
            return Err(Error::invalid(format!("top-p {} is not above 0 and up to 1", options.top_p)));
        }
        Ok(Self { options, random: SplitMix64(options.seed), candidates: Vec::new() })
    }

    /// The next token, given the `logits` of the whole vocabulary. A logit of −∞ rules its token out.
    ///
    /// # Errors
    /// `InvalidArgument` if there are no logits, one is NaN or +∞, or all are −∞: a damaged model or a bug,
    /// about which no choice of token can be right.
    pub fn sample(&mut self, logits: &[f32]) -> Result<u32> {
        let (best, max) = most_likely(logits)?;
        if self.options.temperature == 0.0 || self.options.top_k == 1 {
            return Ok(best);
        }
        // Dividing the difference from the maximum overflows to −∞ at worst, which is weight 0.
        let weight = |logit: f32| ((logit - max) / self.options.temperature).exp();
        self.candidates.clear();
        self.candidates.extend((0u32..).zip(logits).map(|(id, &l)| (id, weight(l))));

        // Most likely first; of equals the lowest id. Total, as no weight is NaN.
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let top_k = self.options.top_k;
        if top_k > 0 && top_k < self.candidates.len() {
            self.candidates.select_nth_unstable_by(top_k - 1, order);
            self.candidates.truncate(top_k);
        }
        let mut total: f64 = self.candidates.iter().map(|c| f64::from(c.1)).sum();
        if self.options.top_p < 1.0 {
            let wanted = f64::from(self.options.top_p) * total;
            // All those below this together weigh no more than what is left out: none of them is needed,
            // and most of a large vocabulary need not be sorted. (The idea is llama2.c's.)
            let needless = ((total - wanted) / self.candidates.len() as f64) as f32;
            self.candidates.retain(|c| c.1 >= needless);
            self.candidates.sort_unstable_by(order);
            let mut sum = 0.0;
            let mut kept = 0;
            for c in &self.candidates {
                sum += f64::from(c.1);
                kept += 1;
                if sum >= wanted {
                    break;
                }
            }
            self.candidates.truncate(kept);
            total = sum;
        } else if top_k > 0 {
            self.candidates.sort_unstable_by(order);
        }

        let mut left = self.random.unit() * total;
        let mut chosen = best;
        for &(id, weight) in self.candidates.iter().filter(|c| c.1 > 0.0) {
            chosen = id;
            left -= f64::from(weight);
            if left < 0.0 {
                break;
            }
        }
        Ok(chosen)
    }
}

/// The highest logit and its token, the first of equals. All logits are checked.
fn most_likely(logits: &[f32]) -> Result<(u32, f32)> {
    let mut best = None;
    for (id, &logit) in (0u32..).zip(logits) {
        if logit.is_nan() || logit == f32::INFINITY {
            return Err(Error::invalid(format!("the logit of token {id} is {logit}")));
        }
        if best.map_or(logit > f32::NEG_INFINITY, |(_, max)| logit > max) {
            best = Some((id, logit));
        }
    }
    best.ok_or_else(|| Error::invalid(format!("none of {} tokens has a logit above -inf", logits.len())))
}

/// SplitMix64: a counter with an odd stride, and a mixing function. Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators", OOPSLA 2014; constants as in <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug, Clone)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_k: usize, top_p: f32) -> Sampler {
        Sampler::new(SamplerOptions { temperature, top_k, top_p, seed: 7 }).unwrap()
    }

    #[test]
    fn random_numbers_are_those_of_the_reference() {
        // First outputs of splitmix64.c for the seed 1234567.
        let mut random = SplitMix64(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], expected);
    }

    #[test]
    fn greedy_takes_the_first_maximum() {
        let mut greedy = Sampler::greedy();
        assert_eq!(greedy.sample(&[0.0, 3.0, -1.0, 3.0]).unwrap(), 1);
        assert_eq!(greedy.sample(&[f32::NEG_INFINITY, f32::MIN]).unwrap(), 1);
        assert_eq!(sampler(0.0, 0, 1.0).sample(&[1.0, 2.0]).unwrap(), 1);
        assert_eq!(sampler(5.0, 1, 1.0).sample(&[1.0, 2.0, 2.0]).unwrap(), 1);
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        // Probabilities 0.1, 0.2, 0.3, 0.4 at temperature 1; 1, 4, 9, 16 thirtieths at 0.5.
        let logits = [0.1f32.ln(), 0.2f32.ln(), 0.3f32.ln(), 0.4f32.ln()];
        let cases = [
            (1.0, 0, 1.0, [0.1, 0.2, 0.3, 0.4]),
            (0.5, 0, 1.0, [1.0 / 30.0, 4.0 / 30.0, 9.0 / 30.0, 16.0 / 30.0]),
            (1.0, 2, 1.0, [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]),
            (1.0, 0, 0.6, [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]),
            (1.0, 0, 0.75, [0.0, 2.0 / 9.0, 3.0 / 9.0, 4.0 / 9.0]),
            (1.0, 3, 0.5, [0.0, 0.0, 3.0 / 7.0, 4.0 / 7.0]),
            (1.0, 0, 1e-6, [0.0, 0.0, 0.0, 1.0]),
        ];
        for (temperature, top_k, top_p, expected) in cases {
            let mut sampler = sampler(temperature, top_k, top_p);
            let mut counts = [0u32; 4];
            for _ in 0..20_000 {
                counts[sampler.sample(&logits).unwrap() as usize] += 1;
            }
            for (count, expected) in counts.into_iter().zip(expected) {
                let found = f64::from(count) / 20_000.0;
                assert!((found - expected).abs() < 0.015, "{temperature} {top_k} {top_p}: {found} for {expected}");
                assert!(expected > 0.0 || count == 0);
            }
        }
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let logits: Vec<f32> = (0..1000).map(|i| (i % 17) as f32 * 0.1).collect();
        let draw = |mut s: Sampler| (0..50).map(|_| s.sample(&logits).unwrap()).collect::<Vec<_>>();
        let first = draw(sampler(0.8, 40, 0.9));
        assert_eq!(first, draw(sampler(0.8, 40, 0.9)));
        let other = SamplerOptions { temperature: 0.8, top_k: 40, top_p: 0.9, seed: 8 };
        assert_ne!(first, draw(Sampler::new(other).unwrap()));
    }

    #[test]
    fn extreme_logits_leave_a_candidate() {
        for (temperature, top_k, top_p) in [(1e-30, 0, 1.0), (1e30, 3, 0.01), (1.0, 100, 0.999), (f32::MAX, 0, 0.5)] {
            let mut sampler = sampler(temperature, top_k, top_p);
            for _ in 0..100 {
                let id = sampler.sample(&[f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::NEG_INFINITY]).unwrap();
                assert!(id == 1 || id == 2);
            }
        }
    }

    #[test]
    fn what_cannot_be_right_is_an_error() {
        for mut sampler in [Sampler::greedy(), sampler(1.0, 2, 0.9)] {
            assert!(sampler.sample(&[]).is_err());
            assert!(sampler.sample(&[f32::NEG_INFINITY; 3]).is_err());
            assert!(sampler.sample(&[0.0, f32::INFINITY]).is_err());
            let error = sampler.sample(&[0.0, 1.0, f32::NAN]).unwrap_err();
            assert_eq!(error.to_string(), "the logit of token 2 is NaN");
        }
        for (temperature, top_p) in [(-1.0, 1.0), (f32::NAN, 1.0), (f32::INFINITY, 1.0), (1.0, 0.0), (1.0, 1.1)] {
            assert!(Sampler::new(SamplerOptions { temperature, top_p, ..Default::default() }).is_err());
        }
    }

    #[test]
    fn nothing_is_allocated_once_warm() {
        let logits: Vec<f32> = (0..5000).map(|i| (i * 7919 % 5000) as f32 * 1e-3).collect();
        let mut sampler = sampler(1.0, 50, 0.9);
        sampler.sample(&logits).unwrap();
        let (place, room) = (sampler.candidates.as_ptr(), sampler.candidates.capacity());
        for _ in 0..100 {
            sampler.sample(&logits).unwrap();
        }
        assert_eq!((place, room), (sampler.candidates.as_ptr(), sampler.candidates.capacity()));
    }
}
