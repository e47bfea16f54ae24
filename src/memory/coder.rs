//! Short codes of landmarks, which bound their products with a query: a landmark whose bound is too low need not be read to know that it
//! is not among the best.
//!
//! Landmarks of one document are much alike: what tells them apart lies in few directions. So a landmark l is kept as
//! l = μ + Σⱼ dⱼ·pⱼ + r, where μ is the mean of some landmarks and the m rows pⱼ of P are about the directions in which these differ most;
//! dⱼ is a byte times a scale, and r, what is left, is known by its lengths alone. With t = P·q and q⊥ = q − Pᵀ·t, for any P,
//!
//! q·l = q·μ + t·d + q·r, and |q·r| = |t·(P·r) + q⊥·r| ≤ ‖t‖·‖P·r‖ + ‖q⊥‖·‖r‖
//!
//! by Cauchy and Schwarz. What rounding can add, in the bound and in the product that it bounds, is added to it, so that it holds for the
//! product as it is computed.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::shape::{ChunkShape, LandmarkBlock, LandmarkData};
use crate::aligned::numbers_mut;
use crate::{Result, room};

/// Chunks whose codes lie together.
pub(super) const TILE: usize = 32;
/// Most landmarks that the directions are chosen by, and the fewest that are worth it.
const SAMPLE: usize = 1024;
pub(super) const LEAST_SAMPLE: usize = 256;
/// Rounds of the iteration that finds the directions. Any directions give bounds; better ones, tighter bounds.
const ROUNDS: usize = 6;
/// What codes can express, in units of the largest in the sample.
const MARGIN: f64 = 1.25;
/// Most directions: choosing them takes the square of the width for each.
const MOST_DIRECTIONS: usize = 96;
/// Most rows of queries.
pub(super) const MOST_ROWS: usize = 64;
/// Half of the distance from 1 to the next f32: the relative error of one operation.
const ROUNDING: f64 = f32::EPSILON as f64 / 2.0;

/// Sizes of the codes of one memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodeShape {
    /// Gr.
    pub(super) heads: usize,
    /// w.
    pub(super) width: usize,
    /// m.
    pub(super) directions: usize,
}

impl CodeShape {
    /// A code, with what reading the best again takes, is to be an eighth of a landmark in f16. None for landmarks that are too short.
    pub(super) fn new(shape: &ChunkShape) -> Option<Self> {
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = *shape;
        let directions = (width / 4).saturating_sub(8).min(MOST_DIRECTIONS);
        (directions >= 8).then_some(Self { heads, width, directions })
    }

    /// Bytes of a tile.
    pub(super) fn tile_bytes(&self) -> usize {
        self.heads * self.head_bytes()
    }

    /// Of one head: codes (m, `TILE`), ‖r‖ (`TILE`) as f32, and of the tile the largest ‖P·r‖ and the largest length; two numbers more
    /// keep what follows aligned.
    pub(super) fn head_bytes(&self) -> usize {
        TILE * (self.directions + 4) + 16
    }

    /// Bytes that are taken whatever the number of chunks: for directions, while they are chosen, and for queries.
    pub(super) fn fixed_bytes(&self) -> usize {
        let Self { heads, width, directions } = *self;
        let queries = MOST_ROWS * (directions * 4 + size_of::<CodedQuery>());
        let bases = heads * 4 * (width + directions * width + directions);
        queries + bases + 8 * (2 * directions * width + 2 * width) + 4 * heads * width
    }
}

/// μ (w), P (m, w) and scales (m) of one retrieval head.
struct Basis {
    mean: Vec<f32>,
    directions: Vec<f32>,
    scales: Vec<f32>,
}

/// Makes codes of landmarks, and says of queries what bounds need to know.
pub struct Coder {
    pub(super) shape: CodeShape,
    /// How exactly products are computed: see [`Coder::new`].
    product: f64,
    /// (Gr); empty until there are landmarks to choose by.
    bases: Vec<Basis>,
    /// A landmark (R).
    landmark: Vec<f32>,
    /// What is left of a query (w).
    left: Vec<f64>,
    /// (n, Gr)
    queries: Vec<CodedQuery>,
    /// (n, Gr, m): tⱼ times the scale of direction j.
    weights: Vec<f32>,
}

/// A query of one retrieval head in the terms of the codes.
#[derive(Clone, Copy, Default)]
pub(super) struct CodedQuery {
    /// q·μ.
    mean: f32,
    /// ‖t‖, ‖q⊥‖, and what rounding adds for each unit of length of a landmark; rounded up.
    along: f32,
    across: f32,
    rounding: f32,
}

