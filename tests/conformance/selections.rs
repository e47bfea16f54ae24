//! What tokens choose, by the host or the device, one after the other and repeated: against sorting all scores and weighing in f64.

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

/// A memory, its reader, and what is chosen there.
struct Choosing<'a, B: Backend> {
    b: &'a B,
    kept: Kept,
    reader: Reader<B>,
    selecting: Selecting,
    hsa: HsaShape,
    /// (Gr, R/Gr)
    q: B::Buffer,
    /// (H, d)
    query: B::Buffer,
    out: B::Buffer,
}

impl<B: Named> Choosing<'_, B> {
    /// Chooses among `visible` chunks, as a token does, and compares.
    fn check(&mut self, random: &mut Random, visible: u64) {
        let Self { b, kept: Kept { memory, landmarks, chunks, .. }, reader, selecting, hsa, q, query, out } = self;
        let what = format!("{b:?} {:?} {hsa:?} {selecting:?}, {visible} visible", memory.precision());
        let ChunkShape { retrieval_heads: heads, retrieval_width: width, .. } = memory.shape();
        let queries: Vec<f32> = random.values(heads * width).iter().map(|v| v * 4.0).collect();
        let attending: Vec<f32> = random.values(hsa.heads * hsa.head_dim).iter().map(|v| v * 4.0).collect();
        let table = b.weight(Tensor::from_f32(1, 1, vec![1.0]).unwrap()).unwrap();
        let mut embedded = b.buffer(1).unwrap();
        b.run(|| {
            b.write(q, &queries).unwrap();
            b.write(query, &attending).unwrap();
            for i in 0..3 {
                // Said or not, before the token or in its midst.
                if (visible + i).is_multiple_of(2) {
                    reader.ready(*b, memory, visible).unwrap();
                }
                // A device may bring in what is missing, and repeats what a token does from its embedding on.
                b.embed(&table, &[0], &mut embedded).unwrap();
                reader.select(*b, memory, (0, selecting), q, &[visible]).unwrap();
                reader.select(*b, memory, (1, selecting), q, &[visible]).unwrap();
                reader.attend(*b, memory, hsa, query, out).unwrap();
            }
        });
        // The second choice has not disturbed what is known of the first.
        let (mut readings, mut same) = (Vec::new(), Vec::new());
        reader.trace(*b, 1, &mut readings).unwrap();
        reader.trace(*b, 0, &mut same).unwrap();
        assert_eq!(readings, same, "{what}");
        assert_eq!(readings.len(), heads * selecting.top_k, "{what}");

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
    let mut random = Random(31);
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
                let kept = kept_in(&mut random, shape, precision, 90, 100);
                let reader = reader(b, 16 << 20);
                let scale = 1.0 / (width as f32).sqrt();
                let selecting = Selecting { top_k: k, scale, weighting, position_decay };
                let buffer = |len: usize| b.buffer(len).unwrap();
                let (q, query, out) = (buffer(retrieval_heads * width), buffer(heads * d), buffer(heads * d));
                let mut choosing = Choosing { b, kept, reader, selecting, hsa, q, query, out };
                // One after the other: growing, from nothing on, and back.
                for visible in [0, 1, 2, 40, 41, 90, 3, 0, 90] {
                    choosing.check(&mut random, visible);
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
    let mut random = Random(32);
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
    let kept = kept_in(&mut random, shape, Precision::F16, 80, 64);
    // Room for 64 chunks, the least, and for the landmarks of all.
    let budget = least_budget(b, &kept.memory) + 8192;
    let reader = reader(b, budget);
    let selecting = Selecting { top_k: 8, scale: 0.5, weighting: Weighting::StickBreaking, position_decay: 0.0 };
    let (q, query, out) = (b.buffer(16).unwrap(), b.buffer(64).unwrap(), b.buffer(64).unwrap());
    let mut choosing = Choosing { b, kept, reader, selecting, hsa, q, query, out };
    for round in 0..6 {
        // Others first, by way of the host: they take any slots.
        let ids: Vec<u64> = (0..20).map(|i| (i * 7 + round * 11) % 80).collect();
        let chosen: Vec<(u64, f32)> = ids.chunks(8).flatten().map(|&id| (id, 0.125)).take(16).collect();
        let Choosing { kept: Kept { memory, chunks, .. }, reader, .. } = &mut choosing;
        let attending = random.values(128);
        let (queries, mut two) = (b.vector(&attending).unwrap(), b.buffer(128).unwrap());
        reader.choose(b, memory, 0, &chosen, 8).unwrap();
        reader.attend(b, memory, &hsa, &queries, &mut two).unwrap();
        let named: Vec<Pick> = chosen.iter().map(|&(id, weight)| Pick { chunk: id as u32, weight }).collect();
        let want = naive::hsa_attend(&hsa, &attending, 2, chunks, &named);
        assert_close(&format!("{b:?}"), &read(b, &two, 128), &want, 1e-5 * B::SLACK);

        let visible = 50 + 2 * round;
        choosing.check(&mut random, visible);
        choosing.check(&mut random, visible);
        // The last chunks are replaced by others.
        let Kept { memory, landmarks, chunks, .. } = &mut choosing.kept;
        let fresh = kept_in(&mut random, shape, Precision::F16, 80, 64);
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
fn codes_find_what_a_sort_finds() {
    everywhere!(codes_find_what_a_sort_finds_on);
}

// A few landmarks on the device, codes of others, and some that have neither.
fn codes_find_what_a_sort_finds_on<B: Named>(b: &B) {
    let mut random = Random(34);
    for (retrieval_heads, width, k) in [(1, 64, MAX_TOP_K), (2, 100, 32), (1, 67, 1)] {
        for (precision, room) in [(Precision::F16, 128 << 10), (Precision::F32, 64 << 10), (Precision::Int8, 10 << 10)]
        {
            let shape = ChunkShape { retrieval_heads, retrieval_width: width, kv_heads: retrieval_heads, ..ONE };
            let hsa = HsaShape {
                heads: retrieval_heads,
                kv_heads: retrieval_heads,
                head_dim: 1,
                chunk_size: 1,
                retrieval_heads,
                top_k: k,
                softmax_off_by_one: false,
            };
            let kept = kept_in(&mut random, shape, precision, 900, 30_000);
            let reader = reader(b, least_budget(b, &kept.memory) + room);
            let selecting = Selecting { top_k: k, scale: 0.2, weighting: SOFTMAX, position_decay: 0.0 };
            let buffer = |len: usize| b.buffer(len).unwrap();
            let (q, query, out) = (buffer(retrieval_heads * width), buffer(retrieval_heads), buffer(retrieval_heads));
            let mut choosing = Choosing { b, kept, reader, selecting, hsa, q, query, out };
            for visible in [900, 0, 1, 40, 899, 333] {
                choosing.check(&mut random, visible);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_chosen_all_the_same() {
    everywhere!(what_does_not_fit_is_chosen_all_the_same_on);
}

// Seventy chunks where there is room for sixty-four, then one, then all again.
fn what_does_not_fit_is_chosen_all_the_same_on<B: Named>(b: &B) {
    let mut random = Random(33);
    let kept = kept_in(&mut random, ONE, Precision::F32, 70, 8);
    let selecting = Selecting { top_k: 2, scale: 1.0, weighting: SOFTMAX, position_decay: 0.0 };
    let hsa = HsaShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 1,
        chunk_size: 1,
        retrieval_heads: 1,
        top_k: 2,
        softmax_off_by_one: false,
    };
    let reader = smallest_reader(b, &kept.memory);
    let buffer = || b.buffer(1).unwrap();
    let mut choosing = Choosing { b, kept, reader, selecting, hsa, q: buffer(), query: buffer(), out: buffer() };
    for visible in [70, 1, 70, 69] {
        choosing.check(&mut random, visible);
    }

    let Choosing { kept: Kept { memory, .. }, reader, .. } = &mut choosing;
    let q = b.vector(&[1.0]).unwrap();
    let kind = |r: ramba::Result<bool>| r.unwrap_err().kind();
    assert_eq!(kind(reader.select(b, memory, (0, &selecting), &q, &[71])), ErrorKind::InvalidArgument);
    assert_eq!(reader.ready(b, memory, 71).unwrap_err().kind(), ErrorKind::InvalidArgument);
    for top_k in [0, MAX_TOP_K + 1] {
        let selected = reader.select(b, memory, (0, &Selecting { top_k, ..selecting }), &q, &[1]);
        assert_eq!(kind(selected), ErrorKind::InvalidArgument);
    }
    let none = b.buffer(0).unwrap();
    assert_eq!(kind(reader.select(b, memory, (0, &selecting), &none, &[1])), ErrorKind::InvalidArgument);
    assert_eq!(kind(reader.select(b, memory, (2, &selecting), &q, &[1])), ErrorKind::InvalidArgument);
    assert!(reader.select(b, memory, (0, &selecting), &q, &[1]).unwrap());
    let mut readings = Vec::new();
    reader.trace(b, 0, &mut readings).unwrap();
    assert_eq!(readings, [(0, 1.0), (0, 0.0)], "{b:?}");
    assert_eq!(reader.trace(b, 1000, &mut readings).unwrap_err().kind(), ErrorKind::InvalidArgument);
    // A budget that is too small is told when it is needed.
    if least_budget(b, memory) > 0 {
        let mut poor = super::reader(b, least_budget(b, memory) - 1);
        poor.ready(b, memory, 0).unwrap();
        assert_eq!(poor.ready(b, memory, 1).unwrap_err().kind(), ErrorKind::Capacity);
        assert_eq!(kind(poor.select(b, memory, (0, &selecting), &q, &[1])), ErrorKind::Capacity);
    }
}
