/* Everything that a program can do wrong with ramba.h is a status and a message; it lives on, and nothing leaks.
 *
 *     misuse MODEL FOLDER [limits]      with `limits`, memory is made scarce as well (not under a sanitizer or valgrind) */

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "ramba.hpp"

namespace {

const char TEXT[] = "The pass key of QXRT is 482913. Three of the months were na\xc3\xafve, the others not. ";
const char QUESTION[] = "What is the pass key of QXRT?";
const std::size_t LENGTH = sizeof QUESTION - 1;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%d: %s\nlast error: %s\n", __LINE__, #condition, ramba_last_error());                \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

/* A call fails with this status and a message that holds `part`. */
#define FAILS(call, expected, part)                                                                                    \
    do {                                                                                                               \
        ramba_status got = (call);                                                                                     \
        if (got != (expected) || !std::strstr(ramba_last_error(), part)) {                                             \
            std::fprintf(stderr, "%d: %s: status %d, %s\n", __LINE__, #call, got, ramba_last_error());                 \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

#define OK(call) EXPECT((call) == RAMBA_STATUS_OK)

const ramba_status INVALID = RAMBA_STATUS_INVALID_ARGUMENT;

template <class T> T *bad() { return reinterpret_cast<T *>(std::uintptr_t{0x12345678}); }

/* No function follows a handle that is none. */
template <class M, class S, class L> void handles(M *model, S *session, L *library, const char *what) {
    std::size_t n = 7;
    std::uint64_t tokens = 7;
    const char *text = nullptr;
    ramba_session *opened = bad<ramba_session>();
    ramba_library *folder = bad<ramba_library>();
    ramba_progress progress;
    ramba_usage usage;
    ramba_quote quote;
    ramba_source source;
    FAILS(ramba_session_open(model, nullptr, &opened), INVALID, what);
    EXPECT(opened == nullptr);
    FAILS(ramba_library_open(model, "nowhere", 0, nullptr, &folder), INVALID, what);
    EXPECT(folder == nullptr);
    FAILS(ramba_check_question(model, QUESTION, LENGTH, nullptr), INVALID, what);
    FAILS(ramba_feed(session, TEXT, sizeof TEXT - 1), INVALID, what);
    FAILS(ramba_feed_tokens(session, nullptr, 0), INVALID, what);
    FAILS(ramba_mark(session, 0, RAMBA_NONE, nullptr), INVALID, what);
    FAILS(ramba_prefill(session), INVALID, what);
    FAILS(ramba_commit(session), INVALID, what);
    FAILS(ramba_cancel(session), INVALID, what);
    FAILS(ramba_uncancel(session), INVALID, what);
    FAILS(ramba_set_progress(session, nullptr, nullptr), INVALID, what);
    FAILS(ramba_progress_of(session, &progress), INVALID, what);
    FAILS(ramba_tokens_computed(session, &tokens), INVALID, what);
    EXPECT(tokens == 0);
    FAILS(ramba_usage_of(session, &usage), INVALID, what);
    EXPECT(usage.weights == 0 && usage.anonymous == 0);
    FAILS(ramba_skipped(session, nullptr, nullptr, &n), INVALID, what);
    EXPECT(n == 0);
    FAILS(ramba_text(session, 0, 1, &text, &n), INVALID, what);
    EXPECT(std::strcmp(text, "") == 0 && n == 0);
    FAILS(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr), INVALID, what);
    FAILS(ramba_ask_tokens(session, nullptr, 0, nullptr, nullptr, nullptr), INVALID, what);
    FAILS(ramba_generate(session, QUESTION, LENGTH, nullptr, nullptr, nullptr), INVALID, what);
    FAILS(ramba_quote_at(session, 0, &quote), INVALID, what);
    FAILS(ramba_source_at(session, 0, &source), INVALID, what);
    n = 7;
    EXPECT(std::strcmp(ramba_answer(session, &n), "") == 0 && n == 0);
    EXPECT(ramba_stop_reason(session) == RAMBA_STOP_NONE);
    EXPECT(ramba_answer_support(session) == RAMBA_SUPPORT_UNKNOWN);
    EXPECT(ramba_answer_weight(session) == 0 && ramba_answer_probability(session) == 0);
    EXPECT(ramba_quote_count(session) == 0 && ramba_source_count(session) == 0);
    FAILS(ramba_library_add(library, "a", &opened), INVALID, what);
    FAILS(ramba_library_replace(library, "a", &opened), INVALID, what);
    FAILS(ramba_library_document(library, "a", &opened), INVALID, what);
    const char *name = "a";
    FAILS(ramba_library_documents(library, &name, 1, &opened), INVALID, what);
    FAILS(ramba_library_remove(library, "a"), INVALID, what);
    FAILS(ramba_library_verify(library, nullptr, nullptr, &n), INVALID, what);
    FAILS(ramba_library_document_count(library, &n), INVALID, what);
    EXPECT(std::strcmp(ramba_library_document_name(library, 0, &n), "") == 0 && n == 0);
}

void wrong_handles(const char *path) {
    handles<ramba_model, ramba_session, ramba_library>(nullptr, nullptr, nullptr, "null");
    handles(bad<ramba_model>(), bad<ramba_session>(), bad<ramba_library>(), "closed");
    OK(ramba_model_close(nullptr));
    OK(ramba_session_close(nullptr));
    OK(ramba_library_close(nullptr));
    ramba_model *model;
    ramba_session *session;
    OK(ramba_model_open(path, nullptr, &model));
    OK(ramba_session_open(model, nullptr, &session));
    /* Of other kinds. */
    handles(reinterpret_cast<ramba_model *>(session), reinterpret_cast<ramba_session *>(model),
            reinterpret_cast<ramba_library *>(model), "never was");
    FAILS(ramba_model_close(reinterpret_cast<ramba_model *>(session)), INVALID, "closed");
    /* Closed in the wrong order: the session goes on. */
    OK(ramba_model_close(model));
    FAILS(ramba_model_close(model), INVALID, "closed");
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr));
    EXPECT(std::strcmp(ramba_answer(session, nullptr), "482913") == 0);
    OK(ramba_session_close(session));
    FAILS(ramba_session_close(session), INVALID, "closed");
    handles(model, session, bad<ramba_library>(), "closed");
}

void wrong_arguments(const char *path, ramba_model *model, const std::string &folder) {
    ramba_model *opened = bad<ramba_model>();
    FAILS(ramba_model_open(nullptr, nullptr, &opened), INVALID, "path is null");
    EXPECT(opened == nullptr);
    FAILS(ramba_model_open(path, nullptr, nullptr), INVALID, "model is null");
    FAILS(ramba_model_open("/nowhere/at all", nullptr, &opened), RAMBA_STATUS_IO, "nowhere");
    FAILS(ramba_model_open("/nowhere/\xff", nullptr, &opened), RAMBA_STATUS_IO, "nowhere");
    FAILS(ramba_model_open(folder.c_str(), nullptr, &opened), RAMBA_STATUS_IO, "not a regular file");
    FAILS(ramba_model_open_buffer(nullptr, 5, nullptr, &opened), INVALID, "data");
    FAILS(ramba_model_open_buffer("GGUF", 4, nullptr, &opened), RAMBA_STATUS_FORMAT, "");
    FAILS(ramba_model_open_buffer("", 0, nullptr, &opened), RAMBA_STATUS_FORMAT, "");

    ramba::model_options options;
    options.device = 77;
    FAILS(ramba_model_open(path, &options, &opened), INVALID, "device 77");
    options = {};
    options.encoder = 5;
    FAILS(ramba_model_open(path, &options, &opened), INVALID, "encoder 5");
    options = {};
    options.encoder_provider = "magic";
    FAILS(ramba_model_open(path, &options, &opened), INVALID, "magic");
    options = {};
    options.threads = 100000;
    FAILS(ramba_model_open(path, &options, &opened), INVALID, "threads");
    options = {};
    options.size = 3;
    FAILS(ramba_model_open(path, &options, &opened), INVALID, "ramba_model_options_default()");
    FAILS(ramba_model_options_default(&options, 3), INVALID, "3 bytes");
    FAILS(ramba_model_options_default(nullptr, sizeof(ramba_model_options)), INVALID, "null");
    /* A later header, that asks for something which this library does not know. */
    struct {
        ramba_model_options known;
        std::uint64_t more;
    } later;
    OK(ramba_model_options_default(&later.known, sizeof later));
    EXPECT(later.more == 0);
    OK(ramba_model_open(path, &later.known, &opened));
    OK(ramba_model_close(opened));
    later.more = 1;
    FAILS(ramba_model_open(path, &later.known, &opened), RAMBA_STATUS_UNSUPPORTED, "does not know");

    ramba_session *session = bad<ramba_session>();
    ramba::session_options small;
    small.budget_bytes = 1;
    FAILS(ramba_session_open(model, &small, &session), RAMBA_STATUS_CAPACITY, "budget");
    EXPECT(session == nullptr);
    small = {};
    small.precision = 9;
    FAILS(ramba_session_open(model, &small, &session), INVALID, "precision 9");
    small = {};
    small.directory = "/nowhere";
    FAILS(ramba_session_open(model, &small, &session), RAMBA_STATUS_IO, "nowhere");
    FAILS(ramba_session_open(model, nullptr, nullptr), INVALID, "session is null");

    OK(ramba_session_open(model, nullptr, &session));
    FAILS(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr), INVALID, "document is empty");
    FAILS(ramba_feed(session, nullptr, 5), INVALID, "text");
    FAILS(ramba_feed(session, TEXT, SIZE_MAX), INVALID, "text");
    OK(ramba_feed(session, nullptr, 0));
    FAILS(ramba_feed_tokens(session, bad<std::uint32_t>() + 1, SIZE_MAX / 2), INVALID, "tokens");
    std::uint32_t beyond = UINT32_MAX;
    FAILS(ramba_feed_tokens(session, &beyond, 1), INVALID, "vocabulary");
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    FAILS(ramba_feed(session, "fine \xff", 6), RAMBA_STATUS_FORMAT, "UTF-8");
    FAILS(ramba_ask(session, "\xff", 1, nullptr, nullptr, nullptr), RAMBA_STATUS_FORMAT, "question is not UTF-8");
    FAILS(ramba_ask(session, " \n", 2, nullptr, nullptr, nullptr), INVALID, "question is empty");
    FAILS(ramba_ask(session, nullptr, 2, nullptr, nullptr, nullptr), INVALID, "question");
    std::string endless(100000, 'x');
    FAILS(ramba_ask(session, endless.data(), endless.size(), nullptr, nullptr, nullptr), INVALID, "segment");
    ramba::ask_options ask;
    ask.max_tokens = 0;
    FAILS(ramba_ask(session, QUESTION, LENGTH, &ask, nullptr, nullptr), INVALID, "0 tokens");
    ask = {};
    ask.temperature = -1;
    FAILS(ramba_ask(session, QUESTION, LENGTH, &ask, nullptr, nullptr), INVALID, "temperature");
    ask = {};
    ask.decoding = 3;
    FAILS(ramba_ask(session, QUESTION, LENGTH, &ask, nullptr, nullptr), INVALID, "decoding 3");
    FAILS(ramba_commit(session), INVALID, "temporary");
    FAILS(ramba_mark(session, 1 << 30, 0, "far"), INVALID, "mark");
    FAILS(ramba_mark(session, 0, 0, "\xff"), RAMBA_STATUS_FORMAT, "label is not UTF-8");
    const char *text;
    FAILS(ramba_text(session, 5, 1 << 30, &text, nullptr), INVALID, "");
    FAILS(ramba_text(session, 0, 1, nullptr, nullptr), INVALID, "text is null");
    /* None of that has changed anything. */
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr));
    EXPECT(std::strcmp(ramba_answer(session, nullptr), "482913") == 0);
    ramba_quote quote;
    FAILS(ramba_quote_at(session, 1, &quote), INVALID, "quote 1 of 1");
    FAILS(ramba_quote_at(session, 0, nullptr), INVALID, "quote is null");
    ramba_source source;
    FAILS(ramba_source_at(session, SIZE_MAX, &source), INVALID, "source");
    OK(ramba_session_close(session));
    FAILS(ramba_set_log(9, nullptr, nullptr), INVALID, "level 9");
}

