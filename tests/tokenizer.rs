//! The tokenizer gives the ids of Hugging Face's `tokenizers`, for text in any split, and survives bad vocabularies.
//! The fixture is made by models/recipe/tokenizer_fixture.py.

use std::sync::OnceLock;

use ramba::ErrorKind;
use ramba::gguf::Gguf;
use ramba::tokenizer::{Tokenizer, TokenizerParts};
use serde_json::Value;
use test_support::gguf::File;
use test_support::numbers::Random;

const KINDS: [&str; 3] = ["ramba", "gpt-2", "gpt-neox"];

fn fixture() -> &'static Value {
    static FIXTURE: OnceLock<Value> = OnceLock::new();
    FIXTURE.get_or_init(|| serde_json::from_str(include_str!("fixtures/tokenizer.json")).unwrap())
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect()
}

fn texts() -> Vec<&'static str> {
    strings(&fixture()["texts"])
}

fn token_types(kind: &str) -> Vec<i32> {
    ids(&fixture()["vocabularies"][kind]["token_types"]).into_iter().map(|t| t as i32).collect()
}

fn parts<'a>(kind: &'a str, types: &'a [i32]) -> TokenizerParts<'a> {
    let vocabulary = &fixture()["vocabularies"][kind];
    TokenizerParts {
        pre: kind,
        tokens: strings(&vocabulary["tokens"]),
        token_types: Some(types),
        merges: strings(&vocabulary["merges"]),
        bos: None,
        eos: Some(0),
        pad: Some(1),
    }
}

fn tokenizer(kind: &str) -> Tokenizer {
    Tokenizer::new(parts(kind, &token_types(kind))).unwrap()
}

/// Characters of every class, and the neighbours that matter to the pre-tokenizer and the normalizer.
fn random_text(random: &mut Random, pieces: usize) -> String {
    const PIECES: [&str; 44] = [
        " ",
        " ",
        "  ",
        "   ",
        "\n",
        "\r\n",
        "\t",
        "\u{a0}",
        "\u{3000}",
        "\u{85}",
        "\u{2028}",
        "'",
        "'s",
        "'re",
        "'ll",
        "'v",
        "a",
        "the",
        " pass",
        "Zq",
        "é",
        "e\u{301}",
        "\u{301}",
        "\u{323}",
        "ß",
        "ж",
        "我们",
        "한",
        "\u{1112}\u{1161}\u{11ab}",
        "\u{958}",
        "\u{212b}",
        "7",
        "42",
        "½",
        "Ⅷ",
        "٣",
        "!",
        "...",
        "—",
        "😀",
        "\u{200d}",
        "𝔘",
        "\0",
        "<|end|>",
    ];
    let mut text = String::new();
    for _ in 0..pieces {
        if random.index(12) == 0 {
            text.extend(char::from_u32(random.index(0x11_0000) as u32));
        } else {
            text.push_str(PIECES[random.index(PIECES.len())]);
        }
    }
    text
}

/// The ids and source lengths of `text` pushed in parts that end at `cuts` and at the end.
fn streamed(tokenizer: &Tokenizer, text: &[u8], cuts: impl IntoIterator<Item = usize>) -> (Vec<u32>, Vec<u64>) {
    let (mut ids, mut lens) = (Vec::new(), Vec::new());
    let mut sink = |id, len| {
        ids.push(id);
        lens.push(len);
    };
    let mut stream = tokenizer.stream();
    let mut start = 0;
    for cut in cuts.into_iter().chain([text.len()]) {
        stream.push_bytes(&text[start..cut], &mut sink).unwrap();
        start = cut;
    }
    assert_eq!(stream.bytes(), text.len() as u64);
    stream.finish(&mut sink).unwrap();
    assert_eq!(stream.bytes(), 0);
    (ids, lens)
}

#[test]
fn ids_are_those_of_hugging_face() {
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        let expected = fixture()["ids"][kind].as_array().unwrap();
        assert_eq!(expected.len(), texts().len());
        for (text, expected) in texts().into_iter().zip(expected) {
            assert_eq!(tokenizer.encode(text).unwrap(), ids(expected), "{kind}: {text:?}");
        }
    }
}

#[test]
fn decoding_gives_the_text_back() {
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        for (text, normalized) in texts().into_iter().zip(strings(&fixture()["decoded"])) {
            let expected = if kind == "gpt-neox" { normalized } else { text };
            assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), expected, "{kind}");
        }
    }
}

