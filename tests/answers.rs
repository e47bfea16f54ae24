//! What an answer says of itself, with the shipped model: it is copied from the document, word by word, or said not to be there;
//! it names the exact place; it says when it is cut off; and a question is one question however it is written.

use std::sync::LazyLock;

use ramba::{
    Answer, AskOptions, Decoding, Engine, EngineOptions, ErrorKind, Quote, Session, SessionOptions, StopReason, Support,
};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let model = test_support::shipped();
    Engine::open(model, &EngineOptions::default()).unwrap()
});

fn session(document: &str) -> Session {
    let mut session = ENGINE.session(&SessionOptions::default().budget(4 << 20)).unwrap();
    session.feed(document).unwrap();
    session
}

/// Prose with `facts` in it.
fn prose(facts: &[&str]) -> String {
    let filler = "The ferryman bought the small letter near the northern road, and no one could say who had begun it. ";
    let mut text = filler.repeat(12);
    for fact in facts {
        text += fact;
        text += " ";
        text += &filler.repeat(9);
    }
    text
}

fn ask(session: &mut Session, question: &str) -> Answer {
    session.answer(question, &AskOptions::default()).unwrap()
}

fn quoted(answer: &Answer) -> &[Quote] {
    match &answer.support {
        Support::Quoted(quotes) => quotes,
        other => panic!("{other:?}: {:?}", answer.text),
    }
}

/// Numbers of lengths that the model was not trained for: written freely, some of them come out wrong.
const NUMBERS: [(&str, &str); 8] = [
    ("RENT", "1250"),
    ("WIFI", "90817263"),
    ("DOOR", "417"),
    ("BANK", "31415926535"),
    ("QXRT", "482913"),
    ("LOCK", "0042"),
    ("SAFE", "77"),
    ("GATE", "60606060"),
];

#[test]
fn an_answer_is_copied_digit_by_digit() {
    let facts = NUMBERS.map(|(key, number)| format!("The pass key of {key} is {number}."));
    let text = prose(&facts.each_ref().map(String::as_str));
    let mut session = session(&text);
    let mut free_wrong = 0;
    for (key, number) in NUMBERS {
        let question = format!("What is the pass key of {key}?");
        let free = AskOptions::default().decoding(Decoding::Free);
        let free = session.answer(&question, &free).unwrap();
        free_wrong += usize::from(free.text.trim() != number);
        // What is written freely may differ from what stands there, but then it does not say that it is quoted.
        if let Support::Quoted(quotes) = &free.support {
            let text = &text[quotes[0].bytes.start as usize..quotes[0].bytes.end as usize];
            assert_eq!((free.text.trim(), &*quotes[0].text), (text, text));
        }

        let answer = ask(&mut session, &question);
        assert_eq!((answer.text.trim(), answer.stop), (number, StopReason::End), "{key}");
        let [quote] = quoted(&answer) else { panic!("{:?}", answer.support) };
        let place = text.find(&format!("{key} is {number}")).unwrap() + key.len() + 4;
        let quote = &quote.bytes;
        assert_eq!(*quote, place as u64..(place + number.len()) as u64, "{key}");
        assert!(answer.sources.iter().any(|s| s.bytes.start < quote.end && quote.start < s.bytes.end));
    }
    assert!(free_wrong > 0, "this model no longer shows what copying is for");
}

#[test]
fn what_is_not_there_is_said_not_to_be() {
    let text =
        prose(&["The pass key of QXRT is 482913.", "One of the special magic numbers for silver-river is: 71432."]);
    let mut session = session(&text);
    for key in ["ABCD", "ZZTOP", "LYQX", "MCXY", "QSLH", "HHHH", "TRXQ"] {
        for decoding in [Decoding::Copied, Decoding::Free] {
            let options = AskOptions::default().decoding(decoding);
            let answer = session.answer(&format!("What is the pass key of {key}?"), &options).unwrap();
            assert_eq!(answer.support, Support::None, "{key}: {:?}, {}", answer.text, answer.weight);
        }
    }
    let words = "What is the special magic number for winter-lantern mentioned in the provided text?";
    assert_eq!(ask(&mut session, words).support, Support::None);
    assert_eq!(ask(&mut session, "What is the pass key of QXRT?").text.trim(), "482913");
}

