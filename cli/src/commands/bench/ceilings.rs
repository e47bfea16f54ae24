//! What this machine can do at most, measured beside what the model does.

use ramba::{DType, Engine, ErrorKind, Result};

use super::work;

/// The limits of one number of threads; none on a device other than the CPU.
pub struct Ceilings {
    /// Bytes per second of reading memory; `None` too if there is too little of it to tell.
    pub memory: Option<f64>,
    /// Multiply-adds per second of products with weights of each type that the model has, and of F32.
    pub products: Vec<(DType, f64)>,
}

impl Ceilings {
    /// Measures them with the threads and kernels of `engine`.
    ///
    /// # Errors
    /// `Capacity` if there is no memory for products.
    pub fn measure(engine: &Engine) -> Result<Self> {
        let mut products = Vec::new();
        for dtype in work::types(engine) {
            products.extend(engine.product_rate(dtype)?.map(|rate| (dtype, rate)));
        }
        // So much that little of it is in a cache when it is read again.
        let bytes = (2 * largest_cache()).clamp(256 << 20, 1 << 30);
        let memory = match engine.read_rate(bytes) {
            Err(e) if e.kind() == ErrorKind::Capacity => None,
            rate => rate?,
        };
        Ok(Self { memory, products })
    }
}

/// Bytes of the largest cache of the first core, where the system tells them as Linux does; otherwise 0.
fn largest_cache() -> usize {
    let size = |index: usize| {
        let text = std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size")).ok()?;
        text.trim().strip_suffix('K')?.parse::<usize>().ok()?.checked_mul(1024)
    };
    (0..8).filter_map(size).max().unwrap_or(0)
}