impl Coder {
    /// Chunks whose codes lie together.
    pub const TILE: usize = TILE;
    /// Most rows of queries that bounds are worth it for: for more, reading all landmarks is little of the work.
    pub const MOST_ROWS: usize = MOST_ROWS;

    /// For landmarks of this shape, without directions yet; None if they are too short. `product` says how exactly products are computed:
    /// the most that the error of one can be, in units of the relative error of one operation, of the lengths of both factors and of
    /// their width. 1 for sums of f32 in any order.
    pub fn new(shape: &ChunkShape, product: f64) -> Option<Self> {
        CodeShape::new(shape).map(|shape| Self::with(shape, product))
    }

    /// As [`Coder::new`].
    pub(super) fn with(shape: CodeShape, product: f64) -> Self {
        let (bases, landmark, left, queries, weights) = Default::default();
        Self { shape, product, bases, landmark, left, queries, weights }
    }

    /// Forgets the directions.
    pub fn clear(&mut self) {
        self.bases.clear();
    }

    /// Whether the directions are still to be chosen.
    pub fn is_new(&self) -> bool {
        self.bases.is_empty()
    }

    /// Chooses the directions by some of `count` landmarks, of which `landmark` gives one by its number.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory, and those of `landmark`.
    pub(super) fn choose<'a>(
        &mut self,
        count: usize,
        landmark: impl Fn(usize) -> Result<LandmarkBlock<'a>>,
    ) -> Result<()> {
        let CodeShape { heads, width, directions } = self.shape;
        room::resize(&mut self.landmark, heads * width, 0.0)?;
        room::resize(&mut self.left, width, 0.0)?;
        let samples = count.min(SAMPLE);
        let all = &mut self.landmark;
        for head in 0..heads {
            let mut each = |visit: &mut dyn FnMut(&[f32])| -> Result<()> {
                for i in 0..samples {
                    decode(&landmark(i * count / samples)?, 0, all);
                    let row = &all[head * width..][..width];
                    if row.iter().all(|x| x.is_finite()) {
                        visit(row);
                    }
                }
                Ok(())
            };
            let basis = Basis::of(&mut each, (samples, width, directions))?;
            room::grow(&mut self.bases, 1)?;
            self.bases.push(basis);
        }
        Ok(())
    }

    /// Puts the code of landmark `i` of `block` at place `at` of a tile, whose places before are taken.
    ///
    /// # Errors
    /// None in practice.
    pub(super) fn encode(&mut self, block: &LandmarkBlock<'_>, i: usize, tile: &mut [u8], at: usize) -> Result<()> {
        let CodeShape { width, directions, .. } = self.shape;
        decode(block, i, &mut self.landmark);
        let heads = self.landmark.chunks_exact_mut(width).zip(tile.chunks_exact_mut(self.shape.head_bytes()));
        for (basis, (landmark, bytes)) in self.bases.iter().zip(heads) {
            let (codes, lengths) = bytes.split_at_mut(directions * TILE);
            let (beside, most) = numbers_mut::<f32>(lengths)?.split_at_mut(TILE);
            if at == 0 {
                most.fill(0.0);
            }
            match basis.encode(landmark, |j, code| codes[j * TILE + at] = code as u8) {
                Some([rest, along, length]) => {
                    beside[at] = rest;
                    most[0] = most[0].max(along);
                    most[1] = most[1].max(length);
                }
                // It is read whenever its tile is looked at, and leaves the bounds of the others tight.
                None => beside[at] = f32::INFINITY,
            }
        }
        Ok(())
    }

    /// Makes ready for bounds of products with queries (n, Gr, w).
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn prepare(&mut self, queries: &[f32]) -> Result<()> {
        let CodeShape { heads, width, directions } = self.shape;
        let rows = queries.len() / width;
        room::resize(&mut self.queries, rows, CodedQuery::default())?;
        room::resize(&mut self.weights, rows * directions, 0.0)?;
        let rows = self.queries.iter_mut().zip(self.weights.chunks_exact_mut(directions));
        for (i, (query, (coded, weights))) in queries.chunks_exact(width).zip(rows).enumerate() {
            *coded = self.bases[i % heads].query(query, weights, &mut self.left, self.product);
        }
        Ok(())
    }

    /// m.
    pub fn directions(&self) -> usize {
        self.shape.directions
    }

    /// Bytes of a tile, and numbers of all bases.
    pub fn sizes(&self) -> (usize, usize) {
        let CodeShape { heads, width, directions } = self.shape;
        (self.shape.tile_bytes(), heads * (width + directions * width + directions))
    }

    /// For each head mean, directions and scales, one after the other.
    pub fn bases(&self) -> impl Iterator<Item = &[f32]> {
        self.bases.iter().flat_map(|basis| [&*basis.mean, &*basis.directions, &*basis.scales])
    }

    /// For each of the queries that were made ready the numbers of its bounds, q·μ, ‖t‖, ‖q⊥‖ and rounding, and its weights, one after the
    /// other.
    ///
    /// # Errors
    /// `Capacity` if there is not enough memory.
    pub fn rows(&self, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        room::grow(out, self.queries.len() * (4 + self.shape.directions))?;
        for (&CodedQuery { mean, along, across, rounding }, weights) in self.queries() {
            out.extend([mean, along, across, rounding]);
            out.extend(weights);
        }
        Ok(())
    }

    /// For each of the queries what its product with a landmark needs, and its weights (m).
    pub(super) fn queries(&self) -> impl Iterator<Item = (&CodedQuery, &[f32])> {
        self.queries.iter().zip(self.weights.chunks_exact(self.shape.directions))
    }
}

