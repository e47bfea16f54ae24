//! Scores as the benchmarks count them.

use std::collections::{BTreeMap, BTreeSet};

/// A text as SQuAD's evaluation compares it: lower case, without punctuation and articles, one space between words.
pub fn normal(text: &str) -> String {
    let kept: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let words = kept.split_whitespace().filter(|word| !matches!(*word, "a" | "an" | "the"));
    words.collect::<Vec<_>>().join(" ")
}

/// SQuAD's exact match with the best of `wanted`: 0 or 1.
pub fn exact(answer: &str, wanted: &[String]) -> f64 {
    let answer = normal(answer);
    f64::from(u8::from(wanted.iter().any(|wanted| normal(wanted) == answer)))
}

/// SQuAD's F1 over words with the best of `wanted`, 0 to 1.
pub fn f1(answer: &str, wanted: &[String]) -> f64 {
    wanted.iter().map(|wanted| f1_with(answer, wanted)).fold(0.0, f64::max)
}

fn f1_with(answer: &str, wanted: &str) -> f64 {
    let (answer, wanted) = (normal(answer), normal(wanted));
    let (mut counts, mut answered, mut same) = (BTreeMap::<&str, usize>::new(), 0, 0);
    let length = wanted.split_whitespace().inspect(|word| *counts.entry(word).or_default() += 1).count();
    for word in answer.split_whitespace() {
        answered += 1;
        if let Some(count) = counts.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    match same {
        0 => f64::from(u8::from(answer == wanted)),
        _ => 2.0 * f64::from(same) / (answered + length) as f64,
    }
}

/// The share of `wanted` that stands somewhere in the answer, whatever the case: RULER's `string_match_all`.
pub fn contained(answer: &str, wanted: &[String]) -> f64 {
    let answer = answer.to_lowercase();
    let found = wanted.iter().filter(|wanted| answer.contains(&wanted.to_lowercase())).count();
    found as f64 / wanted.len().max(1) as f64
}

/// 1 if any of `wanted` stands in the answer, whatever the case: RULER's `string_match_part`.
pub fn contained_any(answer: &str, wanted: &[String]) -> f64 {
    let answer = answer.to_lowercase();
    f64::from(u8::from(wanted.iter().any(|wanted| answer.contains(&wanted.to_lowercase()))))
}

/// BABILong's comparison: the first sentence of the answer holds the target, and no other one of the task's `labels`, those
/// of the question not counted. A target with commas is several.
pub fn labelled(answer: &str, question: &str, target: &str, labels: &BTreeSet<String>) -> f64 {
    let answer = answer.to_lowercase();
    let sentence = answer.split('.').next().unwrap_or_default();
    let question = question.to_lowercase();
    let said: BTreeSet<&str> = labels
        .iter()
        .map(String::as_str)
        .filter(|label| sentence.contains(label) && !question.contains(label))
        .collect();
    let target = target.to_lowercase();
    let wanted: BTreeSet<&str> = match target.contains(',') && target.len() > 3 {
        true => target.split(',').map(str::trim).collect(),
        false => [target.trim()].into(),
    };
    f64::from(u8::from(wanted == said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.into()).collect()
    }

    #[test]
    fn squad_counts_words() {
        assert_eq!(normal("The  Eiffel-Tower, a tower!"), "eiffeltower tower");
        assert_eq!(exact("the Normans.", &texts(&["x", "Normans"])), 1.0);
        assert_eq!(exact("Norman", &texts(&["Normans"])), 0.0);
        assert_eq!(f1("in the 10th century", &texts(&["10th century", "1066"])), 0.8);
        assert_eq!(f1("b b", &texts(&["b"])), 2.0 / 3.0);
        assert_eq!((f1("", &texts(&["the"])), f1("x", &texts(&["y"]))), (1.0, 0.0));
    }

    #[test]
    fn ruler_looks_for_strings() {
        let wanted = texts(&["8090293", "Blue"]);
        assert_eq!(contained("It is 8090293, blue", &wanted), 1.0);
        assert_eq!(contained("8090293", &wanted), 0.5);
        assert_eq!((contained_any("blue", &wanted), contained_any("red", &wanted)), (1.0, 0.0));
    }

    #[test]
    fn babilong_wants_one_label_and_no_other() {
        let labels = texts(&["kitchen", "garden", "office"]).into_iter().collect();
        let score = |answer, target| labelled(answer, "Where is the milk?", target, &labels);
        assert_eq!(score("The milk is in the Kitchen. Not the garden", "kitchen"), 1.0);
        assert_eq!(score("kitchen or garden", "kitchen"), 0.0);
        assert_eq!(score("nowhere", "kitchen"), 0.0);
        assert_eq!(score("garden, kitchen", "kitchen,garden"), 1.0);
        // What the question names does not count as said.
        assert_eq!(labelled("from the office to the garden", "Where after the office?", "garden", &labels), 1.0);
    }
}
