//! JSON as Python's libraries write it, of bounded size and without ambiguity.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::gguf::{LFS_ADVICE, LFS_POINTER, Quoted};
use crate::{Error, Result, room};

/// The text of the file at `path`, of at most `limit` bytes, without a byte order mark.
pub(super) fn text(path: &Path, limit: u64) -> Result<String> {
    let io = |e| Error::io(format!("reading {}", path.display()), e);
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(Error::unsupported(format!("{}: more than the limit of {limit} bytes", path.display())));
    }
    // What is made of it, piece by piece.
    room::check(bytes.len().saturating_mul(16))?;
    if bytes.starts_with(LFS_POINTER) {
        return Err(Error::format(format!("{}: {LFS_ADVICE}", path.display())));
    }
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes)
        .map_err(|e| Error::format(format!("{}: not UTF-8 at byte {}", path.display(), e.utf8_error().valid_up_to())))
}

/// The object that `text` is. Numbers that JSON does not have but Python writes become texts: `"Infinity"`,
/// `"-Infinity"`, `"NaN"`.
pub(super) fn object(text: &str) -> Result<Map<String, Value>> {
    let fields: Unique<Value> = parse(&quote_non_finite(text))?;
    Ok(fields.0.into_iter().collect())
}

/// `text` as `T`; the message of an error has line and column.
pub(super) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::format(format!("not as expected: {e}")))
}

fn quote_non_finite(text: &str) -> String {
    let (mut out, mut rest, mut in_text) = (String::with_capacity(text.len() + 16), text, false);
    while let Some(c) = rest.chars().next() {
        let word = match in_text {
            true => None,
            false => ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| rest.starts_with(word)),
        };
        let mut take = c.len_utf8();
        match (word, c) {
            (Some(word), _) => {
                out.push('"');
                out.push_str(word);
                out.push('"');
                rest = rest.get(word.len()..).unwrap_or_default();
                continue;
            }
            (None, '"') => in_text = !in_text,
            // What is escaped does not end the text.
            (None, '\\') if in_text => take += rest.chars().nth(1).map_or(0, char::len_utf8),
            _ => {}
        }
        out.push_str(rest.get(..take).unwrap_or_default());
        rest = rest.get(take..).unwrap_or_default();
    }
    out
}

/// The entries of an object in their order, none of whose keys occurs twice: readers differ in which of two they take.
#[derive(Default)]
pub(super) struct Unique<T>(pub Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Unique<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Unique<T>, A::Error> {
                let (mut entries, mut seen) = (Vec::new(), HashSet::new());
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format_args!("the key {} occurs twice", Quoted(&key))));
                    }
                    entries.push((key, value));
                }
                Ok(Unique(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_python() {
        let o = object(r#"{"a": [0.0, Infinity], "b": "Infinity \" NaN", "c": NaN, "d": -Infinity}"#).unwrap();
        assert_eq!(o["a"][1], "Infinity");
        assert_eq!(o["b"], "Infinity \" NaN");
        assert_eq!((&o["c"], &o["d"]), (&Value::from("NaN"), &Value::from("-Infinity")));
    }

    #[test]
    fn what_is_no_object() {
        for text in ["", "[]", "{", "{\"a\": 1, \"a\": 1}", "{\"a\": \"\\", "\"", &"[".repeat(1000)] {
            assert!(object(text).is_err(), "{text}");
        }
    }
}