#[test]
fn any_split_gives_the_same_ids() {
    let mut random = Random(3);
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        let random_texts: Vec<String> = (0..60).map(|i| random_text(&mut random, 5 + i * 3)).collect();
        for text in texts().into_iter().chain(random_texts.iter().map(String::as_str)) {
            let whole = streamed(&tokenizer, text.as_bytes(), []);
            assert_eq!(whole.0, tokenizer.encode(text).unwrap());
            assert_eq!(whole.1.iter().sum::<u64>(), text.len() as u64);
            assert_eq!(streamed(&tokenizer, text.as_bytes(), 1..text.len().max(1)), whole, "{kind}: {text:?} by bytes");
            for _ in 0..20 {
                let mut cuts: Vec<usize> = (0..3).map(|_| random.index(text.len() + 1)).collect();
                cuts.sort_unstable();
                assert_eq!(streamed(&tokenizer, text.as_bytes(), cuts.clone()), whole, "{kind}: {text:?} at {cuts:?}");
            }
            if kind != "gpt-neox" {
                // Each token covers the very bytes that it stands for.
                let mut at = 0;
                for (&id, &len) in whole.0.iter().zip(&whole.1) {
                    assert_eq!(tokenizer.token_bytes(id).unwrap(), &text.as_bytes()[at..at + len as usize]);
                    at += len as usize;
                }
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_ids() {
    let mut random = Random(9);
    // Random characters between words, in which there are places to cut; and texts without one, or with one at an end.
    let mut mixed = String::new();
    while mixed.len() < 700_000 {
        mixed.push_str(&random_text(&mut random, 40));
        mixed.push_str(" the pass the pass");
    }
    let none = "我们 7 !".repeat(20_000);
    let one = format!("{}a pass{}", "\u{3000}".repeat(30_000), " ".repeat(90_000));
    for kind in KINDS {
        let types = token_types(kind);
        // Without added tokens too, since those keep text on one thread.
        let plain: Vec<i32> = types.iter().map(|&t| if t == 4 { 1 } else { t }).collect();
        for types in [&types, &plain] {
            let tokenizer = Tokenizer::new(parts(kind, types)).unwrap();
            for text in [&mixed, &none, &one] {
                let alone = streamed(&tokenizer, text.as_bytes(), []);
                for threads in [2, 3, 8] {
                    for cuts in [vec![], vec![1], vec![text.len() / 3, text.len() - 5]] {
                        let (mut ids, mut lens) = (Vec::new(), Vec::new());
                        let mut sink = |id, len| {
                            ids.push(id);
                            lens.push(len);
                        };
                        let mut stream = tokenizer.stream().with_threads(threads);
                        let mut start = 0;
                        for cut in cuts.iter().copied().chain([text.len()]) {
                            stream.push_bytes(&text.as_bytes()[start..cut], &mut sink).unwrap();
                            start = cut;
                            assert_eq!(stream.bytes(), cut as u64);
                        }
                        stream.finish(&mut sink).unwrap();
                        assert!((&ids, &lens) == (&alone.0, &alone.1), "{kind} on {threads} threads, cut at {cuts:?}");
                    }
                }
            }
        }
    }
}

/// The whole pipeline of the `tokenizers` crate, with its own pre-tokenizers and regular expression.
fn reference(kind: &str) -> tokenizers::Tokenizer {
    use tokenizers::models::bpe::{BPE, Vocab};
    use tokenizers::normalizers::unicode::NFC;
    use tokenizers::pre_tokenizers::{byte_level::ByteLevel, digits::Digits, sequence::Sequence};

    let types = token_types(kind);
    let parts = parts(kind, &types);
    let of_type = |t| (0u32..).zip(&parts.tokens).zip(&types).filter(move |(_, u)| **u == t).map(|(pair, _)| pair);
    let vocab: Vocab = of_type(1).chain(of_type(3)).map(|(id, t)| ((*t).to_owned(), id)).collect();
    let merges = parts.merges.iter().map(|m| m.split_once(' ').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned()));
    let bpe = BPE::builder().vocab_and_merges(vocab, merges.collect()).build().unwrap();
    let mut tokenizer = tokenizers::Tokenizer::new(bpe);
    let plain = ByteLevel::new(false, true, true);
    if kind == "ramba" {
        tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![Digits::new(true).into(), plain.into()])));
    } else {
        tokenizer.with_pre_tokenizer(Some(plain));
    }
    if kind == "gpt-neox" {
        tokenizer.with_normalizer(Some(NFC));
    }
    let added = of_type(4).map(|(_, t)| tokenizers::AddedToken::from(*t, false)).collect::<Vec<_>>();
    tokenizer.add_tokens(&added);
    tokenizer
}

