/* A child of fork() has the model of its parent and none of its threads. Prints what each call came to. */

#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ramba.h"

static const char *const TEXT = "The pass key of QXRT is 482913. Three of the months were na\xc3\xafve, the others not. ";
static const char *const QUESTION = "What is the pass key of QXRT?";

/* Reads the text so often that all threads have work, and asks. */
static int answer(struct ramba_session *session, char *out, size_t room) {
    int i;
    for (i = 0; i < 400; i++) {
        if (ramba_feed(session, TEXT, strlen(TEXT)) != RAMBA_STATUS_OK) {
            return 1;
        }
    }
    if (ramba_ask(session, QUESTION, strlen(QUESTION), NULL, NULL, NULL) != RAMBA_STATUS_OK) {
        return 2;
    }
    snprintf(out, room, "%s", ramba_answer(session, NULL));
    return 0;
}

int main(int argc, char **argv) {
    struct ramba_model *model = NULL;
    struct ramba_session *session = NULL;
    char before[4096], after[4096];
    int status = 0;
    pid_t child;
    ramba_model_options options;
    ramba_session_options small;
    if (argc != 2 || ramba_model_options_default(&options, sizeof options) != RAMBA_STATUS_OK ||
        ramba_session_options_default(&small, sizeof small) != RAMBA_STATUS_OK) {
        return 1;
    }
    options.threads = 4;
    small.budget_bytes = 16 << 20;
    if (ramba_model_open(argv[1], &options, &model) != RAMBA_STATUS_OK ||
        ramba_session_open(model, &small, &session) != RAMBA_STATUS_OK ||
        answer(session, before, sizeof before) != 0) {
        fprintf(stderr, "%s\n", ramba_last_error());
        return 1;
    }
    child = fork();
    if (child == 0) {
        struct ramba_session *own = NULL;
        /* Whoever hangs dies. */
        alarm(30);
        if (ramba_ask(session, QUESTION, strlen(QUESTION), NULL, NULL, NULL) != RAMBA_STATUS_INVALID_ARGUMENT ||
            strstr(ramba_last_error(), "fork") == NULL) {
            _exit(2);
        }
        if (ramba_feed(session, TEXT, strlen(TEXT)) != RAMBA_STATUS_INVALID_ARGUMENT) {
            _exit(3);
        }
        if (ramba_session_open(model, &small, &own) != RAMBA_STATUS_OK) {
            _exit(4);
        }
        if (answer(own, after, sizeof after) != 0) {
            _exit(5);
        }
        if (strcmp(before, after) != 0) {
            _exit(6);
        }
        ramba_session_close(own);
        ramba_session_close(session);
        ramba_model_close(model);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return 1;
    }
    if (WIFSIGNALED(status)) {
        printf("child: signal %d\n", WTERMSIG(status));
    } else {
        printf("child: status %d\n", WEXITSTATUS(status));
    }
    /* The parent goes on as if nothing had been. */
    if (ramba_ask(session, QUESTION, strlen(QUESTION), NULL, NULL, NULL) != RAMBA_STATUS_OK) {
        return 1;
    }
    printf("parent: %s\n", strcmp(before, ramba_answer(session, NULL)) == 0 ? "the same" : "another answer");
    ramba_session_close(session);
    ramba_model_close(model);
    return 0;
}
