//! A question as it is put to the model, and whether it can be.

use super::{AskOptions, Engine};
use crate::sampler::Sampler;
use crate::{Error, Result};

/// Tokens that an answer must have room for, unless [`AskOptions::max_tokens`] are fewer.
const LEAST_ROOM: usize = 32;

impl Engine {
    /// Checks what can be checked of a question before there is a document: that there is one, that it leaves room for
    /// an answer in the segment that the two share, and that the options make sense.
    ///
    /// # Errors
    /// `InvalidArgument` if not, `Unsupported` if the model has no tokenizer.
    pub fn check_question(&self, question: &str, options: &AskOptions) -> Result<()> {
        self.room(self.prompt(question)?.len(), options).map(|_| ())
    }

    /// The tokens that ask `question`: between the marks that the model was trained with, if it was.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no question.
    pub(super) fn prompt(&self, question: &str) -> Result<Vec<u32>> {
        let config = self.config();
        let mut prompt = Vec::from_iter(config.question_token);
        let space = if config.question_space { " " } else { "" };
        prompt.extend(self.tokenize(&format!("{space}{}", normalized(question)?))?);
        prompt.extend(config.answer_token);
        Ok(prompt)
    }

    /// Most tokens of an answer to a prompt of so many.
    ///
    /// # Errors
    /// `InvalidArgument` if they are too few for an answer, or the options make no sense.
    pub(super) fn room(&self, prompt: usize, options: &AskOptions) -> Result<usize> {
        Sampler::new(options.sampling)?;
        if prompt == 0 {
            return Err(empty());
        }
        if options.max_tokens == 0 {
            return Err(Error::invalid("an answer of at most 0 tokens"));
        }
        // Question and answer share one segment, whose recurrence starts with the question.
        let Some(size) = self.config().segments.size() else { return Ok(options.max_tokens) };
        let left = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(prompt);
        let least = options.max_tokens.min(LEAST_ROOM);
        if left < least {
            return Err(Error::invalid(format!(
                "the question has {prompt} tokens; with an answer of {least} it must fit into a segment of {size}"
            )));
        }
        Ok(left.min(options.max_tokens))
    }
}

/// `question` as the model gets it, the same for all ways of writing it that mean the same: without white space and
/// control characters around it, with one space for those inside, and with a question mark at its end, if it does not
/// end in other punctuation of a sentence.
///
/// # Errors
/// `InvalidArgument` if nothing is left.
fn normalized(question: &str) -> Result<String> {
    let blank = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}');
    let mark = |c: char| matches!(c, '?' | '？' | '﹖');
    let words: Vec<&str> = question.split(blank).filter(|word| !word.is_empty()).collect();
    let words = words.join(" ");
    let asked = words.trim_end_matches(|c| mark(c) || c == ' ');
    if asked.is_empty() {
        return Err(empty());
    }
    let ends = asked.len() == words.len() && words.ends_with(['.', '!', ':', '…', '。', '！', '؟', '।', ';']);
    Ok(format!("{asked}{}", if ends { "" } else { "?" }))
}

fn empty() -> Error {
    Error::invalid("the question is empty")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn ways_of_writing_a_question_are_one() {
        let plain = "What is the pass key of QXRT?";
        for same in [
            plain,
            "What is the pass key of QXRT",
            "  What is the pass key of QXRT?\r\n",
            "\u{feff}What is the pass key of QXRT ?\n",
            "What is\nthe pass key\t of  QXRT？",
            "\u{1b}What is the pass key of QXRT??",
            "What\u{a0}is the pass key of QXRT\u{3000}？\u{0}",
        ] {
            assert_eq!(normalized(same).unwrap(), plain, "{same:?}");
        }
        for other in ["Name the pass key of QXRT.", "说出密码。", "اذكر المفتاح؟", "The pass key of QXRT is:"]
        {
            assert_eq!(normalized(other).unwrap(), other);
        }
        assert_eq!(normalized("密码是什么？").unwrap(), "密码是什么?");
    }

    #[test]
    fn nothing_is_no_question() {
        for nothing in ["", " ", "\n", "\r\n\t ", "\u{0}\u{1b}\u{7f}", "\u{3000}\u{feff}\u{200b}", "?", " ？ ? "] {
            let error = normalized(nothing).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("empty"), "{nothing:?}");
        }
    }
}
