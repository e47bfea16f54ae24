//! Any vocabulary and any text: building must not panic, and a tokenizer that was built gives the same ids in any split,
//! whose source lengths sum to the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ramba::tokenizer::{Tokenizer, TokenizerParts};

/// Pre-tokenizer, tokens and their types, pairs of tokens to merge, merges as they are, text and where to cut it.
type Input<'a> = (u8, Vec<(&'a str, i32)>, Vec<(u8, u8)>, Vec<&'a str>, &'a [u8], Vec<u8>);

fuzz_target!(|input: Input| {
    let (pre, given, pairs, mut merges, text, cuts) = input;
    // GPT-2's alphabet comes first, so that most vocabularies get past the check that it is there.
    let prints = |b: u32| matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let alphabet = (0..256).filter(|&b| prints(b)).chain(0x100..0x144).filter_map(char::from_u32);
    let mut spelled: Vec<String> = alphabet.map(String::from).collect();
    let mut joins = Vec::new();
    for (a, b) in pairs {
        let (a, b) = (&spelled[usize::from(a) % spelled.len()], &spelled[spelled.len() - 1 - usize::from(b)]);
        joins.push(format!("{a} {b}"));
        spelled.push(format!("{a}{b}"));
    }
    let types: Vec<i32> = spelled.iter().map(|_| 1).chain(given.iter().map(|g| g.1)).collect();
    merges.extend(joins.iter().map(String::as_str));
    let built = Tokenizer::new(TokenizerParts {
        pre: ["ramba", "gpt-2", "gpt-neox"][usize::from(pre) % 3],
        tokens: spelled.iter().map(String::as_str).chain(given.iter().map(|g| g.0)).collect(),
        token_types: Some(&types),
        merges,
        ..TokenizerParts::default()
    });
    let Ok(tokenizer) = built else { return };

    let encode = |mut cuts: Vec<usize>| {
        cuts.push(text.len());
        let (mut stream, mut ids, mut bytes, mut start) = (tokenizer.stream(), Vec::new(), 0, 0);
        let mut sink = |id, len| {
            ids.push(id);
            bytes += len;
        };
        for cut in cuts {
            stream.push_bytes(&text[start..cut], &mut sink)?;
            start = cut;
        }
        stream.finish(&mut sink)?;
        assert_eq!(bytes, text.len() as u64);
        ramba::Result::Ok(ids)
    };
    let mut places: Vec<usize> = cuts.iter().map(|&c| usize::from(c).min(text.len())).collect();
    places.sort_unstable();
    match (encode(places), encode(Vec::new())) {
        (Ok(split), Ok(whole)) => {
            assert_eq!(split, whole);
            tokenizer.decode(&whole);
        }
        (Err(_), Err(_)) => assert!(std::str::from_utf8(text).is_err()),
        _ => panic!("the split decides whether the text is UTF-8"),
    }
});
