//! What a device chooses by itself: `resident`, `select` and `readings` against sorting all scores and weighing in f64.

use ramba::backend::{Selecting, Weighting};
use ramba::topk::MAX_TOP_K;

use super::*;

const SOFTMAX: Weighting = Weighting::Softmax { position_decay: false };
const DECAY: Weighting = Weighting::Softmax { position_decay: true };

/// The weights of chosen chunks by their scores, most recent first.
fn weights(scores: &[f64], selecting: &Selecting) -> Vec<f64> {
    let decayed = scores.iter().enumerate().map(|(i, score)| score + i as f64 * f64::from(selecting.position_decay));
    if selecting.weighting == Weighting::StickBreaking {
        let mut left = 1.0;
        let take = |score: f64| {
            let taken = left / (1.0 + (-score).exp());
            left -= taken;
            taken
        };
        return decayed.map(take).collect();
    }
    let exp: Vec<f64> = decayed.map(f64::exp).collect();
    let sum: f64 = exp.iter().sum();
    exp.iter().map(|e| e / sum).collect()
}

/// A memory, its mirror, and what is chosen there.
struct Choosing<'a, B: Backend> {
    b: &'a B,
    kept: Kept,
    mirror: B::Mirror,
    selecting: Selecting,
    hsa: HsaShape,
    /// (Gr, R/Gr)
    q: B::Buffer,
    /// (H, d)
    query: B::Buffer,
    out: B::Buffer,
}

impl<B: Named> Choosing<'_, B> {
    /// Chooses among `visible` chunks by way of `recording`, and compares.
    fn check(&mut self, rng: &mut Rng, visible: u64, recording: &mut B::Recording) {
        let Self { b, kept: Kept { memory, landmarks, chunks, .. }, mirror, selecting, hsa, q, query, out } = self;
        let what = format!("{b:?} {:?} {hsa:?} {selecting:?}, {visible} visible", memory.precision());
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = memory.shape();
        let queries: Vec<f32> = rng.values(heads * width).iter().map(|v| v * 4.0).collect();
        let attending: Vec<f32> = rng.values(hsa.heads * hsa.head_dim).iter().map(|v| v * 4.0).collect();
        b.run(|| {
            // A few calls may be needed to bring everything in.
            assert!((0..3).any(|_| b.resident(memory, mirror, visible, 2).unwrap()), "{what}: not resident");
            b.write(q, &queries).unwrap();
            b.write(query, &attending).unwrap();
            let choose = || {
                // The second one does not disturb what is known of the first.
                b.select(q, selecting, 1, memory, mirror)?;
                b.hsa_attend(hsa, query, 0..1, memory, mirror, out)?;
                b.select(q, selecting, 0, memory, mirror)
            };
            b.replay(recording, choose).unwrap();
        });
        let mut readings = vec![(u64::MAX, f32::NAN); heads * selecting.top_k];
        let mut same = readings.clone();
        b.readings(mirror, 1, &mut readings).unwrap();
        b.readings(mirror, 0, &mut same).unwrap();
        assert_eq!(readings, same, "{what}");

        let near = 2e-5 * B::SLACK.sqrt();
        for (h, readings) in readings.chunks(selecting.top_k).enumerate() {
            let q = &queries[h * width..][..width];
            let scores = scores(&landmarks[h * width..], heads * width, q, visible as usize, selecting.scale);
            let best = best_of(&scores, visible, selecting.top_k);
            let (chosen, none) = readings.split_at(best.len());
            assert!(none.iter().all(|r| *r == (0, 0.0)), "{what}: {none:?}");
            assert!(chosen.windows(2).all(|pair| pair[0].0 > pair[1].0), "{what}: {chosen:?} is not most recent first");
            let mut own: Vec<f64> = chosen.iter().map(|r| scores[r.0 as usize]).collect();
            for ((id, weight), want) in chosen.iter().zip(weights(&own, selecting)) {
                let error = (f64::from(*weight) - want).abs();
                assert!(error < near, "{what}: weight {weight} of chunk {id}, expected {want}");
            }
            // Different ids are fine where the scores are equal but for rounding.
            own.sort_by(|a, b| b.total_cmp(a));
            assert!(own.iter().zip(best).all(|(own, best)| (own - scores[best as usize]).abs() < near), "{what}");
        }
        let picks: Vec<Pick> = readings.iter().map(|&(id, weight)| Pick { chunk: id as u32, weight }).collect();
        let want = naive::hsa_attend(hsa, &attending, 1, chunks, &picks);
        let got = read(*b, out, want.len());
        let scale = want.iter().fold(1e-2f64, |m, v| m.max(v.abs()));
        for (got, want) in got.iter().zip(&want) {
            assert!((f64::from(*got) - want).abs() < 1e-5 * B::SLACK * scale, "{what}: read {got}, expected {want}");
        }
    }
}

