//! What is said of memory before a model is loaded bounds what is taken later, and grows no further than the budget.

use ramba::weights::Weights;
use ramba::{AskOptions, Engine, EngineOptions, SessionOptions, Usage};
use tempfile::TempDir;
use test_support::document::text;
use test_support::random::{self, shapes};

#[test]
fn the_estimate_is_what_is_taken() {
    let dir = TempDir::new().unwrap();
    let models = shapes().into_iter().enumerate().map(|(i, shape)| {
        let path = dir.path().join(format!("{i}.gguf"));
        std::fs::write(&path, random::bytes(shape)).unwrap();
        path
    });
    for path in models.chain([test_support::shipped()]) {
        let options = EngineOptions::default().threads(2);
        let engine = Engine::open(&path, &options).unwrap();
        let weights = Weights::open(&path).unwrap();
        for (len, budget) in [(100, 1 << 20), (100_000, 1 << 20), (100_000, 8 << 20)] {
            let session_options = SessionOptions::default().budget(budget);
            let mut session = engine.session(&session_options).unwrap();
            session.feed(&text(len)).unwrap();
            session.answer("Which one?", &AskOptions::default().max_tokens(4)).unwrap();
            let (tokens, bytes) = (session.tokens(), session.bytes());
            let estimate = Usage::estimate(weights.gguf(), &options, &session_options, tokens, bytes).unwrap();
            let usage = session.usage();
            assert_eq!((usage.weights, usage.repacked), (estimate.weights, estimate.repacked));
            assert!(usage.state > 0 && usage.state <= estimate.state, "{usage:?} {estimate:?}");
            assert!(usage.scratch > 0 && usage.scratch <= estimate.scratch, "{usage:?} {estimate:?}");
            assert!(usage.cache > 0 && usage.cache <= estimate.cache, "{usage:?} {estimate:?}");
            // What is in the buffers comes to the disk later.
            assert!(usage.disk <= estimate.disk && estimate.disk <= usage.disk + budget / 4, "{usage:?} {estimate:?}");
            let longer =
                Usage::estimate(weights.gguf(), &options, &session_options, 1000 * tokens, 1000 * bytes).unwrap();
            assert!(longer.disk > 100 * (estimate.disk - (16 << 10)), "{longer:?}");
            let most = budget + Usage::estimate(weights.gguf(), &options, &session_options, 0, 0).unwrap().anonymous();
            assert!(longer.anonymous() <= most, "{longer:?}");
        }
        let error =
            Usage::estimate(weights.gguf(), &options, &SessionOptions::default().budget(100), 1, 1).unwrap_err();
        assert_eq!(error.kind(), ramba::ErrorKind::Capacity);
    }
}
