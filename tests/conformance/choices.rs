//! Choosing among logits, against sorting all of them.

use super::*;

#[test]
fn top_logits_are_those_of_a_sorted_row() {
    everywhere!(top_logits_are_those_of_a_sorted_row_on);
}

fn top_logits_are_those_of_a_sorted_row_on<B: Named>(b: &B) {
    let mut random = Random(21);
    for count in [1, 2, 31, 1000, 4099, 50277] {
        let all: Vec<f32> = random.values(count).iter().map(|v| v * 20.0).collect();
        let few = all.iter().map(|v| if v.abs() < 5.0 { v.signum() * 0.0 } else { v.signum() }).collect();
        let mut shut: Vec<f32> = all.iter().map(|&v| if v < 19.0 { f32::NEG_INFINITY } else { v }).collect();
        shut[count / 2] = f32::MIN;
        // The highest in few threads of a device: more than it has room for.
        let crowded = (0..count).map(|i| if i / 4 % 1024 < 30 { all[i].abs() + 1.0 } else { -1.0 }).collect();
        let rising = (0..count).map(|i| i as f32).collect();
        let falling = (0..count).map(|i| -(i as f32)).collect();
        for logits in [all, few, shut, crowded, rising, falling, vec![-3.5; count]] {
            let mut sorted: Vec<_> = (0u64..).zip(&logits).filter(|c| *c.1 > f32::NEG_INFINITY).collect();
            // Stable: of equals the lower id comes first.
            sorted.sort_by(|x, y| y.1.partial_cmp(x.1).unwrap());
            // What is behind them in the buffer is no candidate.
            let buffer = b.vector(&[&logits[..], &[f32::INFINITY; 5]].concat()).unwrap();
            for k in [1, 2, 5, 40, 64] {
                let mut top = TopK::new(k).unwrap();
                top.push(u64::MAX, 1e9);
                b.top_logits(&buffer, count, &mut top).unwrap();
                let got: Vec<_> = top.best_first().iter().map(|c| (c.id, c.score)).collect();
                let want: Vec<_> = sorted.iter().take(k).map(|c| (c.0, *c.1)).collect();
                assert!(got == want, "{b:?}: {k} of {count}: {got:?} instead of {want:?}");
            }
        }
    }
}

#[test]
fn logits_that_cannot_be_right_are_errors() {
    everywhere!(logits_that_cannot_be_right_are_errors_on);
}

fn logits_that_cannot_be_right_are_errors_on<B: Named>(b: &B) {
    let mut random = Random(22);
    for k in [1, 2, 64] {
        let mut top = TopK::new(k).unwrap();
        let mut fails = |logits: &[f32], message: &str| {
            let (buffer, count) = (b.vector(logits).unwrap(), logits.len());
            let error = b.top_logits(&buffer, count, &mut top).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidArgument, message), "{b:?}");
        };
        fails(&[], "none of 0 tokens has a logit above -inf");
        fails(&[f32::NEG_INFINITY; 33], "none of 33 tokens has a logit above -inf");
        fails(&[0.0, f32::INFINITY], "the logit of token 1 is inf");
        for at in [0, 1500, 4998] {
            let mut logits = random.values(4999);
            logits[4998] = f32::INFINITY;
            logits[at] = -f32::NAN;
            fails(&logits, &format!("the logit of token {at} is NaN"));
        }
        let error = b.top_logits(&b.buffer(3).unwrap(), 4, &mut top).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        // A failure leaves nothing behind.
        b.top_logits(&b.vector(&[1.0, 3.0, 2.0]).unwrap(), 3, &mut top).unwrap();
        assert_eq!((top.best_first()[0].id, top.len()), (1, k.min(3)));
    }
}