#[test]
fn a_device_chooses_what_a_sort_chooses() {
    everywhere!(a_device_chooses_what_a_sort_chooses_on);
}

fn a_device_chooses_what_a_sort_chooses_on<B: Named>(b: &B) {
    let mut rng = Rng(31);
    for (i, (heads, kv_heads, width, d, s, k)) in [
        (4, 1, 64, 32, 16, 8),
        (6, 2, 24, 7, 5, 3),
        (4, 2, 9, 64, 16, 1),
        (2, 1, 128, 16, 3, MAX_TOP_K),
        (8, 2, 40, 32, 16, 33),
    ]
    .into_iter()
    .enumerate()
    {
        let retrieval_heads = if i == 0 { 1 } else { kv_heads };
        let hsa = HsaShape {
            heads,
            kv_heads,
            head_dim: d,
            chunk_size: s,
            retrieval_heads,
            top_k: k,
            softmax_off_by_one: i % 2 == 1,
        };
        let shape = ChunkShape { chunk_size: s, kv_heads, head_dim: d, retrieval_heads, retrieval_width: width };
        for precision in [Precision::F32, Precision::F16, Precision::Int8] {
            for (weighting, position_decay) in [(Weighting::StickBreaking, 0.0), (SOFTMAX, 0.0), (DECAY, -0.25)] {
                let kept = kept_in(&mut rng, shape, precision, 90, 100);
                let mirror = b.mirror(shape, precision, 16 << 20, 256, 0).unwrap();
                let scale = 1.0 / (width as f32).sqrt();
                let selecting = Selecting { top_k: k, scale, weighting, position_decay };
                let buffer = |len: usize| b.buffer(len).unwrap();
                let (q, query, out) = (buffer(retrieval_heads * width), buffer(heads * d), buffer(heads * d));
                let mut choosing = Choosing { b, kept, mirror, selecting, hsa, q, query, out };
                let mut recording = B::Recording::default();
                // One after the other by the same recording: growing, from nothing on, and back.
                for visible in [0, 1, 2, 40, 41, 90, 3, 0, 90] {
                    choosing.check(&mut rng, visible, &mut recording);
                }
            }
        }
    }
}

#[test]
fn chunks_that_leave_or_change_are_brought_in_again() {
    everywhere!(chunks_that_leave_or_change_are_brought_in_again_on);
}

