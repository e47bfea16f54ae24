//! What answers say that they rest on, apart for those that are right, wrong, and to questions that the document does not answer.

use ramba::{Answer, Support};

/// An answer counts as right from this F1 on.
const RIGHT: f64 = 0.5;

/// Thresholds that shares are counted for.
const LEAST: [f32; 8] = [0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75];

/// Answers of one kind.
#[derive(Default)]
struct Kind {
    weights: Vec<f32>,
    probabilities: Vec<f32>,
    quoted: usize,
    found: usize,
    none: usize,
}

/// Answers of all kinds.
#[derive(Default)]
pub struct Kinds {
    right: Kind,
    wrong: Kind,
    absent: Kind,
}

impl Kinds {
    /// Counts an answer with the F1 that it has; without one, the document holds no answer.
    pub fn add(&mut self, answer: &Answer, f1: Option<f64>) {
        let kind = match f1 {
            Some(f1) if f1 > RIGHT => &mut self.right,
            Some(_) => &mut self.wrong,
            None => &mut self.absent,
        };
        kind.weights.push(answer.weight);
        kind.probabilities.push(answer.probability);
        match answer.support {
            Support::Quoted(_) => kind.quoted += 1,
            Support::None => kind.none += 1,
            _ => kind.found += 1,
        }
    }

    /// How many there are of each, and the shares with less than some weights and probabilities, by which thresholds are chosen.
    pub fn lines(&self) -> Vec<String> {
        let kinds = [("right", &self.right), ("wrong", &self.wrong), ("not in the document", &self.absent)];
        let mut lines = vec![format!("{:<33} {:>8} {:>8} {:>8} {:>8}", "", "asked", "quoted", "found", "none")];
        for (name, Kind { weights, quoted, found, none, .. }) in kinds {
            lines.push(format!("{name:<33} {:>8} {quoted:>8} {found:>8} {none:>8}", weights.len()));
        }
        let heads = LEAST.map(|least| format!("{least:>8.2}"));
        lines.push(format!("{:<33} {}", "share with less than", heads.join(" ")));
        for (name, kind) in kinds {
            for (what, values) in [("weight", &kind.weights), ("probability", &kind.probabilities)] {
                let shares = LEAST.map(|least| share(values, least));
                lines.push(format!("{:<33} {}", format!("{name}, {what}"), shares.join(" ")));
            }
        }
        lines
    }
}

/// The share of values below `least`.
fn share(values: &[f32], least: f32) -> String {
    let less = values.iter().filter(|&&value| value < least).count();
    match values.len() {
        0 => format!("{:>8}", "–"),
        all => format!("{:>8.3}", less as f64 / all as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_values_below() {
        let values = [0.04, 0.05, 0.3, 1.0];
        assert_eq!(
            [0.05, 0.3, 0.31, 2.0].map(|least| share(&values, least).trim().to_owned()),
            ["0.250", "0.500", "0.750", "1.000"]
        );
        assert_eq!(share(&[], 0.5).trim(), "–");
    }
}
