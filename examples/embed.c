/*
 * Reads a document and answers a question about it, from C.
 *
 *     cargo rustc --release --lib --features capi --crate-type staticlib
 *     cc -Iinclude -o embed examples/embed.c target/release/libramba.a -lpthread -ldl -lm
 *     ./embed models/ramba-small.gguf book.txt "What is the pass key?"
 */
#include <stdio.h>
#include <stdlib.h>

#include "ramba.h"

/* Shows the answer as it is written; standard output that is gone stops it. */
static int show(uint32_t token, const char *text, void *user) {
    (void)token;
    FILE *out = user;
    return fputs(text, out) == EOF || fflush(out) == EOF;
}

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
    FILE *file = fopen(argv[2], "rb");
    if (!file) {
        perror(argv[2]);
        return 1;
    }

    ramba_model *model;
    ramba_session *session;
    check(ramba_model_open(argv[1], 0, &model));
    check(ramba_session_open(model, NULL, 32 << 20, &session));

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

    check(ramba_ask(session, argv[3], 0, show, stdout));
    printf("\n");
    for (size_t i = 0; i < ramba_source_count(session); i++) {
        ramba_source source;
        check(ramba_source_at(session, i, &source));
        printf("chunk %llu, weight %.2f, bytes %llu to %llu\n", (unsigned long long)source.chunk, source.weight,
               (unsigned long long)source.byte_start, (unsigned long long)source.byte_end);
    }

    ramba_session_close(session);
    ramba_model_close(model);
    return 0;
}
