//! What products multiply, summed up: how much each input of a matrix matters.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::weights::Tensor;

/// For each matrix that was multiplied, the sums of the squares of its inputs.
#[derive(Default)]
pub(super) struct Observer {
    /// By the place of the matrix in memory: rows of activations seen, and (cols) sums.
    seen: Mutex<HashMap<usize, (usize, Vec<f64>)>>,
}

impl Observer {
    /// Takes the `n` rows of `x` that are multiplied with `w`.
    pub(super) fn see(&self, w: &Tensor, x: &[f32], n: usize) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, sums) = seen.entry(place(w)).or_insert_with(|| (0, vec![0.0; w.cols()]));
        *rows += n;
        for x in x.chunks_exact(w.cols().max(1)).take(n) {
            sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x) * f64::from(x));
        }
    }

    /// The mean squares of the inputs of `w`, if it was multiplied.
    pub(super) fn of(&self, w: &Tensor) -> Option<Vec<f32>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, sums) = seen.get(&place(w))?;
        Some(sums.iter().map(|sum| (sum / *rows as f64) as f32).collect())
    }
}

/// Tensors of one file share its bytes, so that the same matrix is always at the same place.
fn place(w: &Tensor) -> usize {
    w.bytes().as_ptr().addr()
}