#[test]
fn ids_are_those_of_the_crate_on_random_text() {
    let mut random = Random(5);
    for kind in KINDS {
        let (tokenizer, reference) = (tokenizer(kind), reference(kind));
        for i in 0..1500 {
            let text = random_text(&mut random, 1 + i % 60);
            let expected = reference.encode_fast(text.as_str(), false).unwrap();
            assert_eq!(tokenizer.encode(&text).unwrap(), expected.get_ids(), "{kind}: {text:?}");
        }
    }
}

#[test]
fn every_character_is_cut_as_by_the_crate() {
    for kind in ["ramba", "gpt-2"] {
        let (tokenizer, reference) = (tokenizer(kind), reference(kind));
        let mut text = String::new();
        // Not the inside of the largest blocks, which are alike.
        let blocks = ['\u{3401}'..'\u{4db0}', '\u{4e01}'..'\u{9fe0}', '\u{ac01}'..'\u{d7a0}', '\u{e001}'..'\u{f8f0}'];
        let skipped = |c: &char| blocks.iter().any(|b| b.contains(c)) || ('\u{17001}'..'\u{18700}').contains(c);
        for c in ('\0'..'\u{20010}').chain('\u{e0000}'..'\u{e0200}').filter(|c| !skipped(c)) {
            // Whether words, numbers, punctuation and white space go on over it.
            text.extend([
                "a",
                c.encode_utf8(&mut [0; 4]),
                "a  ",
                c.encode_utf8(&mut [0; 4]),
                "1",
                c.encode_utf8(&mut [0; 4]),
                "!\n",
            ]);
            if text.len() > 8000 {
                let expected = reference.encode_fast(text.as_str(), false).unwrap();
                assert_eq!(tokenizer.encode(&text).unwrap(), expected.get_ids(), "{kind}: before {c:?}");
                text.clear();
            }
        }
    }
}

#[test]
fn endless_words_are_cut_and_nothing_is_lost() {
    let mut random = Random(7);
    // Words that do not end: letters (of which the limit cuts a token in two), spaces, marks that wait for the normalizer, symbols, ideographs that are not
    // in normal form; and a word just longer than the limit before something else.
    let long = 65_536 + 1;
    let cases = [
        "ing".repeat(100_000),
        " ".repeat(300_000),
        format!("x{}", "\u{301}".repeat(100_000)),
        "=".repeat(200_000),
        "\u{f900}".repeat(90_000),
        "我".repeat(90_000),
        format!("{} a", "é".repeat(long / 2 + 1)),
        format!("{} a", "ing".repeat(40_000)),
        format!("{}1", " ".repeat(130_000)),
        format!("{}a", " ".repeat(long)),
        format!("{}a", " ".repeat(long + 1)),
        format!("{}1", "\u{3000}".repeat(long / 3 + 2)),
        format!("{}'s", "b".repeat(long - 1)),
    ];
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        for text in &cases {
            let whole = streamed(&tokenizer, text.as_bytes(), []);
            assert_eq!(whole.1.iter().sum::<u64>(), text.len() as u64);
            if kind != "gpt-neox" {
                assert_eq!(tokenizer.decode(&whole.0), *text);
            }
            let mut cuts: Vec<usize> = (0..200).map(|_| random.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            assert!(streamed(&tokenizer, text.as_bytes(), cuts) == whole, "{kind}");

            // What is held back is bounded.
            let (mut stream, mut out) = (tokenizer.stream(), 0);
            for piece in text.as_bytes().chunks(1000) {
                stream.push_bytes(piece, &mut |_, len| out += len).unwrap();
                assert!(stream.bytes() - out < 256 << 10, "{kind}: {} bytes held back", stream.bytes() - out);
            }
        }
    }
}

#[test]
fn long_words_in_small_pieces_take_linear_time() {
    // Looking at the whole word again for every byte would be 4·10⁹ steps.
    let tokenizer = tokenizer("ramba");
    let mut stream = tokenizer.stream();
    let mut count = 0u64;
    for _ in 0..400_000 {
        stream.push("a", &mut |_, len| count += len).unwrap();
    }
    stream.finish(&mut |_, len| count += len).unwrap();
    assert_eq!(count, 400_000);
}

