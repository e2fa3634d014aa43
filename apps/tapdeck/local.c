/* tapdeck/local.c: the table of the client's own commands, and how any command is run.
 *
 * A line's first word is looked for here first, then sent to the daemon. The client connects when
 * the first command that needs the daemon comes, so `doctor`, `drill` and `topo` work without one.
 * The daemon's commands are learnt by asking it (`help -j`): the client knows none of them itself,
 * and `help` is one list of both. A session may have another host than a daemon: then that is asked.
 */
#include "tapdeck/local.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/nearest.h"
#include "common/usage.h"
#include "tapdeck/alias.h"
#include "tapdeck/catalog.h"
#include "tapdeck/console.h"
#include "tapdeck/fault.h"

/* One a line, so that two additions don't meet. */
/* clang-format off */
const struct local_command *const local_commands[] = {
    &local_help,
    &local_watch,
    &local_source,
    &local_alias,
    &local_unalias,
    &local_complete,
    &local_exit,
    &local_quit,
    &local_quiz,
    &local_doctor,
    &local_drill,
    &local_extcap,
    &local_lab,
    &local_replay,
    &local_series,
    &local_graph,
    &local_tcpdump,
    &local_topo,
    &local_wire,
    NULL,
};
/* clang-format on */

static const struct local_command *find(const struct local_command *const *locals, const char *name)
{
    for (size_t i = 0; locals[i] != NULL; i++)
        if (strcmp(locals[i]->name, name) == 0)
            return locals[i];
    return NULL;
}

const struct local_command *local_find(const char *name)
{
    return find(local_commands, name);
}

const struct local_command *const *session_locals(const struct session *s)
{
    return s->host != NULL ? s->host->locals : local_commands;
}

const struct local_command *session_local(const struct session *s, const char *name)
{
    return find(session_locals(s), name);
}

/* ---- the session ---- */

void session_init(struct session *s, const char *name, bool json)
{
    *s = (struct session){.name = name,
                          .json = json,
                          .tty = colours_wanted(),
                          .input = -1,
                          .out = stdout,
                          .where = "tapdeck"};
    s->client.fd = -1;
}

void session_end(struct session *s)
{
    if (s->client.fd >= 0)
        client_end(&s->client);
    aliases_free(s);
    catalog_free(s->catalog);
    s->catalog = NULL;
}

int session_connect(struct session *s, char *msg, size_t msg_size)
{
    return s->client.fd >= 0 || s->host != NULL ? EXIT_DONE : client_connect(&s->client, s->name, msg, msg_size);
}

/* What a client that asks for nothing is sent is news; else what can be read is the end. */
static bool closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

enum session_news session_look(struct session *s)
{
    char msg[1024];
    struct timespec t;
    if (s->host != NULL)
        return NEWS_NONE;
    if (s->client.fd >= 0 && !closed(s->client.fd)) {
        bool back = s->missed;
        s->missed = false;
        if (client_listen(&s->client, s->note, sizeof(s->note)) && !back)
            return NEWS_TIME;
        return back ? NEWS_BACK : NEWS_NONE;
    }
    if (s->client.fd >= 0)
        client_end(&s->client);
    session_forget_catalog(s);
    if (!s->missed) {
        s->missed = true;
        return NEWS_GONE;
    }
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    if (now - s->looked < 500)
        return NEWS_NONE;
    s->looked = now;
    if (client_connect(&s->client, s->name, msg, sizeof(msg)) != EXIT_DONE)
        return NEWS_NONE;
    s->missed = false;
    return NEWS_BACK;
}

int session_run(struct session *s, int argc, char *const *argv, bool json, FILE *out, char *err,
                size_t err_size)
{
    if (s->host != NULL)
        return s->host->run(s, argc, argv, json, out, err, err_size);
    int status = session_connect(s, err, err_size);
    if (status != EXIT_DONE)
        return status;
    s->client.input = s->input;
    status = client_run(&s->client, argc, argv, json, s->tty, out, err, err_size);
    if (status == EXIT_NO_DAEMON && s->client.fd >= 0) {
        client_end(&s->client);
        s->missed = true;
    }
    return status;
}

int session_fail(const struct session *s, int status, const char *fmt, ...)
{
    va_list ap;
    fflush(stdout);
    fprintf(stderr, "%s: ", s->where);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return status;
}

bool colours_wanted(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (no == NULL || *no == '\0');
}

/* ---- running a command ---- */

struct second_words {
    struct nearest n;
    const char *command; /* whose words are being offered */
    const char *of;      /* whose the best is */
};

static void offer_second(void *ctx, const struct usage_hint *h)
{
    struct second_words *w = ctx;
    unsigned before = w->n.best[0] != '\0' ? w->n.distance : 99;
    if (h->value || h->option)
        return;
    nearest_offer(&w->n, h->word);
    if (w->n.best[0] != '\0' && w->n.distance < before)
        w->of = w->command;
}

/* `rotue`: the word was meant to stand behind its command, `ip route`. */
static void suggest_second(const struct catalog *c, const char *name, char *err, size_t err_size)
{
    struct second_words w = {.n.word = name};
    char msg[256];
    for (size_t i = 0; i < c->n; i++) {
        struct usage *u = usage_parse(c->entry[i].name, c->entry[i].usage, msg, sizeof(msg));
        w.command = c->entry[i].name;
        if (u != NULL)
            usage_next(u, 1, (char *[]){(char *)w.command}, "", offer_second, &w);
        usage_free(u);
    }
    if (w.n.best[0] != '\0')
        snprintf(err, err_size, "there is no command '%s': did you mean '%s %s'?", name, w.of,
                 w.n.best);
}

void session_suggest(struct session *s, const char *name, char *err, size_t err_size)
{
    const struct catalog *c = session_catalog(s);
    struct nearest n = {.word = name};
    for (size_t i = 0; i < c->n; i++)
        nearest_offer(&n, c->entry[i].name);
    for (const struct alias *a = s->aliases; a != NULL; a = a->next)
        nearest_offer(&n, a->name);
    if (n.best[0] != '\0')
        snprintf(err, err_size, "there is no command '%s': did you mean '%s'?", name, n.best);
    else
        suggest_second(c, name, err, err_size);
}

int session_command(struct session *s, int argc, char **argv, const char *where)
{
    const struct local_command *c = session_local(s, argv[0]);
    char err[1024] = "";
    if (fault_is_local(argc, argv))
        return fault_reveal(s, argc, argv);
    if (c != NULL) {
        if (argc > 1 && strcmp(argv[1], "--help") == 0) {
            local_print_help(c, s->out);
            return EXIT_DONE;
        }
        return c->fn(s, argc, argv);
    }
    int status = session_run(s, argc, argv, s->json, s->out, err, sizeof(err));
    if (status == EXIT_USAGE && strncmp(err, "there is no command '", 21) == 0)
        session_suggest(s, argv[0], err, sizeof(err));
    if (err[0] != '\0')
        fprintf(stderr, "%s: %s\n", where, err);
    return status;
}