fn chunks_that_leave_or_change_are_brought_in_again_on<B: Named>(b: &B) {
    let mut rng = Rng(32);
    let shape = ChunkShape { retrieval_width: 16, head_dim: 32, chunk_size: 16, ..ONE };
    let hsa = HsaShape {
        heads: 2,
        kv_heads: 1,
        head_dim: 32,
        chunk_size: 16,
        retrieval_heads: 1,
        top_k: 8,
        softmax_off_by_one: false,
    };
    let kept = kept_in(&mut rng, shape, Precision::F16, 80, 64);
    // Room for 64 chunks, the least, and for the landmarks of all.
    let budget = least_budget(b, &kept.memory) + 8192;
    let mirror = b.mirror(shape, Precision::F16, budget, 256, 0).unwrap();
    let selecting = Selecting { top_k: 8, scale: 0.5, weighting: Weighting::StickBreaking, position_decay: 0.0 };
    let (q, query, out) = (b.buffer(16).unwrap(), b.buffer(64).unwrap(), b.buffer(64).unwrap());
    let mut choosing = Choosing { b, kept, mirror, selecting, hsa, q, query, out };
    let mut recording = B::Recording::default();
    for round in 0..6 {
        // Others first, by way of the host: they take any slots.
        let ids: Vec<u64> = (0..20).map(|i| (i * 7 + round * 11) % 80).collect();
        let picks: Vec<Pick> = (0..8).map(|chunk| Pick { chunk, weight: 0.125 }).collect();
        let Choosing { kept: Kept { memory, chunks, .. }, mirror, query, out, .. } = &mut choosing;
        let attending = rng.values(64);
        b.write(query, &attending).unwrap();
        b.fetch(memory, mirror, &ids, &picks).unwrap();
        b.hsa_attend(&hsa, query, 0..1, memory, mirror, out).unwrap();
        let named: Vec<Pick> = picks.iter().map(|p| Pick { chunk: ids[p.chunk as usize] as u32, ..*p }).collect();
        let want = naive::hsa_attend(&hsa, &attending, 1, chunks, &named);
        assert_close(&format!("{b:?}"), &read(b, out, 64), &want, 1e-5 * B::SLACK);

        let visible = 50 + 2 * round;
        choosing.check(&mut rng, visible, &mut recording);
        choosing.check(&mut rng, visible, &mut recording);
        // The last chunks are replaced by others.
        let Kept { memory, landmarks, chunks, .. } = &mut choosing.kept;
        let fresh = kept_in(&mut rng, shape, Precision::F16, 80, 64);
        let upto = 45 - round as usize;
        memory.truncate(upto as u64).unwrap();
        for id in upto..80 {
            let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<_>>();
            let (keys, values) = &fresh.chunks[id];
            let landmark = narrow(&fresh.landmarks[id * 16..][..16]);
            memory.append(&narrow(keys), &narrow(values), &landmark, 0..1).unwrap();
            landmarks[id * 16..][..16].copy_from_slice(&fresh.landmarks[id * 16..][..16]);
            chunks[id] = fresh.chunks[id].clone();
        }
    }
}

#[test]
fn what_does_not_fit_is_not_resident() {
    everywhere!(what_does_not_fit_is_not_resident_on);
}

fn what_does_not_fit_is_not_resident_on<B: Named>(b: &B) {
    let Kept { mut memory, _dir, .. } = kept(&mut Rng(33), ONE, Precision::F32, 70);
    let mut mirror = smallest_mirror(b, &memory);
    for _ in 0..3 {
        assert!(!b.resident(&mut memory, &mut mirror, 70, 1).unwrap(), "{b:?}");
    }
    assert!(b.resident(&mut memory, &mut mirror, 1, 1).unwrap(), "{b:?}");
    let kind = |r: ramba::Result<()>| r.unwrap_err().kind();
    assert_eq!(b.resident(&mut memory, &mut mirror, 71, 1).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let q = b.vector(&[1.0]).unwrap();
    let good = Selecting { top_k: 2, scale: 1.0, weighting: SOFTMAX, position_decay: 0.0 };
    for top_k in [0, MAX_TOP_K + 1] {
        let selected = b.select(&q, &Selecting { top_k, ..good }, 0, &mut memory, &mut mirror);
        assert_eq!(kind(selected), ErrorKind::InvalidArgument);
    }
    let none = b.buffer(0).unwrap();
    assert_eq!(kind(b.select(&none, &good, 0, &mut memory, &mut mirror)), ErrorKind::InvalidArgument);
    b.select(&q, &good, 0, &mut memory, &mut mirror).unwrap();
    let mut readings = [(9, 9.0); 2];
    b.readings(&mut mirror, 0, &mut readings).unwrap();
    assert_eq!(readings, [(0, 1.0), (0, 0.0)], "{b:?}");
    assert_eq!(kind(b.readings(&mut mirror, 1000, &mut readings)), ErrorKind::InvalidArgument);
    assert_eq!(kind(b.readings(&mut mirror, 0, &mut [(0, 0.0); 1000])), ErrorKind::InvalidArgument);
}