#[test]
fn a_clone_shows_what_is_held_back() {
    let tokenizer = tokenizer("gpt-neox");
    let text = "The pass key is 71432. Remember it. e\u{301}";
    let mut stream = tokenizer.stream();
    let mut ids = Vec::new();
    stream.push(&text[..20], &mut |id, _| ids.push(id)).unwrap();
    let mut peeked = ids.clone();
    stream.clone().finish(&mut |id, _| peeked.push(id)).unwrap();
    assert_eq!(peeked, tokenizer.encode(&text[..20]).unwrap());
    stream.push(&text[20..], &mut |id, _| ids.push(id)).unwrap();
    stream.finish(&mut |id, _| ids.push(id)).unwrap();
    assert_eq!(ids, tokenizer.encode(text).unwrap());
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let tokenizer = tokenizer("ramba");
    let cases: [(&[u8], u64); 7] = [
        (b"abc\xff", 3),
        (b"\x80", 0),
        (b"ab\xe2\x82z", 2),
        (b"ab\xe2\x82", 2),
        (b"\xc0\x80", 0),
        (b"xyz\xed\xa0\x80", 3),
        (b"\xf0\x9f\x98\x80\xf4\x90\x80\x80", 4),
    ];
    for (bytes, at) in cases {
        for split in 0..=bytes.len() {
            let (mut stream, mut taken) = (tokenizer.stream(), 0);
            let mut sink = |_, len| taken += len;
            let result = stream
                .push_bytes(&bytes[..split], &mut sink)
                .and_then(|()| stream.push_bytes(&bytes[split..], &mut sink))
                .and_then(|()| stream.finish(&mut sink));
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Format);
            assert_eq!(error.to_string(), format!("the text is not UTF-8 at byte {at}"));
            stream.finish(&mut sink).unwrap();
            assert!(taken == at || taken == 0, "{taken} of {at}");
        }
    }
    let mut stream = tokenizer.stream();
    stream.push_bytes(b"\xe2\x82", &mut |_, _| ()).unwrap();
    assert!(stream.push("a", &mut |_, _| ()).is_err());
}

#[test]
fn the_decoder_gives_whole_characters() {
    let tokenizer = tokenizer("ramba");
    let byte = |b: u8| (0..).find(|&id| !tokenizer.is_special(id) && tokenizer.token_bytes(id) == Some(&[b])).unwrap();
    let mut random = Random(11);
    let mut sequences: Vec<Vec<u8>> =
        vec!["aé我😀".into(), b"\xe2\x82a\xf0\x9f\xff\xc3".into(), b"\xf0\x9f\x98".into()];
    sequences.extend((0..300).map(|_| {
        const BYTES: [u8; 12] = [b'a', 0x80, 0xBF, 0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0xF4];
        (0..10).map(|_| BYTES[random.index(BYTES.len())]).collect()
    }));
    for bytes in sequences {
        let mut decoder = tokenizer.decoder();
        let mut text = String::new();
        for &b in &bytes {
            text.push_str(decoder.push(byte(b)));
        }
        text.push_str(decoder.finish());
        assert_eq!(text, String::from_utf8_lossy(&bytes), "{bytes:x?}");
        assert_eq!(decoder.finish(), "");
    }
    // As early as can be.
    let mut decoder = tokenizer.decoder();
    assert_eq!(
        ["é", "!"].map(|s| s.bytes().map(|b| decoder.push(byte(b)).to_owned()).collect::<Vec<_>>()),
        [vec![String::new(), "é".into()], vec!["!".into()]]
    );
    // Special tokens and ids that are none stand for no text, even inside a character.
    let ids = [byte(0xC3), 0, 1, 2, 1_000_000, byte(0xA9)];
    assert_eq!(tokenizer.decode(&ids), "é");
}

#[test]
fn special_tokens_have_ids_but_text_does_not_become_them() {
    let tokenizer = tokenizer("ramba");
    assert_eq!((tokenizer.eos(), tokenizer.pad(), tokenizer.bos()), (Some(0), Some(1), None));
    assert_eq!(tokenizer.token("<|question|>"), Some(2));
    assert_eq!(tokenizer.token("nothing"), None);
    assert!(tokenizer.is_special(2) && !tokenizer.is_special(3) && tokenizer.is_special(u32::MAX));
    assert!(tokenizer.encode("<|question|>").unwrap().iter().all(|&id| id > 2));
    assert_eq!(tokenizer.vocab_len(), parts("ramba", &[]).tokens.len());
}

