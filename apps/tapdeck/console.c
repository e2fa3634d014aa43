/* tapdeck/console.c: the console.
 *
 * At a terminal, readline edits the line, keeps a history file ($TAPDECK_HISTORY, else
 * ~/.tapdeck_history) and completes first words from the daemon's own list, so that the console
 * knows no command the daemon doesn't. Ctrl-C at the prompt empties the line; while a command runs
 * it cancels the command; Ctrl-D leaves.
 */
#include "tapdeck/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tapdeck/catalog.h"

#include <readline/history.h>
#include <readline/readline.h>

#define HISTORY_LINES 2000
#define NAMES_MAX     128

/* readline's hooks take no context: the list of first words is the program's. */
static char *names[NAMES_MAX + 4];

/* ---- completion ---- */

static char *next_name(const char *text, int state)
{
    static size_t at;
    if (state == 0)
        at = 0;
    while (names[at] != NULL) {
        const char *name = names[at++];
        if (strncmp(name, text, strlen(text)) == 0)
            return strdup(name);
    }
    return NULL;
}

static char **complete(const char *text, int start, int end)
{
    (void)end;
    size_t blank = strspn(rl_line_buffer, " ");
    bool first = (size_t)start == blank;
    bool help = strncmp(rl_line_buffer + blank, "help ", 5) == 0;
    if (first || help) {
        rl_attempted_completion_over = 1;
        return rl_completion_matches(text, next_name);
    }
    return NULL; /* readline completes file names: capture start FILE */
}

static void learn_names(struct session *s)
{
    const struct catalog *c = session_catalog(s);
    size_t n = 0;
    for (size_t i = 0; i < c->n && n < NAMES_MAX; i++)
        names[n++] = strdup(c->entry[i].name);
    names[n++] = strdup("exit");
    names[n] = NULL;
}

/* ---- history ---- */

static bool history_path(char *dst, size_t size)
{
    const char *own = getenv("TAPDECK_HISTORY"), *home = getenv("HOME");
    if (own != NULL)
        return *own != '\0' && snprintf(dst, size, "%s", own) < (int)size;
    return home != NULL && snprintf(dst, size, "%s/.tapdeck_history", home) < (int)size;
}

/* ---- one line ---- */

static bool leaving(char *const *argv)
{
    return strcmp(argv[0], "exit") == 0 || strcmp(argv[0], "quit") == 0;
}

/* Runs a line. `where`: what to put before a sentence. *leave is set by exit and quit. */
static int run_line(struct session *s, const char *line, const char *where, bool *leave)
{
    char msg[256], **argv;
    int argc = words_split(line, &argv, msg, sizeof(msg));
    if (argc < 0) {
        fprintf(stderr, "%s: %s\n", where, msg);
        return EXIT_USAGE;
    }
    int status = EXIT_DONE;
    if (argc > 0 && leaving(argv)) {
        *leave = true;
    } else if (argc > 0) {
        status = session_command(s, argc, argv, where);
    }
    words_free(argv);
    return status;
}

static int script(struct session *s)
{
    char *line = NULL, where[32];
    size_t size = 0;
    int status = EXIT_DONE;
    bool leave = false;
    for (unsigned n = 1; status == EXIT_DONE && !leave && getline(&line, &size, stdin) >= 0; n++) {
        snprintf(where, sizeof(where), "stdin:%u", n);
        status = run_line(s, line, where, &leave);
    }
    free(line);
    return status;
}

/* ---- at a terminal ---- */

/* readline calls it after a signal: Ctrl-C at the prompt begins a new line. */
static int on_signal(void)
{
    if (interrupts > 0) {
        interrupts = 0;
        rl_replace_line("", 0);
        rl_crlf();
        rl_on_new_line();
        rl_redisplay();
    }
    return 0;
}

static int interactive(struct session *s)
{
    char prompt[DAEMON_NAME_MAX + 16], path[512];
    bool leave = false, keep = history_path(path, sizeof(path));
    int status = EXIT_DONE;
    if (strcmp(s->name, DEFAULT_NAME) == 0)
        snprintf(prompt, sizeof(prompt), "tapdeck> ");
    else
        snprintf(prompt, sizeof(prompt), "tapdeck %s> ", s->name);
    learn_names(s);
    s->input = STDIN_FILENO; /* between prompts it is the command's */
    using_history();
    stifle_history(HISTORY_LINES);
    if (keep)
        read_history(path);
    rl_readline_name = "tapdeck";
    rl_attempted_completion_function = complete;
    rl_signal_event_hook = on_signal;
    client_catch_interrupts();
    while (!leave && status != EXIT_NO_DAEMON) {
        interrupts = 0;
        char *line = readline(prompt);
        if (line == NULL) {
            putchar('\n');
            break;
        }
        const HIST_ENTRY *last =
            history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
        if (line[strspn(line, " \t")] != '\0' && (last == NULL || strcmp(last->line, line) != 0))
            add_history(line);
        status = run_line(s, line, "tapdeck", &leave);
        free(line);
    }
    if (keep)
        write_history(path);
    for (size_t i = 0; names[i] != NULL; i++)
        free(names[i]);
    clear_history();
    return status;
}

int console(struct session *s)
{
    char msg[1024];
    int status = session_connect(s, msg, sizeof(msg));
    if (status != EXIT_DONE)
        return session_fail(s, status, "%s", msg);
    s->interactive = isatty(STDIN_FILENO);
    if (s->interactive)
        return interactive(s);
    s->tty = false;
    return script(s);
}
