/* tapdeck/local.c: the table of the client's own commands, and how any command is run.
 *
 * A line's first word is looked for here first, then sent to the daemon. The client connects when
 * the first command that needs the daemon comes, so `doctor`, `drill` and `topo` work without one.
 * The daemon's commands are learnt by asking it (`help -j`): the client knows none of them itself,
 * and `help` is one list of both.
 */
#include "tapdeck/local.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tapdeck/alias.h"
#include "tapdeck/catalog.h"
#include "tapdeck/console.h"
#include "tapdeck/fault.h"

/* One a line, so that two additions don't meet. */
/* clang-format off */
const struct local_command *const local_commands[] = {
    &local_help,
    &local_alias,
    &local_unalias,
    &local_complete,
    &local_doctor,
    &local_drill,
    &local_series,
    &local_topo,
    &local_wire,
    NULL,
};
/* clang-format on */

const struct local_command *local_find(const char *name)
{
    for (size_t i = 0; local_commands[i] != NULL; i++)
        if (strcmp(local_commands[i]->name, name) == 0)
            return local_commands[i];
    return NULL;
}

/* ---- the session ---- */

void session_init(struct session *s, const char *name, bool json)
{
    *s = (struct session){
        .name = name, .json = json, .tty = colours_wanted(), .input = -1, .out = stdout};
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
    return s->client.fd >= 0 ? EXIT_DONE : client_connect(&s->client, s->name, msg, msg_size);
}

int session_run(struct session *s, int argc, char *const *argv, bool json, FILE *out, char *err,
                size_t err_size)
{
    int status = session_connect(s, err, err_size);
    if (status != EXIT_DONE)
        return status;
    s->client.input = s->input;
    status = client_run(&s->client, argc, argv, json, s->tty, out, err, err_size);
    if (status == EXIT_NO_DAEMON)
        client_end(&s->client);
    return status;
}

int session_fail(const struct session *s, int status, const char *fmt, ...)
{
    va_list ap;
    (void)s;
    fflush(stdout);
    fputs("tapdeck: ", stderr);
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

int session_command(struct session *s, int argc, char **argv, const char *where)
{
    const struct local_command *c = local_find(argv[0]);
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
    if (err[0] != '\0')
        fprintf(stderr, "%s: %s\n", where, err);
    return status;
}