void libraries(ramba_model *model, const std::string &folder) {
    std::string path = folder + "/misused";
    ramba_library *library, *other = bad<ramba_library>();
    ramba_session *session, *again = bad<ramba_session>();
    FAILS(ramba_library_open(model, path.c_str(), 1, nullptr, &other), RAMBA_STATUS_IO, "misused");
    EXPECT(other == nullptr);
    OK(ramba_library_open(model, path.c_str(), 0, nullptr, &library));
    FAILS(ramba_library_open(model, path.c_str(), 0, nullptr, &other), RAMBA_STATUS_BUSY, "");
    OK(ramba_library_open(model, path.c_str(), 1, nullptr, &other));
    FAILS(ramba_library_add(other, "a", &again), INVALID, "reading only");
    OK(ramba_library_close(other));
    FAILS(ramba_library_add(library, nullptr, &session), INVALID, "document is null");
    FAILS(ramba_library_add(library, "\xff", &session), RAMBA_STATUS_FORMAT, "document is not UTF-8");
    FAILS(ramba_library_document(library, "a", &session), INVALID, "no document");
    OK(ramba_library_add(library, "a", &session));
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    OK(ramba_mark(session, 0, 1000, "page 1"));
    OK(ramba_commit(session));
    FAILS(ramba_library_add(library, "a", &again), INVALID, "already");
    FAILS(ramba_library_document(library, "a", &again), RAMBA_STATUS_BUSY, "close it first");
    FAILS(ramba_library_remove(library, "a"), RAMBA_STATUS_BUSY, "close it first");
    OK(ramba_session_close(session));
    std::size_t count = 0, length = 0, damages = 7;
    OK(ramba_library_document_count(library, &count));
    EXPECT(count == 1 && std::strcmp(ramba_library_document_name(library, 0, &length), "a") == 0 && length == 1);
    EXPECT(std::strcmp(ramba_library_document_name(library, 1, nullptr), "") == 0);
    OK(ramba_library_verify(library, nullptr, nullptr, &damages));
    EXPECT(damages == 0);
    OK(ramba_library_document(library, "a", &session));
    std::uint64_t tokens = 7;
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr));
    OK(ramba_tokens_computed(session, &tokens));
    EXPECT(tokens == 0);
    ramba_quote quote;
    OK(ramba_quote_at(session, 0, &quote));
    EXPECT(std::string(quote.text, quote.text_length) == "482913" && std::strcmp(quote.label, "page 1") == 0);
    EXPECT(quote.byte_start == 24 && quote.origin_start == 1024 && std::strcmp(quote.document, "a") == 0);
    const char *names[] = {"a", "b", nullptr};
    FAILS(ramba_library_documents(library, names, 0, &again), INVALID, "no document");
    FAILS(ramba_library_documents(library, names, 2, &again), INVALID, "no document");
    FAILS(ramba_library_documents(library, names, 3, &again), INVALID, "document is null");
    FAILS(ramba_library_documents(library, nullptr, 3, &again), INVALID, "documents");
    EXPECT(again == nullptr);
    OK(ramba_library_documents(library, names, 1, &again));
    OK(ramba_ask(again, QUESTION, LENGTH, nullptr, nullptr, nullptr));
    EXPECT(std::strcmp(ramba_answer(again, nullptr), "482913") == 0);
    OK(ramba_session_close(again));
    /* The library is closed under its session. */
    OK(ramba_library_close(library));
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr));
    OK(ramba_session_close(session));
    /* Damage is told of. */
    OK(ramba_library_open(model, path.c_str(), 0, nullptr, &library));
    std::string command = "find '" + path + "' -type f -size +4k -exec dd if=/dev/zero of={} bs=1 seek=4200 count=64 conv=notrunc status=none \\;";
    EXPECT(std::system(command.c_str()) == 0);
    int told = 0;
    auto on_damage = [](const char *document, std::uint64_t, const char *message, void *user) {
        EXPECT(std::strcmp(document, "a") == 0 && *message);
        ++*static_cast<int *>(user);
    };
    OK(ramba_library_verify(library, on_damage, &told, &damages));
    EXPECT(damages > 0 && damages == static_cast<std::size_t>(told));
    OK(ramba_library_close(library));
    /* Or left out, if that is asked for. */
    ramba_session_options options;
    OK(ramba_session_options_default(&options, sizeof options));
    options.skip_damaged = 1;
    OK(ramba_library_open(model, path.c_str(), 0, &options, &library));
    OK(ramba_library_document(library, "a", &session));
    (void)ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr);
    std::size_t skipped = 7;
    told = 0;
    OK(ramba_skipped(session, on_damage, &told, &skipped));
    EXPECT(skipped == static_cast<std::size_t>(told));
    OK(ramba_session_close(session));
    OK(ramba_library_remove(library, "a"));
    OK(ramba_library_close(library));
}

