/* tapdeck/rules.c: iptables-restore's text goes to the daemon; of files of routes and of salts, the name.
 *
 * The file named (or standard input) is this program's: the daemon may run in another directory. A text that fits
 * into a request line is sent in it; a longer one is put into a file of mode 0600, whose name is sent.
 */
#include "tapdeck/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

#define INLINE_MAX 24000 /* escaped it may be twice as long, and a request has 64 KiB */
#define RULES_MAX  (16 << 20)

static bool read_all(const char *path, struct text *t, char *msg, size_t msg_size)
{
    char buf[16384];
    size_t n;
    FILE *f = path != NULL ? fopen(path, "re") : stdin;
    if (f == NULL) {
        snprintf(msg, msg_size, "iptables-restore: %s can't be read: %s", path, strerror(errno));
        return false;
    }
    while (t->len <= RULES_MAX && (n = fread(buf, 1, sizeof(buf), f)) > 0)
        text_add(t, buf, n);
    bool failed = ferror(f) != 0;
    if (path != NULL)
        fclose(f);
    if (failed || t->len > RULES_MAX || (t->len > 0 && memchr(t->s, '\0', t->len) != NULL)) {
        snprintf(msg, msg_size, "iptables-restore: %s is no text with rules, or is longer than 16 MiB",
                 path != NULL ? path : "the input");
        return false;
    }
    return true;
}

static bool keep(struct rules_request *q, const struct text *t, char *msg, size_t msg_size)
{
    snprintf(q->path, sizeof(q->path), "/tmp/tapdeck-rules-XXXXXX");
    int fd = mkstemp(q->path);
    size_t done = 0;
    while (fd >= 0 && done < t->len) {
        ssize_t n = write(fd, t->s + done, t->len - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    if (fd < 0)
        q->path[0] = '\0';
    else
        close(fd);
    if (fd >= 0 && done == t->len)
        return true;
    snprintf(msg, msg_size, "iptables-restore: the text can't be kept in /tmp: %s", strerror(errno));
    return false;
}

/* The word of an `ip` or `fault` command that names a file, or -1: `ip -batch FILE`, `ip route load FILE`,
 * `fault secret FILE ID`, `sysctl -p FILE`. */
static int file_word(int argc, char *const *argv)
{
    bool knobs = strcmp(argv[0], "sysctl") == 0;
    if (strcmp(argv[0], "fault") == 0)
        return argc > 3 && strcmp(argv[1], "secret") == 0 && strncmp(argv[2], "env:", 4) != 0 ? 2 : -1;
    for (int i = 1; i + 1 < argc; i++)
        if ((i == 1 && (strcmp(argv[i], "-batch") == 0 || strcmp(argv[i], "-b") == 0)) ||
            (knobs && (strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "--load") == 0)) ||
            (i == 2 && (strcmp(argv[i], "load") == 0 || strcmp(argv[i], "restore") == 0)))
            return i + 1;
    return -1;
}

/* The daemon opens it, from another directory. */
static bool path_request(int argc, char *const *argv, struct rules_request *q)
{
    char path[4096], here[2048], *words[8];
    int at = argc <= 8 ? file_word(argc, argv) : -1;
    if (at < 0 || argv[at][0] == '/' || getcwd(here, sizeof(here)) == NULL)
        return true;
    snprintf(path, sizeof(path), "%s/%s", here, argv[at]);
    for (int i = 0; i < argc; i++)
        words[i] = i == at ? path : argv[i];
    q->argc = argc;
    q->argv = words_copy(argc, words);
    return true;
}

bool rules_request(int argc, char *const *argv, struct rules_request *q, char *msg, size_t msg_size)
{
    const char *path = NULL;
    struct text t = {0};
    char *words[16], text_word[] = "--text", nothing[] = "";
    int n = 0;
    memset(q, 0, sizeof(*q));
    if (strcmp(argv[0], "ip") == 0 || strcmp(argv[0], "fault") == 0 || strcmp(argv[0], "sysctl") == 0)
        return path_request(argc, argv, q);
    if (strcmp(argv[0], "iptables-restore") != 0 || argc > 12)
        return true;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--text") == 0 || (i > 0 && *argv[i] != '-' && path != NULL))
            return true; /* the daemon says what is to be said */
        if (i == 0 || *argv[i] == '-')
            words[n++] = argv[i];
        else
            path = argv[i];
    }
    bool ok = read_all(path, &t, msg, msg_size);
    if (ok && t.len > INLINE_MAX) {
        ok = keep(q, &t, msg, msg_size);
        words[n++] = q->path;
    } else if (ok) {
        words[n++] = text_word;
        words[n++] = t.s != NULL ? t.s : nothing;
    }
    if (ok) {
        q->argc = n;
        q->argv = words_copy(n, words);
    } else {
        rules_request_end(q);
    }
    text_free(&t);
    return ok;
}

void rules_request_end(struct rules_request *q)
{
    if (q->path[0] != '\0')
        unlink(q->path);
    q->path[0] = '\0';
    words_free(q->argv);
    q->argv = NULL;
}
