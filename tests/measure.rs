//! Rates that the speed of a model is compared with: they are measured for every type of weights and any number of threads, and
//! measuring changes nothing.

use ramba::{AskOptions, DType, Engine, EngineOptions, ErrorKind, SessionOptions};
use test_support::document::{content, text};
use test_support::random::{self, shapes};

#[test]
fn products_and_memory_have_a_rate() {
    for (threads, no_repack) in [(1, false), (3, false), (2, true)] {
        let options = EngineOptions::default().threads(threads).no_repack(no_repack);
        let engine = Engine::from_bytes(random::bytes(shapes()[0]), &options).unwrap();
        for dtype in DType::ALL {
            let rate = engine.product_rate(dtype).unwrap().unwrap();
            assert!(rate.is_finite() && rate > 1e3, "{dtype}: {rate}");
        }
        for bytes in [0, 1, (3 << 20) + 1] {
            let rate = engine.read_rate(bytes).unwrap().unwrap();
            assert!(rate.is_finite() && rate > 1e3, "{bytes} bytes: {rate}");
        }
        assert_eq!(engine.read_rate(usize::MAX >> 2).unwrap_err().kind(), ErrorKind::Capacity);
    }
}

#[test]
fn a_search_changes_no_answer() {
    for shape in shapes() {
        let engine = Engine::from_bytes(random::bytes(shape), &EngineOptions::default().threads(2)).unwrap();
        let mut session = engine.session(&SessionOptions::default().budget(1 << 20)).unwrap();
        // Before there is anything to find.
        assert!(session.search_time(2).unwrap().is_some());
        session.feed(&text(3000)).unwrap();
        let mut ask = |searched: bool| {
            if searched {
                assert!(session.search_time(5).unwrap().is_some());
            }
            content(&session.answer("Which one?", &AskOptions::default().max_tokens(6)).unwrap())
        };
        let expected = ask(false);
        assert_eq!(ask(true), expected);
        assert_eq!(session.search_time(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[test]
fn a_model_without_chunks_searches_nothing() {
    let engine = Engine::open(test_support::fixture("golden/mamba2.gguf"), &EngineOptions::default()).unwrap();
    let mut session = engine.session(&SessionOptions::default()).unwrap();
    session.feed_tokens(&[1, 2, 3]).unwrap();
    assert_eq!(session.search_time(1).unwrap(), None);
}