/* Memory is told before anything is loaded, and afterwards. */
void memory(ramba_model *model, const char *path) {
    ramba_usage before, after;
    FAILS(ramba_estimate(nullptr, nullptr, nullptr, 1, 1, &before), INVALID, "path is null");
    FAILS(ramba_estimate("nowhere", nullptr, nullptr, 1, 1, &before), RAMBA_STATUS_IO, "nowhere");
    FAILS(ramba_estimate(path, nullptr, nullptr, 1, 1, nullptr), INVALID, "usage is null");
    ramba_session_options options;
    OK(ramba_session_options_default(&options, sizeof options));
    /* As programs say it that were built before the structure grew. */
    options.size = 40;
    OK(ramba_estimate(path, nullptr, &options, 1 << 20, 3 << 20, &before));
    EXPECT(before.weights > 0 && before.disk > 1 << 20 && before.cache <= options.budget_bytes);
    EXPECT(before.anonymous == before.repacked + before.scratch + before.state + before.cache);
    std::uint64_t weights = before.weights;
    options.budget_bytes = 1;
    FAILS(ramba_estimate(path, nullptr, &options, 1 << 20, 3 << 20, &before), RAMBA_STATUS_CAPACITY, "");
    EXPECT(before.weights == 0);
    ramba_session *session;
    OK(ramba_session_open(model, nullptr, &session));
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    OK(ramba_prefill(session));
    FAILS(ramba_usage_of(session, nullptr), INVALID, "usage is null");
    OK(ramba_usage_of(session, &after));
    EXPECT(after.weights == weights && after.scratch > 0);
    std::size_t skipped = 7;
    FAILS(ramba_skipped(session, nullptr, nullptr, nullptr), INVALID, "chunks is null");
    OK(ramba_skipped(session, nullptr, nullptr, &skipped));
    EXPECT(skipped == 0);
    OK(ramba_session_close(session));
}