/// The fixture's vocabulary in a model file.
fn file() -> File {
    let types = token_types("gpt-neox");
    let parts = parts("gpt-neox", &types);
    File::new()
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", "mpt")
        .strings("tokenizer.ggml.tokens", &parts.tokens)
        .i32s("tokenizer.ggml.token_type", &types)
        .strings("tokenizer.ggml.merges", &parts.merges)
        .u32("tokenizer.ggml.eos_token_id", 0)
        .u32("tokenizer.ggml.padding_token_id", 1)
}

#[test]
fn a_model_file_has_the_tokenizer() {
    let open = |file: &File| Tokenizer::from_gguf(&Gguf::parse(&file.build()).unwrap());
    let read = open(&file()).unwrap();
    for text in texts() {
        assert_eq!(read.encode(text).unwrap(), tokenizer("gpt-neox").encode(text).unwrap());
    }
    assert_eq!((read.bos(), read.eos(), read.pad()), (None, Some(0), Some(1)));

    // Every key but the type and the special tokens is needed, and each must have its type.
    for missing in 0..file().entries.len() {
        let mut file = file();
        file.entries.remove(missing);
        assert_eq!(open(&file).is_err(), missing == 0 || missing == 1 || missing == 2 || missing == 4, "{missing}");
    }
    for (place, mut wrong) in [
        (0, file().u32("tokenizer.ggml.model", 1)),
        (0, file().str("tokenizer.ggml.model", "llama")),
        (1, file().str("tokenizer.ggml.pre", "\x1b[31m")),
        (2, file().i32s("tokenizer.ggml.tokens", &[1])),
        (3, file().strings("tokenizer.ggml.token_type", &["1"])),
        (4, file().u32("tokenizer.ggml.merges", 0)),
        (5, file().str("tokenizer.ggml.eos_token_id", "0")),
    ] {
        // The last entry takes the place of the sound one.
        wrong.entries.swap_remove(place);
        let error = open(&wrong).unwrap_err().to_string();
        assert!(error.contains("tokenizer.ggml.") && !error.contains('\x1b'), "{error}");
    }
}

#[test]
fn huge_vocabularies_are_refused() {
    let many = vec!["x"; (1 << 20) + 1];
    assert!(refused(|p| p.tokens = many.clone()).contains("tokenizer.ggml.tokens: 1048577"));
    assert!(refused(|p| p.merges = many.clone()).contains("tokenizer.ggml.merges: 1048577"));
    let long: &str = "y".repeat(300_000).leak();
    let types: &[i32] = std::iter::once(4).chain(token_types("ramba").into_iter().skip(1)).collect::<Vec<_>>().leak();
    assert!(refused(|p| (p.tokens[0], p.token_types) = (long, Some(types))).contains("user-defined tokens"));
}

/// The error that a change to the fixture's vocabulary causes.
fn refused(change: impl FnOnce(&mut TokenizerParts)) -> String {
    let types = token_types("ramba");
    let mut parts = parts("ramba", &types);
    change(&mut parts);
    let error = Tokenizer::new(parts).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Format | ErrorKind::Unsupported), "{error}");
    error.to_string()
}

#[test]
fn bad_vocabularies_are_refused() {
    let count = token_types("ramba").len();
    let short: &[i32] = vec![1; count - 1].leak();
    let odd_types = token_types("ramba").leak();
    odd_types[7] = 9;
    let control = token_types("ramba").leak();
    control[300] = 3;
    let cases = [
        (refused(|p| p.pre = "llama-bpe"), "tokenizer.ggml.pre is \"llama-bpe\""),
        (refused(|p| p.eos = Some(count as u32)), "tokenizer.ggml.eos_token_id"),
        (refused(|p| p.pad = Some(u32::MAX)), "tokenizer.ggml.padding_token_id"),
        (refused(|p| p.bos = Some(1 << 31)), "tokenizer.ggml.bos_token_id"),
        (refused(|p| p.token_types = Some(short)), "types for"),
        (refused(|p| p.token_types = Some(odd_types)), "token 7 has the unknown type 9"),
        (refused(|p| p.token_types = Some(control)), "which is no normal token"),
        (refused(|p| p.tokens[40] = p.tokens[41]), "token 41, "),
        (refused(|p| p.tokens[count - 1] = ""), "is empty"),
        (refused(|p| p.tokens.clear()), "types for"),
        (
            refused(|p| (p.tokens, p.token_types, p.eos, p.pad) = (vec![], None, None, None)),
            "no token for the byte 0x00",
        ),
        (refused(|p| p.tokens[3 + 32] = "\u{1b}[2J"), "no token for the byte"),
        (refused(|p| p.merges[5] = "ab"), "merge 5, \"ab\", has no separating space"),
        (refused(|p| p.merges[5] = "a b c"), "more than one space"),
        (refused(|p| p.merges[5] = " a"), "which is no normal token"),
        (refused(|p| p.merges[5] = "a \u{1b}"), "which is no normal token"),
        (refused(|p| p.merges[5] = "! !!!!!"), "which is no normal token"),
        (refused(|p| p.merges[5] = p.merges[4]), "merge 5"),
        (refused(|p| p.merges[5] = p.merges[4]), "occurs twice"),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        assert!(!error.contains(char::is_control));
        assert!(error.len() < 400);
    }
}

