//! Logits to the next token.

use crate::options::setters;
use crate::topk::{Candidate, MAX_TOP_K, TopK, highest};
use crate::{Error, Result};

/// How to choose among the tokens that a model finds likely.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
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

setters!(SamplerOptions { temperature: f32, top_k: usize, top_p: f32, seed: u64 });

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

    /// Whether it takes the most likely token always.
    pub fn is_greedy(&self) -> bool {
        self.options.temperature == 0.0 || self.options.top_k == 1
    }

    /// How many of the highest logits are enough to choose a token, see [`Sampler::sample_top`]; `None` if all are needed.
    pub fn enough(&self) -> Option<usize> {
        match self.options.top_k {
            _ if self.options.temperature == 0.0 => Some(1),
            k => (1..=MAX_TOP_K).contains(&k).then_some(k),
        }
    }

    /// The next token, given the `logits` of the whole vocabulary. A logit of −∞ rules its token out.
    ///
    /// # Errors
    /// `InvalidArgument` if there are no logits, one is NaN or +∞, or all are −∞: a damaged model or a bug,
    /// about which no choice of token can be right.
    pub fn sample(&mut self, logits: &[f32]) -> Result<u32> {
        let mut top = TopK::new(self.enough().unwrap_or(1))?;
        highest(logits, &mut top)?;
        if self.enough().is_some() {
            return self.sample_top(&top);
        }
        let best = best(&top)?;
        let weight = self.weight(best.score);
        self.candidates.clear();
        self.candidates.extend((0u32..).zip(logits).map(|(id, &logit)| (id, weight(logit))));

        // Most likely first; of equals the lowest id. Total, as no weight is NaN.
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let SamplerOptions { top_k, top_p, .. } = self.options;
        if top_k > 0 {
            if top_k < self.candidates.len() {
                self.candidates.select_nth_unstable_by(top_k - 1, order);
                self.candidates.truncate(top_k);
            }
            self.candidates.sort_unstable_by(order);
        }
        let total = self.total();
        if top_k == 0 && top_p < 1.0 {
            // All those below this together weigh no more than what is left out: none of them is needed,
            // and most of a large vocabulary need not be sorted. (The idea is llama2.c's.)
            let needless = ((total - f64::from(top_p) * total) / self.candidates.len() as f64) as f32;
            self.candidates.retain(|c| c.1 >= needless);
            self.candidates.sort_unstable_by(order);
        }
        Ok(self.draw(best.id as u32, total))
    }

    /// The token that [`Sampler::sample`] would choose, given the highest logits alone, as
    /// a backend finds them.
    ///
    /// # Errors
    /// `InvalidArgument` if there are none, or `top` is of fewer than [`Sampler::enough`].
    pub fn sample_top(&mut self, top: &TopK) -> Result<u32> {
        let Some(enough) = self.enough().filter(|&enough| enough <= top.k()) else {
            return Err(Error::invalid(format!("the {} highest logits are not enough to choose a token", top.k())));
        };
        let best = best(top)?;
        if enough == 1 {
            return Ok(best.id as u32);
        }
        let weight = self.weight(best.score);
        self.candidates.clear();
        self.candidates.extend(top.best_first().iter().take(enough).map(|c| (c.id as u32, weight(c.score))));
        Ok(self.draw(best.id as u32, self.total()))
    }

    /// What a logit weighs beside the highest one.
    fn weight(&self, max: f32) -> impl Fn(f32) -> f32 + use<> {
        let temperature = self.options.temperature;
        // Dividing the difference from the maximum overflows to −∞ at worst, which is weight 0.
        move |logit| ((logit - max) / temperature).exp()
    }

    /// What all candidates weigh.
    fn total(&self) -> f64 {
        self.candidates.iter().map(|c| f64::from(c.1)).sum()
    }

    /// One of the candidates at random, by its weight, and `best` if none has any. With a top-p they are sorted; `total` is
    /// what they weigh, together with those that the top-p is known to leave out.
    fn draw(&mut self, best: u32, mut total: f64) -> u32 {
        if self.options.top_p < 1.0 {
            let wanted = f64::from(self.options.top_p) * total;
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
        chosen
    }
}

