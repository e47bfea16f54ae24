/* ramba for C++17: ramba.h with handles that close themselves, failures as exceptions, and callbacks that may throw.
 * Header only; the rules at the top of ramba.h hold here as well. */
#ifndef RAMBA_HPP
#define RAMBA_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ramba.h"

namespace ramba {

/* What went wrong: a status other than RAMBA_STATUS_OK, and in words. */
class error : public std::runtime_error {
public:
    error(ramba_status status, const char *message) : std::runtime_error(message), status_(status) {}
    ramba_status status() const noexcept { return status_; }

private:
    ramba_status status_;
};

/* Throws if a call has failed. */
inline void check(ramba_status status) {
    if (status != RAMBA_STATUS_OK) {
        throw error(status, ramba_last_error());
    }
}

/* Options that begin with the defaults. */
struct model_options : ramba_model_options {
    model_options() : ramba_model_options{} {
        check(ramba_model_options_default(this, sizeof(ramba_model_options)));
    }
};
struct session_options : ramba_session_options {
    session_options() : ramba_session_options{} {
        check(ramba_session_options_default(this, sizeof(ramba_session_options)));
    }
};
struct ask_options : ramba_ask_options {
    ask_options() : ramba_ask_options{} { check(ramba_ask_options_default(this, sizeof(ramba_ask_options))); }
};

/* Bytes of a document or of the file that it was made from. */
struct range {
    std::uint64_t start, end;
};

/* A passage: of a source, or one that an answer stands in. */
struct passage {
    range bytes;
    std::optional<range> origin;
    std::string text, label, document;
};

/* A chunk that was read for an answer. */
struct source : passage {
    std::uint64_t chunk;
    float weight;
};

/* An answer, and what is to be known of it. */
struct answer {
    std::string text;
    ramba_stop stop;
    ramba_support support;
    float weight, probability;
    std::vector<passage> quotes;
    std::vector<source> sources;
};

/* Gets the text of each token, whole characters, and says whether to go on. May throw: what it throws comes out of the call. */
using on_token = std::function<bool(std::string_view text)>;
/* Is told how far reading has come, and says whether to go on. May throw as well. */
using on_progress = std::function<bool(const ramba_progress &progress)>;

namespace detail {

/* A callback, and what it has thrown. */
template <class F> struct callback {
    F function;
    std::exception_ptr thrown;

    template <class... A> int call(A &&...arguments) noexcept {
        try {
            return function(std::forward<A>(arguments)...) ? 0 : 1;
        } catch (...) {
            thrown = std::current_exception();
            return 1;
        }
    }

    void rethrow() {
        if (thrown) {
            std::rethrow_exception(std::exchange(thrown, nullptr));
        }
    }
};

extern "C" {
inline int ramba_detail_on_token(std::uint32_t, const char *text, std::size_t length, void *user) noexcept {
    return static_cast<callback<const on_token &> *>(user)->call(std::string_view(text, length));
}
inline int ramba_detail_on_progress(const ramba_progress *progress, void *user) noexcept {
    return static_cast<callback<on_progress> *>(user)->call(*progress);
}
}

template <class H, ramba_status (*Close)(H *)> struct closer {
    void operator()(H *handle) const noexcept { Close(handle); }
};
template <class H, ramba_status (*Close)(H *)> using handle = std::unique_ptr<H, closer<H, Close>>;

template <class P> passage passage_of(const P &p) {
    std::optional<range> origin;
    if (p.origin_start != RAMBA_NONE) {
        origin = range{p.origin_start, p.origin_end};
    }
    return {{p.byte_start, p.byte_end},
            origin,
            std::string(p.text, p.text_length),
            std::string(p.label, p.label_length),
            p.document};
}

} // namespace detail

/* One document. */
class session {
public:
    /* Takes a handle over. */
    explicit session(ramba_session *handle) : handle_(handle) {}

    ramba_session *get() const noexcept { return handle_.get(); }

    /* Appends text, split anywhere. */
    void feed(std::string_view text) { reading(ramba_feed(get(), text.data(), text.size())); }

    /* Says what stands at byte `at` of the text and after it. */
    void mark(std::uint64_t at, std::optional<std::uint64_t> origin, const char *label) {
        check(ramba_mark(get(), at, origin.value_or(RAMBA_NONE), label));
    }

    /* Reads everything that was fed. */
    void prefill() { reading(ramba_prefill(get())); }

    /* Makes it last, in a library. */
    void commit() { reading(ramba_commit(get())); }

    /* Stops the session, from any thread, until uncancel(). */
    void cancel() const { check(ramba_cancel(get())); }
    void uncancel() const { check(ramba_uncancel(get())); }

    ramba_progress progress() const {
        ramba_progress progress;
        check(ramba_progress_of(get(), &progress));
        return progress;
    }

    /* Memory that the model and this session take now. */
    ramba_usage usage() const {
        ramba_usage usage;
        check(ramba_usage_of(get(), &usage));
        return usage;
    }

    /* What is told how far reading has come; nullptr for nobody. */
    void set_progress(on_progress function) {
        auto callback = std::make_unique<detail::callback<on_progress>>();
        callback->function = std::move(function);
        auto on = callback->function ? detail::ramba_detail_on_progress : nullptr;
        check(ramba_set_progress(get(), on, callback.get()));
        progress_ = std::move(callback);
    }

