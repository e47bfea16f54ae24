/* The C interface of ramba. Made by cbindgen from src/capi.rs: change it there. */

#ifndef RAMBA_H
#define RAMBA_H

#include <stddef.h>
#include <stdint.h>

// What a call came to. Everything but RAMBA_STATUS_OK leaves a message for ramba_last_error().
typedef enum ramba_status {
    // Done.
    RAMBA_STATUS_OK = 0,
    // Reading or writing a file failed.
    RAMBA_STATUS_IO = 1,
    // A file is damaged or of another format, or text is not UTF-8.
    RAMBA_STATUS_FORMAT = 2,
    // The model asks for something that this build does not do.
    RAMBA_STATUS_UNSUPPORTED = 3,
    // An argument is null, out of range or inconsistent.
    RAMBA_STATUS_INVALID_ARGUMENT = 4,
    // A budget of memory or disk is too small.
    RAMBA_STATUS_CAPACITY = 5,
    // The caller asked to stop.
    RAMBA_STATUS_CANCELLED = 6,
    // A bug in the library. The handle that was used must only be closed.
    RAMBA_STATUS_INTERNAL = 7,
    // An accelerator or its driver failed.
    RAMBA_STATUS_DEVICE = 8,
} ramba_status;

// Why an answer ended.
typedef enum ramba_stop {
    // There is no answer.
    RAMBA_STOP_NONE = 0,
    // The model ended it.
    RAMBA_STOP_END = 1,
    // It is cut off: there was no room for more tokens.
    RAMBA_STOP_LENGTH = 2,
    // The callback asked to stop.
    RAMBA_STOP_CALLBACK = 3,
} ramba_stop;

// What an answer rests on.
typedef enum ramba_support {
    // There is no answer, or the model keeps no chunks, so that nobody can say.
    RAMBA_SUPPORT_UNKNOWN = 0,
    // The document seems not to hold an answer: what there is is a guess.
    RAMBA_SUPPORT_NONE = 1,
    // The sources carry weight, but the answer does not stand there in these words.
    RAMBA_SUPPORT_FOUND = 2,
    // The answer stands in the sources, at the places that ramba_quote_at() tells.
    RAMBA_SUPPORT_QUOTED = 3,
} ramba_support;

// A loaded model. May be used from several threads at once.
typedef struct ramba_model ramba_model;

// One document, and the answer to the last question about it. Used by one thread at a time.
typedef struct ramba_session ramba_session;

// Gets each token of an answer and the text that it completes: UTF-8, ended by a null byte, valid during the call.
// `user` is what was given to ramba_ask(). Anything but 0 as the result stops the answer.
typedef int (*ramba_on_token)(uint32_t token, const char *text, void *user);

// Bytes of the document's text.
typedef struct ramba_range {
    // The first byte.
    uint64_t byte_start;
    // The byte after the last one.
    uint64_t byte_end;
} ramba_range;

// A chunk of the document that was read for an answer.
typedef struct ramba_source {
    // Number of the chunk in the document.
    uint64_t chunk;
    // First byte of the document's text that the chunk stands for. The bytes are whole characters.
    uint64_t byte_start;
    // The byte after the last one.
    uint64_t byte_end;
    // Mean weight of the chunk over the tokens of the answer, 0 to 1.
    float weight;
} ramba_source;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The message of the last failure on this thread; empty if there was none. Valid until the next call on this thread.
const char *ramba_last_error(void);

// Opens the model file at `path` and stores a handle in `*model`, to be closed with ramba_model_close(). `threads` are
// worker threads, at most 512, 0 for one per core.
//
// After fork() the model can be used in both processes; a session only in the one that opened it, elsewhere its calls fail.
//
// # Safety
// `path` must be a string ended by a null byte, `model` a valid place for a pointer. The file must not change while
// the model is open.
enum ramba_status ramba_model_open(const char *path,
                                   uint32_t threads,
                                   struct ramba_model **model);

// Closes a model. Sessions of it stay usable. Null is ignored.
//
// # Safety
// `model` must come from ramba_model_open() and not have been closed.
void ramba_model_close(struct ramba_model *model);

// Starts a session, an empty document, and stores a handle in `*session`, to be closed with ramba_session_close().
// Chunk memories take `budget_bytes` of memory; the rest of them lies in files in the folder `directory`, which must
// exist (null for the system's temporary folder). The files have no names and are gone with the session or the process.
//
// # Safety
// `model` must be an open model, `directory` null or a string ended by a null byte, `session` a valid place for a pointer.
enum ramba_status ramba_session_open(const struct ramba_model *model,
                                     const char *directory,
                                     uint64_t budget_bytes,
                                     struct ramba_session **session);