struct Waiting {
    std::atomic<bool> begun{false}, go_on{false};
};

void two_threads(ramba_model *model) {
    ramba_session *session;
    OK(ramba_session_open(model, nullptr, &session));
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    Waiting waiting;
    ramba_status asked = RAMBA_STATUS_INTERNAL;
    std::thread other([&] {
        auto wait = [](std::uint32_t, const char *, std::size_t, void *user) {
            auto *waiting = static_cast<Waiting *>(user);
            waiting->begun = true;
            while (!waiting->go_on) {
                std::this_thread::yield();
            }
            return 0;
        };
        asked = ramba_ask(session, QUESTION, LENGTH, nullptr, wait, &waiting);
    });
    while (!waiting.begun) {
        std::this_thread::yield();
    }
    FAILS(ramba_feed(session, TEXT, 3), RAMBA_STATUS_BUSY, "another call");
    FAILS(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr), RAMBA_STATUS_BUSY, "another call");
    EXPECT(std::strcmp(ramba_answer(session, nullptr), "") == 0);
    /* Closed under the call, which ends as it would have. */
    OK(ramba_session_close(session));
    FAILS(ramba_cancel(session), INVALID, "closed");
    waiting.go_on = true;
    other.join();
    EXPECT(asked == RAMBA_STATUS_OK);

    /* Many sessions of one model at once, opened and closed all the time. */
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([model] {
            for (int j = 0; j < 3; j++) {
                ramba_session *own;
                OK(ramba_session_open(model, nullptr, &own));
                OK(ramba_feed(own, TEXT, sizeof TEXT - 1));
                OK(ramba_ask(own, QUESTION, LENGTH, nullptr, nullptr, nullptr));
                EXPECT(std::strcmp(ramba_answer(own, nullptr), "482913") == 0);
                OK(ramba_session_close(own));
            }
        });
    }
    for (auto &thread : threads) {
        thread.join();
    }
}

