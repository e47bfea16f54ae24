//! Random numbers that are the same on every run.

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>), from any seed.
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 below 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n.max(1)
    }

    /// A place among `n`; 0 if there is none.
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Uniform in −1 .. 1.
    pub fn value(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    /// `n` values, uniform in −1 .. 1.
    pub fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }

    /// `n` values that are nearly normal (a sum of four uniform ones), with the standard deviation `scale`.
    pub fn normals(&mut self, n: usize, scale: f32) -> Vec<f32> {
        let mut normal = || {
            let bits = self.bits();
            let sum: u64 = (0..4).map(|i| bits >> (16 * i) & 0xffff).sum();
            (sum as f32 / 65536.0 - 2.0) * 1.7
        };
        (0..n).map(|_| normal() * scale).collect()
    }
}
