/* tapdeck/output.c: where a command's output goes.
 *
 * The daemon may run as another user in another directory: files are the client's to write. The
 * file is made when the first piece comes, so a failure leaves what was there; and what can't be
 * written is told, for standard output too (a full disk must not look like a short answer).
 */
#include "tapdeck/output.h"

#include <errno.h>
#include <string.h>

#include "common/args.h"
#include "common/text.h"
#include "get/words.h"

/* The words again, options one by one and without -o. */
static int without_output(struct output *o, int argc, char *const *argv, char *words[WORDS_MAX],
                          char option[WORDS_MAX][3])
{
    struct args a;
    char bad[256];
    int n = 0, letter;
    args_init(&a, argc, (char **)argv, GET_LETTERS);
    words[n++] = argv[0];
    while (n + 2 < WORDS_MAX) {
        letter = args_next(&a, bad, sizeof(bad));
        if (letter == -1 && a.index >= argc)
            return n;
        if (letter == '?')
            return -1; /* the daemon says what is wrong */
        if (letter == 'o') {
            o->path = strcmp(a.value, "-") == 0 ? NULL : a.value;
        } else if (letter == -1) {
            words[n++] = argv[a.index++];
        } else {
            option[n][0] = '-';
            option[n][1] = (char)letter;
            option[n][2] = '\0';
            words[n] = option[n];
            n++;
            if (strchr(GET_LETTERS, letter)[1] == ':')
                words[n++] = (char *)a.value;
        }
    }
    return -1;
}

void output_request(int argc, char *const *argv, struct output *o)
{
    char *words[WORDS_MAX], option[WORDS_MAX][3];
    memset(o, 0, sizeof(*o));
    if (strcmp(argv[0], "get") != 0)
        return;
    int n = without_output(o, argc, argv, words, option);
    if (n < 0) {
        o->path = NULL;
        return;
    }
    o->argc = n;
    o->argv = words_copy(n, words);
}

int output_write(struct output *o, FILE *out, const char *bytes, size_t n)
{
    if (o->path != NULL && o->file == NULL)
        o->file = fopen(o->path, "wbe");
    if (o->path != NULL)
        out = o->file;
    return out != NULL && fwrite(bytes, 1, n, out) == n && fflush(out) == 0 ? 0 : errno;
}

void output_complaint(const struct output *o, int err, char *msg, size_t msg_size)
{
    snprintf(msg, msg_size, "%s can't be written: %s", o->path != NULL ? o->path : "the output",
             strerror(err));
}

bool output_end(struct output *o, char *msg, size_t msg_size)
{
    bool ok = o->file == NULL || fclose(o->file) == 0;
    if (!ok)
        output_complaint(o, errno, msg, msg_size);
    words_free(o->argv);
    *o = (struct output){0};
    return ok;
}