void callbacks(const char *path, ramba_model *model) {
    ramba_session *session;
    OK(ramba_session_open(model, nullptr, &session));
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    /* That stop. */
    auto stop = [](std::uint32_t, const char *, std::size_t, void *) { return 1; };
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, stop, nullptr));
    EXPECT(ramba_stop_reason(session) == RAMBA_STOP_CALLBACK);
    /* That cancel. */
    auto cancel = [](std::uint32_t, const char *, std::size_t, void *user) {
        OK(ramba_cancel(static_cast<ramba_session *>(user)));
        return 0;
    };
    FAILS(ramba_ask(session, QUESTION, LENGTH, nullptr, cancel, session), RAMBA_STATUS_CANCELLED, "stopped");
    EXPECT(ramba_stop_reason(session) == RAMBA_STOP_NONE && ramba_source_count(session) == 0);
    FAILS(ramba_feed(session, TEXT, 3), RAMBA_STATUS_CANCELLED, "stopped");
    OK(ramba_uncancel(session));
    /* That call back. */
    auto call = [](std::uint32_t, const char *text, std::size_t length, void *user) {
        auto *session = static_cast<ramba_session *>(user);
        EXPECT(text[length] == 0);
        FAILS(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr), RAMBA_STATUS_BUSY, "another call");
        FAILS(ramba_set_progress(session, nullptr, nullptr), RAMBA_STATUS_BUSY, "another call");
        EXPECT(ramba_source_count(session) == 0);
        return 0;
    };
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, call, session));
    EXPECT(std::strcmp(ramba_answer(session, nullptr), "482913") == 0);
    /* That close what calls them. */
    auto close = [](std::uint32_t, const char *, std::size_t, void *user) {
        static int calls = 0;
        EXPECT(ramba_session_close(static_cast<ramba_session *>(user)) == (calls++ == 0 ? RAMBA_STATUS_OK : INVALID));
        return 0;
    };
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, close, session));
    FAILS(ramba_prefill(session), INVALID, "closed");

    ramba::model_options options;
    options.on_load = [](std::uint64_t loaded, std::uint64_t all, void *) { return loaded > all / 2 ? 1 : 0; };
    ramba_model *none = bad<ramba_model>();
    FAILS(ramba_model_open(path, &options, &none), RAMBA_STATUS_CANCELLED, "stopped");
    EXPECT(none == nullptr);

    OK(ramba_session_open(model, nullptr, &session));
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    auto enough = [](const ramba_progress *progress, void *) { return progress->tokens > 0 ? 1 : 0; };
    OK(ramba_set_progress(session, enough, nullptr));
    FAILS(ramba_prefill(session), RAMBA_STATUS_CANCELLED, "stopped");
    OK(ramba_set_progress(session, nullptr, nullptr));
    OK(ramba_prefill(session));
    OK(ramba_session_close(session));
}