impl CodedQuery {
    /// What the products with the landmarks of a tile are at most.
    pub(super) fn bounds(&self, weights: &[f32], codes: &[u8], beside: &[f32], most: &[f32]) -> [f32; TILE] {
        let mut sums = [0f32; TILE];
        for (weight, column) in weights.iter().zip(codes.chunks_exact(TILE)) {
            for (sum, &code) in sums.iter_mut().zip(column) {
                *sum += weight * f32::from(code as i8);
            }
        }
        let all = self.mean + (self.along * most[0] + self.rounding * most[1]);
        for (sum, beside) in sums.iter_mut().zip(beside) {
            *sum = (*sum + all) + self.across * beside;
        }
        sums
    }
}

/// Shows landmarks of one head (w) one after the other.
type Each<'a> = dyn FnMut(&mut dyn FnMut(&[f32])) -> Result<()> + 'a;

impl Basis {
    /// The directions in which landmarks differ most, about: eigenvectors of their covariance, by iteration.
    fn of(each: &mut Each<'_>, (samples, width, directions): (usize, usize, usize)) -> Result<Self> {
        let mut sums = room::filled(width, 0f64)?;
        let mut count = 0;
        each(&mut |row| {
            count += 1;
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        })?;
        let mut mean = room::filled(width, 0f32)?;
        mean.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean = (sum / f64::from(count.max(1))) as f32);
        let mut centred = sums;
        let mut centre = |row: &[f32], visit: &mut dyn FnMut(&[f64])| {
            for ((to, &x), &m) in centred.iter_mut().zip(row).zip(&mean) {
                *to = f64::from(x) - f64::from(m);
            }
            visit(&centred);
        };
        // Begun with some of them.
        let mut all = room::filled(directions * width, 0f64)?;
        let mut begun = all.chunks_exact_mut(width);
        let (mut i, step) = (0, (samples / directions).max(1));
        each(&mut |row| {
            if i % step == 0
                && let Some(to) = begun.next()
            {
                centre(row, &mut |row| to.copy_from_slice(row));
            }
            i += 1;
        })?;
        let mut next = room::filled(directions * width, 0f64)?;
        for _ in 0..ROUNDS {
            orthonormalize(&mut all, width);
            next.fill(0.0);
            each(&mut |row| {
                centre(row, &mut |row| {
                    for (p, next) in all.chunks_exact(width).zip(next.chunks_exact_mut(width)) {
                        add(next, dot(p, row), row);
                    }
                });
            })?;
            std::mem::swap(&mut all, &mut next);
        }
        orthonormalize(&mut all, width);
        let mut scales = room::filled(directions, 0f32)?;
        each(&mut |row| {
            centre(row, &mut |row| {
                for (p, scale) in all.chunks_exact(width).zip(&mut scales) {
                    *scale = scale.max((dot(p, row).abs() * MARGIN / 127.0) as f32);
                }
            });
        })?;
        let mut directions = room::filled(all.len(), 0f32)?;
        directions.iter_mut().zip(&all).for_each(|(to, &x)| *to = x as f32);
        Ok(Self { mean, directions, scales })
    }

    /// Tells the code of a landmark (w), in whose place what is left of it is then, in each direction. Returns ‖r‖, ‖P·r‖, and a length that
    /// ‖l‖, ‖μ‖ and Σ|dⱼ| together do not exceed, rounded up; None for a landmark that codes cannot express.
    fn encode(&self, landmark: &mut [f32], mut put: impl FnMut(usize, i8)) -> Option<[f32; 3]> {
        let width = landmark.len();
        let mut length = norm(landmark) + norm(&self.mean);
        landmark.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x -= mean);
        let mut within = true;
        for (j, (p, &scale)) in self.directions.chunks_exact(width).zip(&self.scales).enumerate() {
            // Whatever the code is, the rest is what it leaves. Without a scale there is none.
            let steps = if scale > 0.0 { (dot_wide(p, landmark) as f32 / scale).round() } else { 0.0 };
            within &= steps.abs() <= 127.0;
            let code = steps.clamp(-127.0, 127.0) as i8;
            let d = f32::from(code) * scale;
            landmark.iter_mut().zip(p).for_each(|(x, p)| *x -= d * p);
            length += f64::from(d.abs());
            put(j, code);
        }
        let along = self.directions.chunks_exact(width).map(|p| dot_wide(p, landmark).powi(2)).sum::<f64>().sqrt();
        let lengths = [norm(landmark), along, length].map(up);
        (within && lengths.iter().all(|length| length.is_finite())).then_some(lengths)
    }

    /// A query (w) in the terms of the codes, and its weights (m).
    fn query(&self, q: &[f32], weights: &mut [f32], left: &mut [f64], product: f64) -> CodedQuery {
        let (width, m) = (q.len() as f64, weights.len() as f64);
        left.iter_mut().zip(q).for_each(|(left, &q)| *left = f64::from(q));
        let mut along = 0.0;
        for ((p, &scale), weight) in self.directions.chunks_exact(q.len()).zip(&self.scales).zip(weights) {
            let t = dot_wide(p, q);
            along += t * t;
            left.iter_mut().zip(p).for_each(|(left, &p)| *left -= t * f64::from(p));
            *weight = (t * f64::from(scale)) as f32;
        }
        // Operations on f32 whose errors add up, each of at most ‖q‖ times the length: those of the product; m and some of the
        // bound; and of the rest of a landmark, from which m directions are taken, in its length and along each of them. Twice that, for the
        // errors of lengths, and as those of the directions are not exactly 1.
        let operations = 2.0 * (product * width + (m + 8.0) * (4.0 + m.sqrt()));
        let rounding = operations * ROUNDING * norm(q);
        let across = dot(left, left).sqrt();
        CodedQuery {
            mean: dot_wide(&self.mean, q) as f32,
            along: up(along.sqrt()),
            across: up(across),
            rounding: up(rounding),
        }
    }
}