// Closes a session and deletes its memories. Null is ignored.
//
// # Safety
// `session` must come from ramba_session_open() and not have been closed.
void ramba_session_close(struct ramba_session *session);

// Lets the model write from now on what it likes (`free` not 0), or has answers copied from what it reads (0, as at first):
// they are then spans of whole words that stand there, or several with commas between them.
//
// # Safety
// `session` must be an open session that no other thread uses.
enum ramba_status ramba_set_free_writing(struct ramba_session *session,
                                         int free);

// Checks what can be checked of `question` before there is a document: that it is not blank and leaves room for an answer.
// `max_tokens` as for ramba_ask(), which checks the same.
//
// # Safety
// `model` must be an open model, `question` a string ended by a null byte.
enum ramba_status ramba_check_question(const struct ramba_model *model,
                                       const char *question,
                                       uint32_t max_tokens);

// Appends `length` bytes of UTF-8 text to the document. The text may be split anywhere, inside a character too.
//
// # Safety
// `session` must be an open session that no other thread uses, `text` must point to `length` bytes (it may be null if
// there are none).
enum ramba_status ramba_feed(struct ramba_session *session, const char *text, size_t length);

// Answers `question` from the document, which stays as it is, with at most `max_tokens` tokens (0 for the default). If
// `on_token` is not null it is called for every token with `user`, and may stop the answer, which then is what has been
// written so far. It must not use the session.
//
// The answer can be read with ramba_answer(), and what is to be known of it with ramba_stop_reason(), ramba_answer_support(),
// ramba_quote_count() and ramba_quote_at(), ramba_source_count(), ramba_source_at() and ramba_source_text(). An answer whose
// support is RAMBA_SUPPORT_NONE is a guess, which the callback has seen as well.
//
// # Safety
// `session` must be an open session that no other thread uses, `question` a string ended by a null byte, `on_token` null
// or a function that keeps to what is said above.
enum ramba_status ramba_ask(struct ramba_session *session,
                            const char *question,
                            uint32_t max_tokens,
                            ramba_on_token on_token,
                            void *user);

// The answer to the last question: UTF-8, ended by a null byte; empty if there is none. Valid until the next call with
// this session. A null byte in the answer shows as U+FFFD.
//
// # Safety
// `session` must be an open session that no other thread uses, or null.
const char *ramba_answer(const struct ramba_session *session);

// Why the last answer ended.
//
// # Safety
// `session` must be an open session that no other thread uses, or null.
enum ramba_stop ramba_stop_reason(const struct ramba_session *session);

// What the last answer rests on.
//
// # Safety
// `session` must be an open session that no other thread uses, or null.
enum ramba_support ramba_answer_support(const struct ramba_session *session);

// The number of places where the last answer stands in its sources: 1, or one for each of its parts if these stand in
// different places, and 0 unless its support is RAMBA_SUPPORT_QUOTED.
//
// # Safety
// `session` must be an open session that no other thread uses, or null.
size_t ramba_quote_count(const struct ramba_session *session);

// Stores place `index` of those where the last answer stands in `*range`.
//
// # Safety
// `session` must be an open session that no other thread uses, `range` a valid place for a ramba_range.
enum ramba_status ramba_quote_at(const struct ramba_session *session, size_t index, struct ramba_range *range);

// The number of sources of the last answer.
//
// # Safety
// `session` must be an open session that no other thread uses, or null.
size_t ramba_source_count(const struct ramba_session *session);

// Stores source `index` of the last answer in `*source`. They are ordered by weight, heaviest first.
//
// # Safety
// `session` must be an open session that no other thread uses, `source` a valid place for a ramba_source.
enum ramba_status ramba_source_at(const struct ramba_session *session, size_t index, struct ramba_source *source);

// The text of source `index` of the last answer, as it was fed: UTF-8, ended by a null byte; empty if there is none. Valid until
// the next call of ramba_ask() with this session, whatever becomes of the file that it came from. Null bytes show as U+FFFD.
//
// # Safety
// `session` must be an open session that no other thread uses, or null.
const char *ramba_source_text(const struct ramba_session *session,
                              size_t index);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RAMBA_H */