void exceptions(const char *path) {
    ramba::model model(path);
    auto session = model.session();
    session.feed(TEXT);
    for (int i = 0; i < 3; i++) {
        bool caught = false;
        try {
            session.ask(QUESTION, ramba::ask_options(), [](std::string_view) -> bool { throw std::string("mine"); });
        } catch (const std::string &thrown) {
            caught = thrown == "mine";
        }
        EXPECT(caught);
    }
    EXPECT(session.ask(QUESTION).text == "482913");
    session.feed(TEXT);
    session.set_progress([](const ramba_progress &) -> bool { throw 7; });
    bool caught = false;
    try {
        session.prefill();
    } catch (int thrown) {
        caught = thrown == 7;
    }
    EXPECT(caught);
    session.set_progress(nullptr);
    EXPECT(session.ask(QUESTION).text == "482913");
    try {
        model.check_question("");
        EXPECT(false);
    } catch (const ramba::error &error) {
        EXPECT(error.status() == INVALID && std::strstr(error.what(), "empty"));
    }
}

void read_only(ramba_model *model, const std::string &folder) {
    std::string path = folder + "/read-only";
    EXPECT(mkdir(path.c_str(), 0755) == 0 && chmod(folder.c_str(), 0755) == 0 && chmod(path.c_str(), 0555) == 0);
    /* Nothing is forbidden to root. */
    uid_t user = geteuid();
    EXPECT(user != 0 || seteuid(65534) == 0);
    ramba::session_options options;
    options.directory = path.c_str();
    ramba_session *session;
    FAILS(ramba_session_open(model, &options, &session), RAMBA_STATUS_IO, "read-only");
    ramba_library *library;
    FAILS(ramba_library_open(model, (path + "/library").c_str(), 0, nullptr, &library), RAMBA_STATUS_IO, "read-only");
    EXPECT(seteuid(user) == 0);
}