#[test]
fn random_damage_is_refused_or_harmless() {
    let mut random = Random(13);
    let mut built = 0;
    for round in 0..300 {
        let kind = KINDS[round % 3];
        let mut types = token_types(kind);
        let mut parts = parts(kind, &[]);
        for _ in 0..1 + random.index(3) {
            let (i, j) = (random.index(parts.tokens.len()), random.index(parts.tokens.len()));
            let (m, n) = (random.index(parts.merges.len()), random.index(parts.merges.len()));
            match random.index(9) {
                0 => parts.tokens.swap(i, j),
                1 => parts.tokens[i] = parts.tokens[j],
                2 => parts.tokens[i] = ["\n", "  ", "é", "\u{301}", "<|x|>", "\u{10ffff}"][random.index(6)],
                3 => types[i] = random.index(8) as i32,
                4 => parts.merges.swap(m, n),
                5 => parts.merges[m] = ["", " ", "a b", "a  b", "Ġ t", "\0 \0"][random.index(6)],
                6 => parts.merges.truncate(m),
                7 => parts.tokens.truncate(i),
                _ => parts.eos = Some(random.index(2000) as u32),
            }
        }
        types.truncate(parts.tokens.len() + random.index(20) / 19);
        parts.token_types = Some(&types);
        let Ok(tokenizer) = Tokenizer::new(parts) else { continue };
        built += 1;
        let text = random_text(&mut random, 40);
        let (ids, lens) = streamed(&tokenizer, text.as_bytes(), []);
        assert_eq!(lens.iter().sum::<u64>(), text.len() as u64);
        assert_eq!(streamed(&tokenizer, text.as_bytes(), 1..text.len()).0, ids);
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_len()));
        if kind != "gpt-neox" {
            let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id).unwrap()).copied().collect();
            assert_eq!(bytes, text.as_bytes());
        }
    }
    // Both outcomes are common.
    assert!((50..250).contains(&built), "{built}");
}

/// Wherever it is cut, in characters and in what normalization makes one of.
#[test]
fn a_saved_stream_goes_on_with_the_same_ids() {
    let mut random = Random(5);
    for kind in KINDS {
        let tokenizer = tokenizer(kind);
        let all = texts().concat() + "e\u{301}\u{323} \u{1100}\u{1161}\u{11a8} \u{212b}\u{307} \u{1e9b}\u{323}";
        let mut expected = Vec::new();
        let mut stream = tokenizer.stream();
        stream.push(&all, &mut |id, bytes| expected.push((id, bytes))).unwrap();
        stream.finish(&mut |id, bytes| expected.push((id, bytes))).unwrap();
        for _ in 0..10 {
            let (mut found, mut stream, mut rest) = (Vec::new(), tokenizer.stream(), all.as_bytes());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((1 + random.index(60)).min(rest.len()));
                stream.push_bytes(piece, &mut |id, bytes| found.push((id, bytes))).unwrap();
                let saved = stream.save();
                stream = tokenizer.resume(&saved).unwrap();
                assert_eq!(stream.save(), saved);
                rest = after;
                for cut in [0, 1, saved.len() / 2, saved.len() - 1] {
                    assert_eq!(tokenizer.resume(&saved[..cut]).unwrap_err().kind(), ErrorKind::Format);
                }
                // Any byte may be another one: it is refused, or goes on somehow.
                let mut damaged = saved;
                let at = random.index(damaged.len());
                damaged[at] ^= 1 << random.index(8);
                if let Ok(mut stream) = tokenizer.resume(&damaged) {
                    let _ = stream.push("and so on", &mut |_, _| {});
                    let _ = stream.finish(&mut |_, _| {});
                }
            }
            stream.finish(&mut |id, bytes| found.push((id, bytes))).unwrap();
            assert_eq!(found, expected, "{kind}");
        }
    }
}
