//! The one error type: an opaque message with context, and a kind to match on.

use std::borrow::Cow;
use std::fmt;

/// Longest message, and longest message of a cause, in characters. Parts of untrusted files in them can be of any length.
const MAX_CHARS: usize = 1000;

/// What went wrong, for a caller that wants to react to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Reading or writing a file failed.
    Io,
    /// A file is damaged or not of the expected format.
    Format,
    /// A file is well formed, but asks for something that this build does not do.
    Unsupported,
    /// An argument of the caller is out of range or inconsistent.
    InvalidArgument,
    /// A budget (memory, disk) is too small for the request.
    Capacity,
    /// Another process or session has the right to write.
    Busy,
    /// The caller asked to stop.
    Cancelled,
    /// An accelerator or its driver failed.
    Device,
}

/// Result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure: its kind, a message that names the field and place, and the cause if there is one.
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a message for people. Parts of it may come from a hostile file: it is made [`printable`], with its
    /// middle left out if it is longer than 1000 characters.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: bounded(message.into()), source: None }
    }

    /// An I/O failure while doing `what` (for example `reading "x.gguf"`).
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self { source: Some(Box::new(source)), ..Self::new(ErrorKind::Io, what) }
    }

    /// A damaged or malformed file.
    pub fn format(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Format, message)
    }

    /// Something well formed that this build does not do.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An argument that is out of range or inconsistent.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// A budget that is too small.
    pub fn capacity(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Capacity, message)
    }

    /// The same error with `context` put before its message.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = bounded(format!("{context}: {}", self.message));
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// `text` as it can be shown to people wherever it comes from: control characters and those that change the direction of
/// text (Unicode's Bidi_Control), with which a file could make a terminal show something else than what is there, as `\u{…}`.
///
/// ```
/// assert_eq!(ramba::printable("a\u{202e}b\n"), "a\\u{202e}b\\n");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_control(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Whether `c` steers what shows the text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` made printable, without its middle if it is longer than [`MAX_CHARS`].
fn bounded(text: String) -> String {
    // What is cut away need not be escaped: one character becomes at most ten.
    let text = if text.len() > 4 * MAX_CHARS { without_middle(&text) } else { text };
    match printable(&text) {
        Cow::Borrowed(_) => without_middle(&text),
        Cow::Owned(escaped) => without_middle(&escaped),
    }
}

/// `text`, of which at most [`MAX_CHARS`] characters are kept: those at the start and, where what is wrong is often said, the end.
fn without_middle(text: &str) -> String {
    const END: usize = MAX_CHARS / 4;
    const START: usize = MAX_CHARS - END - 1;
    if text.char_indices().nth(MAX_CHARS).is_none() {
        return text.to_owned();
    }
    let start = text.char_indices().nth(START).map_or(text.len(), |(at, _)| at);
    let end = text.char_indices().rev().nth(END - 1).map_or(0, |(at, _)| at);
    format!("{}…{}", &text[..start], &text[end..])
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {}", bounded(source.to_string()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_is_long_or_steers_a_terminal() {
        let hostile = format!("\u{1b}[2J\u{202e}{}\u{2066}\r\n", "x\u{202e}".repeat(1 << 20));
        let errors = [
            Error::format(hostile.clone()),
            Error::format("short").context(&hostile),
            Error::io("short", std::io::Error::other(hostile.clone())),
            Error::io(hostile.clone(), std::io::Error::other(hostile.clone())).context(&hostile).context(&hostile),
        ];
        for e in errors {
            for text in [e.to_string(), format!("{e:?}")] {
                assert!(text.chars().count() <= 2100, "{} characters", text.len());
                assert!(!text.chars().any(is_control), "{text}");
                assert!(text.contains("\\u{1b}[2J\\u{202e}"), "{text}");
            }
        }
    }

    #[test]
    fn short_messages_stay_as_they_are() {
        let text = "ключ «é» 鍵 مفتاح";
        assert_eq!(Error::format(text).context("a").to_string(), format!("a: {text}"));
        let (fits, longer) = ("é".repeat(MAX_CHARS), "é".repeat(MAX_CHARS + 1));
        assert_eq!(Error::format(fits.clone()).to_string(), fits);
        assert_eq!(Error::format(longer).to_string().chars().count(), MAX_CHARS);
    }
}