/// The chunks of the shipped model end anywhere, inside of numbers too.
#[test]
fn an_answer_across_the_border_of_two_chunks_is_quoted_whole() {
    for lead in 0..24 {
        let text = format!("{}{}", "so ".repeat(lead), prose(&["The pass key of QXRT is 482913."]));
        let answer = ask(&mut session(&text), "What is the pass key of QXRT?");
        let place = text.find("482913").unwrap() as u64;
        let [quote] = quoted(&answer) else { panic!("{lead}: {:?}", answer.support) };
        assert_eq!((answer.text.trim(), quote.bytes.clone()), ("482913", place..place + 6), "{lead}");
    }
}

#[test]
fn a_short_answer_says_that_it_is_cut_off() {
    let mut session = session(&prose(&["The pass key of QXRT is 482913."]));
    let options = AskOptions::default().max_tokens(3);
    let answer = session.answer("What is the pass key of QXRT?", &options).unwrap();
    assert_eq!((answer.text.trim(), answer.stop), ("482", StopReason::Length));
    // It does not stand there: the number goes on.
    assert_eq!(answer.support, Support::Found);
}

#[test]
fn a_question_needs_room_for_its_answer() {
    let mut session = session(&prose(&["The pass key of QXRT is 8222224."]));
    let segment = ENGINE.config().segments.size().unwrap() as usize;
    let (mut refused, mut answered) = (0, 0);
    for words in (100..180).step_by(2) {
        let question = format!("{}What is the pass key of QXRT?", "well now, ".repeat(words));
        let tokens = ENGINE.tokenize(&question).unwrap().len() + 2;
        let checked = ENGINE.check_question(&question, &AskOptions::default());
        match session.answer(&question, &AskOptions::default()) {
            Ok(_) => {
                assert!(checked.is_ok() && tokens + 32 <= segment, "{tokens}");
                answered += 1;
            }
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::InvalidArgument);
                assert!(checked.unwrap_err().to_string() == e.to_string() && tokens + 32 > segment, "{e}");
                assert!(e.to_string().contains(&segment.to_string()), "{e}");
                refused += 1;
            }
        }
        // Who wants few tokens needs room for few.
        if tokens + 3 <= segment {
            let few = AskOptions::default().max_tokens(3);
            assert!(session.answer(&question, &few).unwrap().tokens.len() <= 3);
        }
    }
    assert!(refused > 0 && answered > 0, "{refused} {answered}");
    let none = AskOptions::default().max_tokens(0);
    assert_eq!(session.answer("What?", &none).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn one_question_however_it_is_written() {
    let mut session = session(&prose(&["The pass key of QXRT is 482913.", "The pass key of LOCK is 51234."]));
    let plain = ask(&mut session, "What is the pass key of QXRT?");
    assert_eq!(plain.text.trim(), "482913");
    for same in [
        "What is the pass key of QXRT",
        "What is the pass key of QXRT ?",
        "What is the pass key of QXRT？",
        "  What is the pass key of QXRT?\r\n",
        "\u{feff}What is the\npass key of\tQXRT?\n\n",
    ] {
        let answer = ask(&mut session, same);
        assert_eq!((&answer.tokens, &answer.sources), (&plain.tokens, &plain.sources), "{same:?}");
    }
    for nothing in ["", "  ", "\r\n", "\u{0}\u{7}\u{1b}", "\u{3000}\u{feff}", "?"] {
        let refused = [
            session.answer(nothing, &AskOptions::default()).map(drop),
            ENGINE.check_question(nothing, &AskOptions::default()),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert!(error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("empty"), "{nothing:?}");
        }
    }
}

#[test]
fn an_empty_document_is_refused() {
    for nothing in [session(""), ENGINE.session(&SessionOptions::default()).unwrap()] {
        let mut nothing = nothing;
        let error = nothing.answer("What is it?", &AskOptions::default()).unwrap_err();
        assert!(
            error.kind() == ErrorKind::InvalidArgument && error.to_string().contains("document is empty"),
            "{error}"
        );
        nothing.feed("The pass key of QXRT is 482913.").unwrap();
        assert_eq!(ask(&mut nothing, "What is the pass key of QXRT?").text.trim(), "482913");
    }
}

/// Text of the kind that byte-level tokens cut inside of characters.
const SCRIPTS: [&str; 4] = [
    "门钥匙在花园里，老船夫说没有人知道是谁开始的。",
    "المفتاح تحت الحجر الكبير قرب النهر، ولم يعرف أحد من وضعه هناك.",
    "Ключ лежит под камнем у реки — никто не знает, кто его туда положил. 🗝️👩‍👩‍👧",
    "鍵は石の下にある。誰が置いたのかは知られていない。",
];

#[test]
fn sources_are_whole_characters_and_their_text_is_the_documents() {
    for script in SCRIPTS {
        let text = format!("{}The pass key of QXRT is 482913. {}", script.repeat(20), script.repeat(20));
        let mut session = session(&text);
        let all = AskOptions::default().min_source_weight(0.0);
        let mut sources = Vec::new();
        for i in 0..20 {
            sources.extend(session.answer(&format!("What is the pass key of A{i}?"), &all).unwrap().sources);
        }
        sources.sort_by_key(|s| s.chunk);
        sources.dedup_by_key(|s| s.chunk);
        assert!(sources.len() > 10, "{}", sources.len());
        for source in &sources {
            let place = source.bytes.start as usize..source.bytes.end as usize;
            assert_eq!(text.get(place), Some(&*source.text), "{:?}", source.bytes);
            assert_eq!(session.text(source.bytes.clone()).unwrap(), source.text);
        }
        // Nothing is lost or said twice between two chunks.
        for pair in sources.windows(2).filter(|pair| pair[0].chunk + 1 == pair[1].chunk) {
            assert_eq!(pair[0].bytes.end, pair[1].bytes.start);
        }
    }
}

/// However a document comes, its text is kept byte for byte; what is refused of it is not.
#[test]
fn the_text_of_a_document_is_what_was_taken_of_it() {
    let text = format!("{} 482913 {}", SCRIPTS.join("\r\n").repeat(30), "naïve ".repeat(3000));
    let whole = |session: &Session| session.text(0..session.bytes()).unwrap();
    for piece in [1, 5, 4063, 100_000] {
        let mut session = session("");
        for bytes in text.as_bytes().chunks(piece) {
            session.feed_bytes(bytes).unwrap();
        }
        assert!(whole(&session) == text, "pieces of {piece} bytes");
    }
    let mut fed = session("");
    fed.feed_tokens(&ENGINE.tokenize(&text).unwrap()).unwrap();
    assert!(whole(&fed) == text);

    // A half character, then what cannot be its other half.
    let mut broken = session("fine ");
    broken.feed_bytes(b"\xe6\x97").unwrap();
    assert_eq!(broken.feed_bytes(b"\xff and").unwrap_err().kind(), ErrorKind::Format);
    assert_eq!((whole(&broken).as_str(), broken.bytes()), ("fine ", 5));
    broken.feed("again").unwrap();
    assert_eq!(whole(&broken), "fine again");
    // A half character that is ended by tokens.
    broken.feed_bytes(b"\xe6\x97").unwrap();
    assert_eq!(broken.feed_tokens(&[1]).unwrap_err().kind(), ErrorKind::Format);
    assert_eq!((whole(&broken).as_str(), broken.bytes()), ("fine again", 10));

    // What the model writes on is a part of the document.
    let written =
        fed.generate("Once", &AskOptions::default().max_tokens(20), &mut |_, _| std::ops::ControlFlow::Continue(()));
    let written = written.unwrap();
    assert_eq!(whole(&fed), format!("{text}Once{}", written.text));
    assert_eq!(written.support, Support::Unknown);
}
