/* control: the request parser, and the daemon's control socket with up to eight clients that send
 * any bytes in any pieces, stop reading, half-close and leave. What comes back must be lines of the
 * protocol, what clients can make the daemon hold is bounded, and when they have gone nothing of
 * theirs is left.
 *
 * The input is a script: a letter a to h and what follows, up to a byte 0x1e, is sent by that
 * client (who connects with it);
 * '?' and a letter reads what came for it; '<' half-closes, '!' closes; '.' lets the loop turn a
 * few times. Commands run as they would, but those that open files or devices. */
#include "fuzz.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tapdeckd/loop.h"

#define CLIENTS 8

static struct world {
    struct td_stack *st;
    struct deck deck;
    struct loop loop;
    struct member member;
    struct server *server;
    int fd[CLIENTS]; /* our ends; -1: not connected */
    struct text in[CLIENTS];
} w;

static char directory[] = "/tmp/fuzz-control-XXXXXX";

static void remove_directory(void)
{
    rmdir(directory);
}

static void make_directory(void)
{
    static bool made;
    if (!made) {
        FUZZ_CHECK(mkdtemp(directory) != NULL && setenv("TAPDECK_RUN", directory, 1) == 0);
        atexit(remove_directory);
        made = true;
    }
}

/* Nothing that has to do with files, devices or other programs. */
static bool permit(void *ctx, const struct run *r)
{
    static const char *const kept[] = {"tap",   "capture",  "tcpdump",         "app",
                                       "fault", "shutdown", "iptables-restore"};
    (void)ctx;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strcmp(r->argv[0], kept[i]) == 0)
            return false;
    for (int i = 1; i < r->argc; i++)
        if (r->argv[i][0] == '/' || r->argv[i][0] == '.' || strstr(r->argv[i], "load") != NULL ||
            strstr(r->argv[i], "restore") != NULL || strncmp(r->argv[i], "-b", 2) == 0)
            return false;
    return true;
}

static void begin(void)
{
    struct td_stack_config c = {.now = monotonic_now(), .seed = {7}, .memory_limit = 64 << 20};
    char msg[512];
    int status;
    make_directory();
    w.st = td_stack_new(&c);
    w.server = server_open("fuzz", &status, msg, sizeof msg);
    FUZZ_CHECK(w.st != NULL && w.server != NULL);
    deck_init(&w.deck, w.st, "fuzz");
    FUZZ_CHECK(loop_init(&w.loop, NULL, false, 0) == 0);
    loop_add(&w.loop, &w.member, &w.deck);
    w.deck.hooks.permit = permit;
    server_start(w.server, &w.member);
    for (int i = 0; i < CLIENTS; i++)
        w.fd[i] = -1;
}

static void turns(int n)
{
    while (n-- > 0)
        loop_turn(&w.loop, 0);
    unsigned runs = 0;
    for (const struct run *r = w.deck.runs; r != NULL; r = r->next) {
        runs++;
        FUZZ_CHECK(r->in.len <= 2 * RUN_IN_HIGH + REQUEST_MAX);
    }
    FUZZ_CHECK(runs <= 16 * CLIENTS && w.loop.stats.clients <= CLIENTS);
}

static void hear(int i)
{
    char buf[65536];
    ssize_t n;
    struct text line = {0};
    while (w.fd[i] >= 0 && (n = recv(w.fd[i], buf, sizeof buf, MSG_DONTWAIT)) > 0)
        text_add(&w.in[i], buf, (size_t)n);
    while (take_line(&w.in[i], &line)) {
        struct reply r;
        FUZZ_CHECK(line.len <= REPLY_MAX && text_is_utf8(line.s, line.len));
        FUZZ_CHECK(control_parse_reply(line.s, line.len, &r));
        FUZZ_CHECK(!r.end || r.status == EXIT_DONE || (r.status > 0 && r.status < 4));
        control_free_reply(&r);
    }
    FUZZ_CHECK(w.in[i].len <= REPLY_MAX);
    text_free(&line);
}

static void leave(int i)
{
    if (w.fd[i] >= 0)
        close(w.fd[i]);
    w.fd[i] = -1;
    text_free(&w.in[i]);
}

static void say(int i, const char *bytes, size_t n)
{
    int pair[2];
    if (w.fd[i] < 0) {
        FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
        FUZZ_CHECK(server_admit(w.server, pair[1]));
        w.fd[i] = pair[0];
    }
    ssize_t ignored = n > 0 ? send(w.fd[i], bytes, n, MSG_NOSIGNAL) : 0;
    (void)ignored;
    turns(1);
}

static void parse_alone(const char *line, size_t n)
{
    struct request q;
    char msg[512] = "";
    char *copy = malloc(n > 0 ? n : 1);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, line, n);
    if (control_parse_request(copy, n, &q, msg, sizeof msg)) {
        FUZZ_CHECK(q.id >= 0 && (q.cancel || q.input || (q.argc > 0 && q.argc <= 256)));
        control_free_request(&q);
    } else {
        FUZZ_CHECK(msg[0] != '\0' && q.id >= -1);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data, *end = s + size;
    begin();
    while (s < end) {
        char op = *s++;
        int i = s < end ? (*s - 'a') & (CLIENTS - 1) : 0;
        if (op >= 'a' && op < 'a' + CLIENTS) {
            const char *stop = memchr(s, 0x1e, (size_t)(end - s));
            size_t n = stop != NULL ? (size_t)(stop - s) : (size_t)(end - s);
            parse_alone(s, n);
            say(op - 'a', s, n);
            s += n + (stop != NULL);
        } else if (op == '?' || op == '<' || op == '!') {
            if (op == '?')
                hear(i);
            else if (op == '!')
                leave(i);
            else if (w.fd[i] >= 0)
                shutdown(w.fd[i], SHUT_WR);
            s += s < end;
        } else if (op == '.') {
            turns(4);
        }
    }
    turns(4);
    for (int i = 0; i < CLIENTS; i++) {
        hear(i);
        leave(i);
    }
    turns(4);
    FUZZ_CHECK(w.loop.stats.clients == 0 && w.deck.runs == NULL);
    server_close(w.server);
    deck_done(&w.deck);
    loop_done(&w.loop);
    td_stack_free(w.st);
    return 0;
}