fn best(top: &TopK) -> Result<Candidate> {
    top.best_first().first().copied().ok_or_else(|| Error::invalid("there are no logits to choose from"))
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

    /// What a sampler should choose, by sorting everything.
    fn sorted_choice(options: &SamplerOptions, random: &mut SplitMix64, logits: &[f32]) -> u32 {
        let mut all: Vec<_> = (0u32..).zip(logits).filter(|c| *c.1 > f32::NEG_INFINITY).collect();
        all.sort_by(|a, b| b.1.partial_cmp(a.1).unwrap());
        all.truncate(if options.temperature == 0.0 { 1 } else { options.top_k });
        let weight = |logit: f32| f64::from(((logit - all[0].1) / options.temperature).exp());
        let (mut kept, mut sum) = (0, 0.0);
        let total: f64 = all.iter().map(|c| weight(*c.1)).sum();
        while kept < all.len() && (options.top_p == 1.0 || sum < f64::from(options.top_p) * total) {
            sum += weight(*all[kept].1);
            kept += 1;
        }
        if options.temperature == 0.0 || options.top_k == 1 {
            return all[0].0;
        }
        let mut left = random.unit() * sum;
        let chosen = all[..kept].iter().find(|c| {
            left -= weight(*c.1);
            left < 0.0
        });
        chosen.unwrap_or(&all[kept - 1]).0
    }

    #[test]
    fn the_highest_logits_are_enough() {
        let mut random = SplitMix64(3);
        for (temperature, top_k) in
            [(0.0, 0), (0.0, 65), (0.7, 1), (0.7, 2), (1.0, 5), (2.5, 40), (0.3, MAX_TOP_K), (1e-20, 8), (1e20, 8)]
        {
            for (top_p, seed) in [(1.0, 0), (0.9, 1), (0.5, 2), (1e-6, 3)] {
                let options = SamplerOptions { temperature, top_k, top_p, seed };
                let mut all = Sampler::new(options).unwrap();
                let (mut some, mut reference) = (all.clone(), SplitMix64(seed));
                let enough = all.enough().unwrap();
                assert_eq!(enough, if temperature == 0.0 { 1 } else { top_k });
                for round in 0..60 {
                    // Few different values make ties; some tokens are ruled out, and sometimes nearly all.
                    let count = [3, 50, 1000][round % 3];
                    let logits: Vec<f32> = (0..count)
                        .map(|i| match random.next() % 16 {
                            _ if i == 1 => 0.0,
                            0 => f32::NEG_INFINITY,
                            1..=14 if round % 5 == 4 => f32::NEG_INFINITY,
                            2 => -0.0,
                            r if round % 2 == 0 => r as f32 - 8.0,
                            _ => random.unit() as f32 * 20.0 - 10.0,
                        })
                        .collect();
                    // More than enough are no fewer.
                    let mut top = TopK::new((enough + round % 2).min(MAX_TOP_K)).unwrap();
                    highest(&logits, &mut top).unwrap();
                    let chosen = some.sample_top(&top).unwrap();
                    assert_eq!(chosen, all.sample(&logits).unwrap(), "{options:?}");
                    assert_eq!(chosen, sorted_choice(&options, &mut reference, &logits), "{options:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_enough_is_an_error() {
        assert_eq!(sampler(1.0, 0, 1.0).enough(), None);
        assert_eq!(sampler(1.0, MAX_TOP_K + 1, 1.0).enough(), None);
        let mut top = TopK::new(4).unwrap();
        assert!(Sampler::greedy().sample_top(&top).is_err());
        highest(&[1.0, 2.0, 3.0, 4.0, 5.0], &mut top).unwrap();
        assert_eq!(Sampler::greedy().sample_top(&top).unwrap(), 4);
        for mut wanting in [sampler(1.0, 5, 1.0), sampler(1.0, 0, 1.0), sampler(1.0, MAX_TOP_K + 1, 1.0)] {
            assert!(wanting.sample_top(&top).is_err());
        }
    }

    #[test]
    fn nothing_is_allocated_once_warm() {
        let logits: Vec<f32> = (0..5000).map(|i| (i * 7919 % 5000) as f32 * 1e-3).collect();
        for top_k in [50, 500] {
            let mut sampler = sampler(1.0, top_k, 0.9);
            sampler.sample(&logits).unwrap();
            let (place, room) = (sampler.candidates.as_ptr(), sampler.candidates.capacity());
            for _ in 0..100 {
                sampler.sample(&logits).unwrap();
            }
            assert_eq!((place, room), (sampler.candidates.as_ptr(), sampler.candidates.capacity()));
        }
    }
}