void out_of_memory(const char *path, ramba_model *model) {
    ramba_session *session;
    OK(ramba_session_open(model, nullptr, &session));
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit before, limit;
    EXPECT(getrlimit(RLIMIT_AS, &before) == 0);
    limit = before;
    limit.rlim_cur = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + (2 << 20);
    EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    ramba_status fed = ramba_feed(session, TEXT, sizeof TEXT - 1);
    std::string why = ramba_last_error();
    ramba_model *other;
    ramba::model_options many;
    many.threads = 64;
    ramba_status opened = ramba_model_open(path, &many, &other);
    EXPECT(setrlimit(RLIMIT_AS, &before) == 0);
    /* What was freed before may be enough for so little. */
    EXPECT(fed == RAMBA_STATUS_OK || (fed == RAMBA_STATUS_CAPACITY && why.find("memory") != std::string::npos));
    EXPECT(opened == RAMBA_STATUS_CAPACITY && other == nullptr);
    OK(ramba_session_close(session));
    OK(ramba_session_open(model, nullptr, &session));
    OK(ramba_feed(session, TEXT, sizeof TEXT - 1));
    OK(ramba_ask(session, QUESTION, LENGTH, nullptr, nullptr, nullptr));
    OK(ramba_session_close(session));
}

} // namespace

int main(int argc, char **argv) {
    EXPECT(argc >= 3);
    const char *path = argv[1];
    std::string folder = argv[2];
    EXPECT(ramba_abi_version() == RAMBA_ABI_VERSION && *ramba_version());
    int logged = 0;
    auto on_log = [](std::uint32_t, const char *message, void *user) {
        EXPECT(*message);
        ++*static_cast<int *>(user);
    };
    OK(ramba_set_log(RAMBA_LOG_LEVEL_TRACE, on_log, &logged));
    wrong_handles(path);
    ramba_model *model;
    OK(ramba_model_open(path, nullptr, &model));
    wrong_arguments(path, model, folder);
    libraries(model, folder);
    memory(model, path);
    two_threads(model);
    callbacks(path, model);
    exceptions(path);
    read_only(model, folder);
    OK(ramba_set_log(RAMBA_LOG_LEVEL_OFF, nullptr, nullptr));
    if (argc > 3) {
        out_of_memory(path, model);
    }
    OK(ramba_model_close(model));
    std::puts("ok");
    return 0;
}
