/* The C interface of ramba. Made by cbindgen from src/capi: change it there.
 *
 * A model (ramba_model) is what was loaded from a file, a session (ramba_session) one growing document, a library
 * (ramba_library) a folder of documents that last. What they do is in docs/embed.md, with programs.
 *
 * Results. A call returns RAMBA_STATUS_OK or says what went wrong; ramba_last_error() has it in words, for each thread
 * by itself. A result that is not RAMBA_STATUS_OK leaves pointers to handles NULL and counts 0. Functions that return
 * something else return what is said for "none" then.
 *
 * Handles. A handle that is NULL, closed or of another kind is RAMBA_STATUS_INVALID_ARGUMENT, never a crash; the value of
 * a closed handle is not used again. They can be closed in any order, and while another thread uses them: what it
 * does is done to the end.
 *
 * Threads. All functions may be called from any thread. Models and libraries may be used by several at once. A session
 * is used by one call at a time; another one that comes meanwhile returns RAMBA_STATUS_BUSY at once, and functions that
 * return something else return what is said for "none". ramba_cancel() and ramba_uncancel() are for any thread at any
 * time. Texts that the library returns belong to it and are valid as long as is said with the function.
 *
 * Callbacks are called on the thread of the call that they were given to, with the exception of ramba_on_log. They may use
 * the library, but the session of that call is busy: of it, they may call ramba_cancel(), ramba_uncancel() and
 * ramba_session_close() only. A callback must return: an exception of C++ must not leave it, nor longjmp(). (ramba.hpp takes
 * exceptions through the library for you.)
 *
 * fork(). Models and libraries can be used in parent and child; a session only by the process that opened it, elsewhere
 * its calls fail with RAMBA_STATUS_INVALID_ARGUMENT. The library starts threads again where a child needs them.
 *
 * Text is UTF-8 with its length in bytes; it may hold null bytes. What the library returns has one more null byte after
 * it. Paths are bytes as the system has them, ended by a null byte (on Windows, UTF-8). Names of documents and labels are
 * UTF-8 ended by a null byte.
 *
 * Versions. RAMBA_ABI_VERSION changes with whatever a program could notice, and with it the name of the shared
 * library. Structures of options have their size in front, as ramba_…_options_default() sets it, and may grow at their end
 * without that: the library takes them of programs that were built with an older or a newer header.
 */


#ifndef RAMBA_H
#define RAMBA_H

#include <stddef.h>
#include <stdint.h>

// Changes when a function, a structure or a constant of this interface changes or goes. Compare it with ramba_abi_version().
#define RAMBA_ABI_VERSION 1

// In the place of a byte or a chunk: there is none.
#define RAMBA_NONE 18446744073709551615ull

