/*
 * Reads a document and answers a question about it, from C.
 *
 *     packages/build target/embed          (the library, its header, and what pkg-config and CMake want to know)
 *     export PKG_CONFIG_PATH=$PWD/target/embed/lib/pkgconfig
 *     cc -o embed examples/embed.c $(pkg-config --cflags --libs ramba-static)
 *     ./embed models/ramba-small.gguf book.txt "What is the pass key?"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ramba.h>

/* Ends the program with the library's message if a call has failed. */
static void check(ramba_status status) {
    if (status != RAMBA_STATUS_OK) {
        fprintf(stderr, "error %d: %s\n", (int)status, ramba_last_error());
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL FILE QUESTION\n", argv[0]);
        return 2;
    }
    const char *question = argv[3];
    FILE *file = fopen(argv[2], "rb");
    if (!file) {
        perror(argv[2]);
        return 1;
    }

    ramba_model *model;
    check(ramba_model_open(argv[1], NULL, &model));
    /* What is wrong with a question is known before anything is read. */
    check(ramba_check_question(model, question, strlen(question), NULL));

    ramba_session_options options;
    check(ramba_session_options_default(&options, sizeof options));
    options.budget_bytes = 32 << 20;
    ramba_session *session;
    check(ramba_session_open(model, &options, &session));

    /* Blocks may end inside a character. */
    char block[65536];
    size_t length;
    while ((length = fread(block, 1, sizeof block, file)) > 0) {
        check(ramba_feed(session, block, length));
    }
    if (ferror(file)) {
        perror(argv[2]);
        return 1;
    }
    fclose(file);

    /* A callback could show the answer while it is written; whether it is a guess is known at its end. */
    check(ramba_ask(session, question, strlen(question), NULL, NULL, NULL));
    ramba_support support = ramba_answer_support(session);
    if (support == RAMBA_SUPPORT_NONE) {
        printf("not found in the document\n");
    } else {
        int cut_off = ramba_stop_reason(session) == RAMBA_STOP_LENGTH;
        printf("%s%s\n", ramba_answer(session, NULL), cut_off ? " [cut off]" : "");
        for (size_t i = 0; i < ramba_quote_count(session); i++) {
            ramba_quote quote;
            check(ramba_quote_at(session, i, &quote));
            printf("stands at bytes %llu to %llu\n", (unsigned long long)quote.byte_start,
                   (unsigned long long)quote.byte_end);
        }
        for (size_t i = 0; i < ramba_source_count(session); i++) {
            ramba_source source;
            check(ramba_source_at(session, i, &source));
            printf("chunk %llu, weight %.2f, bytes %llu to %llu: %s\n", (unsigned long long)source.chunk, source.weight,
                   (unsigned long long)source.byte_start, (unsigned long long)source.byte_end, source.text);
        }
    }

    ramba_session_close(session);
    ramba_model_close(model);
    return support == RAMBA_SUPPORT_NONE ? 3 : 0;
}