/// Gram and Schmidt, twice. Rows of which nothing is left are zero.
fn orthonormalize(rows: &mut [f64], width: usize) {
    for j in 0..rows.len() / width {
        let (before, rest) = rows.split_at_mut(j * width);
        let row = &mut rest[..width];
        let length = dot(row, row).sqrt();
        for _ in 0..2 {
            before.chunks_exact(width).for_each(|p| add(row, -dot(p, row), p));
        }
        let left = dot(row, row).sqrt();
        let factor = if left > length * 1e-6 && left.is_normal() { 1.0 / left } else { 0.0 };
        row.iter_mut().for_each(|x| *x = if factor > 0.0 { *x * factor } else { 0.0 });
    }
}

/// Landmark `i` of a block (R).
fn decode(block: &LandmarkBlock<'_>, i: usize, out: &mut [f32]) {
    let range = i * out.len()..(i + 1) * out.len();
    match block.data {
        LandmarkData::F32(all) => out.copy_from_slice(&all[range]),
        LandmarkData::F16(all) => all[range].reinterpret_cast::<f16>().convert_to_f32_slice(out),
    }
}

/// Adds `factor` times `row`.
fn add(to: &mut [f64], factor: f64, row: &[f64]) {
    to.iter_mut().zip(row).for_each(|(to, x)| *to += factor * x);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum(a, b, |a, b| a * b)
}

/// The product of f32, exact but for the sum.
fn dot_wide(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, |a, b| f64::from(a) * f64::from(b))
}

fn norm(x: &[f32]) -> f64 {
    dot_wide(x, x).sqrt()
}

/// Sums in several parts, which become vector code.
fn sum<T: Copy>(a: &[T], b: &[T], product: impl Fn(T, T) -> f64) -> f64 {
    let mut sums = [0f64; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(&a, &b)| product(a, b)).sum();
    for (a, b) in a.zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += product(a, b);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// An f32 that is not less than `x`, whose own error is far below the one part in a million that is added.
fn up(x: f64) -> f32 {
    (x * (1.0 + 1e-6)) as f32 + f32::MIN_POSITIVE
}