// What a call came to. Everything but RAMBA_STATUS_OK leaves a message for ramba_last_error().
typedef enum ramba_status {
    // Done.
    RAMBA_STATUS_OK = 0,
    // Reading or writing a file failed.
    RAMBA_STATUS_IO = 1,
    // A file is damaged or of another format, or text is not UTF-8.
    RAMBA_STATUS_FORMAT = 2,
    // The model or the caller asks for something that this build does not do.
    RAMBA_STATUS_UNSUPPORTED = 3,
    // An argument is null, out of range or inconsistent, or a handle is closed.
    RAMBA_STATUS_INVALID_ARGUMENT = 4,
    // A budget of memory or disk is too small, or there is no more of it.
    RAMBA_STATUS_CAPACITY = 5,
    // The caller asked to stop.
    RAMBA_STATUS_CANCELLED = 6,
    // A bug in the library. The handle that was used can only be closed.
    RAMBA_STATUS_INTERNAL = 7,
    // An accelerator or its driver failed.
    RAMBA_STATUS_DEVICE = 8,
    // Another call uses the session, or another process or session writes to the library or document.
    RAMBA_STATUS_BUSY = 9,
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

// Where a model runs.
typedef enum ramba_device {
    // The processor.
    RAMBA_DEVICE_CPU = 0,
    // A CUDA device, in builds with CUDA.
    RAMBA_DEVICE_CUDA = 1,
} ramba_device;

// What encodes the chunks of documents.
typedef enum ramba_encoder {
    // The encoder of the model, where the model runs.
    RAMBA_ENCODER_NATIVE = 0,
    // An ONNX model run by tract, on the processor, in builds with it.
    RAMBA_ENCODER_TRACT = 1,
    // An ONNX model run by ONNX Runtime, in builds with it.
    RAMBA_ENCODER_ORT = 2,
} ramba_encoder;

// How keys and values of chunks are stored.
typedef enum ramba_precision {
    // As computed, 4 bytes a value.
    RAMBA_PRECISION_F32 = 0,
    // IEEE half precision, 2 bytes a value.
    RAMBA_PRECISION_F16 = 1,
    // One byte a value and one scale for each token and head.
    RAMBA_PRECISION_INT8 = 2,
} ramba_precision;

// How an answer comes about.
typedef enum ramba_decoding {
    // It is a span of whole words of what was read for it, or several with commas between them.
    RAMBA_DECODING_COPIED = 0,
    // The model writes what it likes.
    RAMBA_DECODING_FREE = 1,
} ramba_decoding;

// How important a message is; those of a level include all before it.
typedef enum ramba_log_level {
    // None.
    RAMBA_LOG_LEVEL_OFF = 0,
    // Something failed that no status can tell.
    RAMBA_LOG_LEVEL_ERROR = 1,
    // Something is slower or less than was asked for.
    RAMBA_LOG_LEVEL_WARN = 2,
    // What is worth knowing.
    RAMBA_LOG_LEVEL_INFO = 3,
    // What helps to find a fault.
    RAMBA_LOG_LEVEL_DEBUG = 4,
    // Everything.
    RAMBA_LOG_LEVEL_TRACE = 5,
} ramba_log_level;

// Documents in a folder that lasts. May be used from several threads at once.
typedef struct ramba_library ramba_library;

// A loaded model. May be used from several threads at once.
typedef struct ramba_model ramba_model;

// One document, and the answer to the last question about it. Used by one call at a time.
typedef struct ramba_session ramba_session;

// How to answer. To be filled by ramba_ask_options_default().
typedef struct ramba_ask_options {
    // Bytes of this structure: what ramba_ask_options_default() was called with.
    size_t size;
    // Most tokens to generate.
    uint64_t max_tokens;
    // Two answers of one seed are chosen alike.
    uint64_t seed;
    // Only this many of the most likely tokens are candidates; 0 for all.
    uint64_t top_k;
    // How the answer to a question comes about, a ramba_decoding. ramba_generate() always writes freely.
    uint32_t decoding;
    // What logits are divided by; 0 takes the most likely token always.
    float temperature;
    // Only the fewest most likely tokens whose probabilities sum to this are candidates; 1 for all.
    float top_p;
    // Sources of a smaller mean weight are left out.
    float min_source_weight;
} ramba_ask_options;

// Gets each token of an answer and the text that it completes, `length` bytes of UTF-8 with a null byte after them, valid during the call: whole
// characters, so that it is empty for a token that is only a part of one (one that the answer breaks off shows as U+FFFD at the end of it). `user` is what was given to the call. Anything but 0 as the
// result stops the answer, which is then what has been written so far.
typedef int (*ramba_on_token)(uint32_t token, const char *text, size_t length, void *user);

// A place of a document that an answer stands in. Its texts are UTF-8, ended by a null byte, and valid as long as ramba_answer().
typedef struct ramba_quote {
    // The first byte, in the document's text. It may lie in the chunk beside a source, where a word of the answer does.
    uint64_t byte_start;
    // The byte after the last one.
    uint64_t byte_end;
    // The first byte in the original file, if marks say so; otherwise RAMBA_NONE.
    uint64_t origin_start;
    // The byte after the last one there, or RAMBA_NONE.
    uint64_t origin_end;
    // The text at these bytes, as it was fed.
    const char *text;
    // Bytes of that, without the null byte after them.
    size_t text_length;
    // The label that marks give the place, such as a page or a heading; empty if there is none.
    const char *label;
    // Bytes of that, without the null byte after them.
    size_t label_length;
    // The name of the document, if it is one of a library; otherwise empty.
    const char *document;
} ramba_quote;

// A chunk of a document that was read for an answer. Its texts are as those of ramba_quote.
typedef struct ramba_source {
    // Number of the chunk in the document.
    uint64_t chunk;
    // First byte of the document's text that the chunk stands for. The bytes are whole characters.
    uint64_t byte_start;
    // The byte after the last one.
    uint64_t byte_end;
    // The first byte in the original file, if marks say so; otherwise RAMBA_NONE.
    uint64_t origin_start;
    // The byte after the last one there, or RAMBA_NONE.
    uint64_t origin_end;
    // The text at these bytes, as it was fed, whatever becomes of the file that it came from.
    const char *text;
    // Bytes of that, without the null byte after them.
    size_t text_length;
    // The label that holds where the chunk begins, such as a page or a heading; empty if there is none.
    const char *label;
    // Bytes of that, without the null byte after them.
    size_t label_length;
    // The name of the document, if it is one of a library; otherwise empty.
    const char *document;
    // Mean weight of the chunk over the tokens of the answer, 0 to 1.
    float weight;
    // 0.
    uint32_t reserved;
} ramba_source;

// Where and how the memory of a document is kept. To be filled by ramba_session_options_default().
typedef struct ramba_session_options {
    // Bytes of this structure: what ramba_session_options_default() was called with.
    size_t size;
    // Bytes of RAM for chunk memories, taken as they are used; what does not fit stays on disk.
    uint64_t budget_bytes;
    // Bytes of its own memory that a device other than the processor may use for chunk memories.
    uint64_t device_budget_bytes;
    // Folder for the files of temporary documents, which must exist; null for the system's temporary folder. The files have no names, and are
    // gone with the session or the process.
    const char *directory;
    // How keys and values of chunks are stored, a ramba_precision.
    uint32_t precision;
    // Not 0: a model whose recurrence is never reset reads documents without HSA, which is faster and changes what it remembers of them.
    uint32_t skip_hsa_while_reading;
    // Not 0: damaged chunks of a library are left out, with a warning for each in the log and for ramba_skipped(), instead of being an error.
    // Answers may then lack what these chunks would have told.
    uint32_t skip_damaged;
    // Nothing.
    uint32_t reserved;
} ramba_session_options;

// Told of something in a library that is not as it was written: the name of the document, the chunk (RAMBA_NONE for its text, or if nothing of
// the document can be used) and what is wrong, both ended by a null byte and valid during the call. `user` is what was given to
// ramba_library_verify() or ramba_skipped().
typedef void (*ramba_on_damage)(const char *document, uint64_t chunk, const char *message, void *user);

// Gets a message: its level, a ramba_log_level, and its text, UTF-8 without control characters, ended by a null byte, valid during the call. May
// be called on any thread, several at once. It may call the library, but not with the session of the call that it comes from.
typedef void (*ramba_on_log)(uint32_t level, const char *message, void *user);

// Told how many bytes of a model's weights are loaded, of how many. `user` is that of ramba_model_options. Anything but 0 as the result stops
// the loading, which fails with RAMBA_STATUS_CANCELLED.
typedef int (*ramba_on_load)(uint64_t loaded, uint64_t all, void *user);

// How to open a model. To be filled by ramba_model_options_default().
typedef struct ramba_model_options {
    // Bytes of this structure: what ramba_model_options_default() was called with.
    size_t size;
    // Where the model runs, a ramba_device.
    uint32_t device;
    // The number of the CUDA device, counted from 0.
    int32_t device_index;
    // Worker threads, at most 512; 0 for one per core, and at most eight for a CUDA device. Results do not depend on it.
    uint32_t threads;
    // What encodes the chunks of documents, a ramba_encoder.
    uint32_t encoder;
    // The ONNX file of another encoder; null for that of the model.
    const char *encoder_file;
    // The library of ONNX Runtime; null for what the environment variable ORT_DYLIB_PATH names, or else the system's.
    const char *encoder_library;
    // What ONNX Runtime computes on, as "cuda" or "qnn"; null for the processor.
    const char *encoder_provider;
    // Not 0: the processor may do what the provider cannot. Otherwise that is an error.
    uint32_t encoder_allow_cpu;
    // Not 0: on the processor, quantized weights stay in the pages of the file, which the system can drop, instead of being repacked into
    // memory of the process. Tokens then take two to four times as long to generate; results are the same.
    uint32_t no_repack;
    // Told how far opening has come, on the thread of the call, and may stop it; null for nobody.
    ramba_on_load on_load;
    // Given to `on_load`.
    void *user;
} ramba_model_options;

// How far a session has come.
typedef struct ramba_progress {
    // Bytes of text taken.
    uint64_t bytes;
    // Tokens read.
    uint64_t tokens;
    // Chunks in the memory.
    uint64_t chunks;
} ramba_progress;

// Told how far reading has come, on the thread that called; `*progress` is valid during the call. `user` is what was given to
// ramba_set_progress(). Anything but 0 as the result stops the reading: the call fails with RAMBA_STATUS_CANCELLED, and reading can go on
// from the byte that ramba_progress_of() tells.
typedef int (*ramba_on_progress)(const struct ramba_progress *progress, void *user);

// Memory that a model and a session take, in bytes.
typedef struct ramba_usage {
    // The tensors, mapped from the file: the system can drop their pages.
    uint64_t weights;
    // Weights that are repacked into memory of the process.
    uint64_t repacked;
    // About the activations of threads, and what kernels take besides.
    uint64_t scratch;
    // Recurrent states.
    uint64_t state;
    // Chunk memories in RAM, within the budget. Of all that is here, only this and `disk` depend on the length of a document, and this no
    // longer when the budget is used.
    uint64_t cache;
    // Chunk memories on disk, with their text.
    uint64_t disk;
    // What the process takes that the system cannot drop, which is what Android and containers count: the sum of `repacked`, `scratch`,
    // `state` and `cache`.
    uint64_t anonymous;
} ramba_usage;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The interface that the library has: RAMBA_ABI_VERSION when it was built.
uint32_t ramba_abi_version(void);

// The version of the library, as "0.1.0". Valid for ever.
const char *ramba_version(void);

// The message of the last failure on this thread, in UTF-8, ended by a null byte; empty if there was none. Valid until the next call on this
// thread.
const char *ramba_last_error(void);

// Answers a question, `length` bytes of UTF-8, from the document, which stays as it is. `options` may be null. If `on_token` is not null, it is
// called for every token with `user`.
//
// The answer can be read with ramba_answer(), and what is to be known of it with the functions after that. An answer whose support is
// RAMBA_SUPPORT_NONE is a guess, which the callback has seen as well.
//
// # Safety
// `question` must point to `length` bytes, `options` must be null or filled by ramba_ask_options_default(), `on_token` null or a function that
// keeps to what is said of it.
enum ramba_status ramba_ask(struct ramba_session *session,
                            const char *question,
                            size_t length,
                            const struct ramba_ask_options *options,
                            ramba_on_token on_token,
                            void *user);

// ramba_ask() with the `count` tokens of the whole prompt, the marks around the question included: for models without a tokenizer.
//
// # Safety
// `tokens` must point to `count` tokens; for the rest as for ramba_ask().
enum ramba_status ramba_ask_tokens(struct ramba_session *session,
                                   const uint32_t *tokens,
                                   size_t count,
                                   const struct ramba_ask_options *options,
                                   ramba_on_token on_token,
                                   void *user);

// Appends a prompt, `length` bytes of UTF-8, to the document and lets the model write on. What it writes is an answer as that of ramba_ask(), and
// becomes part of the document.
//
// # Safety
// As for ramba_ask().
enum ramba_status ramba_generate(struct ramba_session *session,
                                 const char *prompt,
                                 size_t length,
                                 const struct ramba_ask_options *options,
                                 ramba_on_token on_token,
                                 void *user);

// The last answer: UTF-8, ended by a null byte; empty if there is none. Its bytes without that are stored in `*length`, unless `length` is
// null. Valid until this session is asked again, generates or is closed.
//
// # Safety
// `length` must be null or a valid place.
const char *ramba_answer(const struct ramba_session *session,
                         size_t *length);

// Why the last answer ended.
enum ramba_stop ramba_stop_reason(const struct ramba_session *session);

// What the last answer rests on.
enum ramba_support ramba_answer_support(const struct ramba_session *session);

// What all chunks together weighed for the last answer before anything of it was written, 0 to 1; 0 if there is none. Always 1 with models that
// weigh by a softmax.
float ramba_answer_weight(const struct ramba_session *session);

// How likely the model itself finds the last answer among all that it could write, 0 to 1: the geometric mean of the probabilities of its
// tokens. 1 for what is generated, 0 if there is none.
float ramba_answer_probability(const struct ramba_session *session);

// The number of places where the last answer stands in its sources: 1, or one for each of its parts if these stand in
// different places, and 0 unless its support is RAMBA_SUPPORT_QUOTED.
size_t ramba_quote_count(const struct ramba_session *session);

// Stores place `index` of those where the last answer stands in `*quote`.
//
// # Safety
// `quote` must be a valid place.
enum ramba_status ramba_quote_at(const struct ramba_session *session, size_t index, struct ramba_quote *quote);

// The number of sources of the last answer.
size_t ramba_source_count(const struct ramba_session *session);

// Stores source `index` of the last answer in `*source`. They are ordered by weight, heaviest first.
//
// # Safety
// `source` must be a valid place.
enum ramba_status ramba_source_at(const struct ramba_session *session, size_t index, struct ramba_source *source);

// Opens the library in the folder `path` and stores a handle in `*library`, to be closed with ramba_library_close(). With `read_only` 0 it is
// made if it is not there, and nobody else can write to it meanwhile (RAMBA_STATUS_BUSY); otherwise others may. `options` are those of the
// sessions of its documents, and may be null.
//
// # Safety
// `path` must be a string ended by a null byte, `options` null or filled by ramba_session_options_default(), `library` a valid place for a
// pointer.
enum ramba_status ramba_library_open(const struct ramba_model *model,
                                     const char *path,
                                     int read_only,
                                     const struct ramba_session_options *options,
                                     struct ramba_library **library);

// Closes a library. Sessions of its documents stay usable, and keep it for themselves until they are closed. Null is ignored.
enum ramba_status ramba_library_close(struct ramba_library *library);

// Looks which documents there are and stores their number in `*count`. Their names are those of ramba_library_document_name().
//
// # Safety
// `count` must be a valid place.
enum ramba_status ramba_library_document_count(struct ramba_library *library,
                                               size_t *count);

// The name of document `index` of those that ramba_library_document_count() has counted, in the order in which they came: UTF-8, ended by a null
// byte; empty if there is none. Its bytes without that are stored in `*length`, unless `length` is null. Valid until they are counted again.
//
// # Safety
// `length` must be null or a valid place.
const char *ramba_library_document_name(const struct ramba_library *library,
                                        size_t index,
                                        size_t *length);

// Starts a new document with the UTF-8 name `document`, and stores a session of it in `*session`, to be closed with ramba_session_close(). It is
// in the library when it is first committed.
//
// # Safety
// `document` must be a string ended by a null byte, `session` a valid place for a pointer.
enum ramba_status ramba_library_add(struct ramba_library *library,
                                    const char *document,
                                    struct ramba_session **session);

// As ramba_library_add(), for a document that takes the place of the one with that name, if there is one, when it is first committed.
//
// # Safety
// As for ramba_library_add().
enum ramba_status ramba_library_replace(struct ramba_library *library,
                                        const char *document,
                                        struct ramba_session **session);

// Opens a document as it was last committed, without reading anything again, and stores a session of it in `*session`, to be closed with
// ramba_session_close(): to be asked, and to be read on unless the library is for reading only.
//
// # Safety
// As for ramba_library_add().
enum ramba_status ramba_library_document(struct ramba_library *library,
                                         const char *document,
                                         struct ramba_session **session);

// Opens `count` documents to be asked together, as they were last committed, and stores a session of them in `*session`, to be closed with
// ramba_session_close(): for questions only. They stand one after the other in the order of the library, and sources and quotes say which
// they are of.
//
// # Safety
// `documents` must point to `count` strings ended by a null byte, `session` must be a valid place for a pointer.
enum ramba_status ramba_library_documents(struct ramba_library *library,
                                          const char *const *documents,
                                          size_t count,
                                          struct ramba_session **session);

// Removes a document and gives its room on the disk back.
//
// # Safety
// `document` must be a string ended by a null byte.
enum ramba_status ramba_library_remove(struct ramba_library *library, const char *document);

// Reads all of every document and stores in `*damages` how many places of them are not as they were written, each of which `on_damage`, unless it
// is null, is told of with `user` on the thread that called.
//
// # Safety
// `on_damage` must be null or a function that keeps to what is said of it, `damages` a valid place.
enum ramba_status ramba_library_verify(struct ramba_library *library,
                                       ramba_on_damage on_damage,
                                       void *user,
                                       size_t *damages);

// Stores in `*chunks` how many damaged chunks the session has left out so far, as `skip_damaged` of its options asks for, each of which
// `on_damage`, unless it is null, is told of with `user` on the thread that called.
//
// # Safety
// `on_damage` must be null or a function that keeps to what is said of it, `chunks` a valid place.
enum ramba_status ramba_skipped(struct ramba_session *session,
                                ramba_on_damage on_damage,
                                void *user,
                                size_t *chunks);

// Sets what gets the messages of the library up to `level`, a ramba_log_level, for the whole process; null, or level 0, for nobody, as at first.
// `user` is given to it. A message may still be on its way to the one before on another thread when this returns.
//
// RAMBA_STATUS_UNSUPPORTED if the library is linked into a Rust program that has a logger of its own.
//
// # Safety
// `on_log` must be null or a function that keeps to what is said of it, good to be called with `user` until another is set.
enum ramba_status ramba_set_log(uint32_t level,
                                ramba_on_log on_log,
                                void *user);

// Opens the model file at `path` (GGUF; of a split model the first part) and stores a handle in `*model`, to be closed with
// ramba_model_close(). `options` may be null.
//
// The file is mapped, not copied. It must not be written to while the model is open; to replace it, rename another over it.
//
// # Safety
// `path` must be a string ended by a null byte, `options` null or filled by ramba_model_options_default(), with paths that are null or ended by
// a null byte, `model` a valid place for a pointer.
enum ramba_status ramba_model_open(const char *path,
                                   const struct ramba_model_options *options,
                                   struct ramba_model **model);

// Opens the model file that lies in memory, `length` bytes at `data`, as ramba_model_open() does a file. The bytes are not copied: they must
// stay as they are until the model and all sessions and libraries of it are closed.
//
// # Safety
// `data` must point to `length` bytes that stay as is said above; for the rest as for ramba_model_open().
enum ramba_status ramba_model_open_buffer(const void *data,
                                          size_t length,
                                          const struct ramba_model_options *options,
                                          struct ramba_model **model);

// Closes a model. Sessions and libraries of it stay usable. Null is ignored.
enum ramba_status ramba_model_close(struct ramba_model *model);

// Checks what can be checked of a question, `length` bytes of UTF-8, before there is a document: that it is not blank and leaves room for an
// answer with `options`, which may be null. ramba_ask() checks the same.
//
// # Safety
// `question` must point to `length` bytes, `options` must be null or filled by ramba_ask_options_default().
enum ramba_status ramba_check_question(const struct ramba_model *model,
                                       const char *question,
                                       size_t length,
                                       const struct ramba_ask_options *options);

// Fills `*options` with the defaults. `size` is sizeof *options, which tells the library how old the caller's header is.
//
// # Safety
// `options` must be a place of `size` bytes.
enum ramba_status ramba_model_options_default(struct ramba_model_options *options,
                                              size_t size);

// Fills `*options` with the defaults. `size` is sizeof *options, which tells the library how old the caller's header is.
//
// # Safety
// `options` must be a place of `size` bytes.
enum ramba_status ramba_session_options_default(struct ramba_session_options *options,
                                                size_t size);

// Fills `*options` with the defaults. `size` is sizeof *options, which tells the library how old the caller's header is.
//
// # Safety
// `options` must be a place of `size` bytes.
enum ramba_status ramba_ask_options_default(struct ramba_ask_options *options,
                                            size_t size);

// Starts a session, an empty document that is gone when it is closed, and stores a handle in `*session`, to be closed with
// ramba_session_close(). `options` may be null.
//
// # Safety
// `options` must be null or filled by ramba_session_options_default(), with a directory that is null or ended by a null byte, `session` a valid
// place for a pointer.
enum ramba_status ramba_session_open(const struct ramba_model *model,
                                     const struct ramba_session_options *options,
                                     struct ramba_session **session);

// Closes a session. What it has read is gone, unless it is of a library and committed. If another call uses the session, it ends with that
// call. Null is ignored.
enum ramba_status ramba_session_close(struct ramba_session *session);

// Sets what is told how far reading has come; null for nobody. `user` is given to it, and must be good for that until another is set or the
// session is closed.
//
// # Safety
// `on_progress` must be null or a function that keeps to what is said of it.
enum ramba_status ramba_set_progress(struct ramba_session *session,
                                     ramba_on_progress on_progress,
                                     void *user);

// Appends `length` bytes of UTF-8 to the document. The text may be split anywhere, inside a character too. A call reads what is due of it; a
// long text is best fed in pieces of some 100 KB for each thread.
//
// After RAMBA_STATUS_CANCELLED the text up to the byte that ramba_progress_of() tells has been taken, and nothing from it on.
//
// # Safety
// `text` must point to `length` bytes (it may be null if there are none).
enum ramba_status ramba_feed(struct ramba_session *session,
                             const char *text,
                             size_t length);

// Appends `count` tokens to the document: for models without a tokenizer.
//
// # Safety
// `tokens` must point to `count` tokens (it may be null if there are none).
enum ramba_status ramba_feed_tokens(struct ramba_session *session, const uint32_t *tokens, size_t count);

// Says what stands at byte `at` of the document's text and after it: byte `origin` of the original file (RAMBA_NONE where it has no such place;
// following bytes go one for one until the next mark), and what people call the place, such as "page 12", at most 1024 bytes of UTF-8 ended by a
// null byte, which holds until the next label (null: the one before goes on; empty: it ends). Answers give it back with their sources and
// quotes. Marks come in order, each when the text before it has been fed.
//
// # Safety
// `label` must be null or a string ended by a null byte.
enum ramba_status ramba_mark(struct ramba_session *session,
                             uint64_t at,
                             uint64_t origin,
                             const char *label);

// Reads everything that was fed, up to its end, so that the next question is answered at once.
enum ramba_status ramba_prefill(struct ramba_session *session);

// Makes all that was fed last, in the library that the document is of: when this returns, neither the end of the process nor that of the
// machine takes anything of it away. If reading is cancelled, what is read by then is committed, and the rest read later.
enum ramba_status ramba_commit(struct ramba_session *session);

// Stops the call that uses the session, from any thread or from a callback: it ends with RAMBA_STATUS_CANCELLED in about the time that a chunk takes to
// be read. So do all later ones, until ramba_uncancel(): a request that comes between two calls is not lost.
enum ramba_status ramba_cancel(const struct ramba_session *session);

// Takes the request of ramba_cancel() back. The session goes on from where it was stopped.
enum ramba_status ramba_uncancel(const struct ramba_session *session);

// Stores in `*progress` how far the session has come.
//
// # Safety
// `progress` must be a valid place.
enum ramba_status ramba_progress_of(const struct ramba_session *session, struct ramba_progress *progress);

// Tokens that the model has run over for the document since the session was opened: 0 for one of a library that is only asked.
//
// # Safety
// `tokens` must be a valid place.
enum ramba_status ramba_tokens_computed(const struct ramba_session *session,
                                        uint64_t *tokens);

// Stores in `*text` the text of the document from byte `byte_start` up to byte `byte_end`, as it was fed, and in `*length` its bytes. It is
// UTF-8, where a character that is cut shows as U+FFFD, ended by a null byte, and valid until the next call of this function with this
// session.
//
// # Safety
// `text` and `length` must be valid places; `length` may be null.
enum ramba_status ramba_text(struct ramba_session *session,
                             uint64_t byte_start,
                             uint64_t byte_end,
                             const char **text,
                             size_t *length);

// Stores in `*usage` what a session takes of the model file at `path` when it has read a document of so many tokens and bytes of text and
// answered a question, if it runs on the processor. Nothing of the model but its header is read. Options may be null.
//
// # Safety
// As for ramba_model_open() and ramba_session_open(), and `usage` must be a valid place.
enum ramba_status ramba_estimate(const char *path,
                                 const struct ramba_model_options *model_options,
                                 const struct ramba_session_options *session_options,
                                 uint64_t tokens,
                                 uint64_t bytes,
                                 struct ramba_usage *usage);

// Stores in `*usage` what the model and this session take now.
//
// # Safety
// `usage` must be a valid place.
enum ramba_status ramba_usage_of(const struct ramba_session *session, struct ramba_usage *usage);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RAMBA_H */