    /* The text of the document from byte `start` up to byte `end`. */
    std::string text(std::uint64_t start, std::uint64_t end) const {
        const char *text;
        std::size_t length;
        check(ramba_text(get(), start, end, &text, &length));
        return {text, length};
    }

    answer ask(std::string_view question, const ramba_ask_options &options = ask_options(), const on_token &on = {}) {
        return answered(ramba_ask, question, options, on);
    }

    /* Appends `prompt` and lets the model write on. */
    answer generate(std::string_view prompt, const ramba_ask_options &options = ask_options(), const on_token &on = {}) {
        return answered(ramba_generate, prompt, options, on);
    }

private:
    void reading(ramba_status status) {
        if (progress_) {
            progress_->rethrow();
        }
        check(status);
    }

    answer answered(decltype(&ramba_ask) call, std::string_view text, const ramba_ask_options &options, const on_token &on) {
        detail::callback<const on_token &> callback{on, nullptr};
        auto tell = on ? detail::ramba_detail_on_token : nullptr;
        ramba_status status = call(get(), text.data(), text.size(), &options, tell, &callback);
        callback.rethrow();
        reading(status);
        std::size_t length;
        const char *written = ramba_answer(get(), &length);
        answer result{std::string(written, length),
                      ramba_stop_reason(get()),
                      ramba_answer_support(get()),
                      ramba_answer_weight(get()),
                      ramba_answer_probability(get()),
                      {},
                      {}};
        for (std::size_t i = 0, n = ramba_quote_count(get()); i < n; i++) {
            ramba_quote quote;
            check(ramba_quote_at(get(), i, &quote));
            result.quotes.push_back(detail::passage_of(quote));
        }
        for (std::size_t i = 0, n = ramba_source_count(get()); i < n; i++) {
            ramba_source found;
            check(ramba_source_at(get(), i, &found));
            result.sources.push_back({detail::passage_of(found), found.chunk, found.weight});
        }
        return result;
    }

    /* Outlives the handle, which calls it. */
    std::unique_ptr<detail::callback<on_progress>> progress_;
    detail::handle<ramba_session, ramba_session_close> handle_;
};

/* A loaded model. */
class model {
public:
    /* Of a file. */
    explicit model(const char *path, const ramba_model_options &options = model_options()) {
        ramba_model *opened;
        check(ramba_model_open(path, &options, &opened));
        handle_.reset(opened);
    }
    explicit model(const std::string &path, const ramba_model_options &options = model_options())
        : model(path.c_str(), options) {}

    /* Of a file in memory, which must stay as long as the model and all its sessions and libraries. */
    model(const void *data, std::size_t length, const ramba_model_options &options = model_options()) {
        ramba_model *opened;
        check(ramba_model_open_buffer(data, length, &options, &opened));
        handle_.reset(opened);
    }

    ramba_model *get() const noexcept { return handle_.get(); }

    /* An empty document that is gone with its session. */
    ramba::session session(const ramba_session_options &options = session_options()) const {
        ramba_session *opened;
        check(ramba_session_open(get(), &options, &opened));
        return ramba::session(opened);
    }

    /* Throws if `question` cannot be asked. */
    void check_question(std::string_view question, const ramba_ask_options &options = ask_options()) const {
        check(ramba_check_question(get(), question.data(), question.size(), &options));
    }

private:
    detail::handle<ramba_model, ramba_model_close> handle_;
};

/* Documents in a folder that lasts. */
class library {
public:
    library(const model &model, const char *path, bool read_only = false,
            const ramba_session_options &options = session_options()) {
        ramba_library *opened;
        check(ramba_library_open(model.get(), path, read_only, &options, &opened));
        handle_.reset(opened);
    }

    ramba_library *get() const noexcept { return handle_.get(); }

    /* The names of the documents. */
    std::vector<std::string> documents() const {
        std::size_t count, length;
        check(ramba_library_document_count(get(), &count));
        std::vector<std::string> names;
        for (std::size_t i = 0; i < count; i++) {
            const char *name = ramba_library_document_name(get(), i, &length);
            names.emplace_back(name, length);
        }
        return names;
    }

    session add(const std::string &name) const { return document(ramba_library_add, name); }
    session replace(const std::string &name) const { return document(ramba_library_replace, name); }
    session open(const std::string &name) const { return document(ramba_library_document, name); }

    /* Some documents, to be asked together. */
    session open(const std::vector<std::string> &names) const {
        std::vector<const char *> pointers;
        for (const auto &name : names) {
            pointers.push_back(name.c_str());
        }
        ramba_session *opened;
        check(ramba_library_documents(get(), pointers.data(), pointers.size(), &opened));
        return session(opened);
    }

    void remove(const std::string &name) const { check(ramba_library_remove(get(), name.c_str())); }

private:
    session document(decltype(&ramba_library_add) call, const std::string &name) const {
        ramba_session *opened;
        check(call(get(), name.c_str(), &opened));
        return session(opened);
    }

    detail::handle<ramba_library, ramba_library_close> handle_;
};

} // namespace ramba

#endif /* RAMBA_HPP */
