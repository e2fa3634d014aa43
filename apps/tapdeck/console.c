/* tapdeck/console.c: the console.
 *
 * At a terminal, readline edits the line and asks tapdeck/complete.h what Tab may offer; each line
 * is added to a history file that several consoles share (tapdeck/history.h). Ctrl-C at the prompt
 * empties the line; while a command runs it stops the command; Ctrl-D leaves. While nothing is
 * typed the console looks whether the daemon is still there: it says when it has gone and when it
 * is back, and does nothing else about it.
 *
 * Without a terminal, standard input is a script.
 */
#include "tapdeck/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "tapdeck/catalog.h"
#include "tapdeck/complete.h"
#include "tapdeck/history.h"
#include "tapdeck/line.h"

#include <readline/history.h>
#include <readline/readline.h>

#define HISTORY_LINES 2000
#define LOOK_US       200000 /* so often at an idle prompt */

/* readline's hooks take no context. */
static struct session *current;
static struct candidates found;
static char blanks[] = " \t";

/* ---- completion ---- */

static char *next_candidate(const char *text, int state)
{
    static size_t at;
    (void)text;
    if (state == 0)
        at = 0;
    return at < found.n ? strdup(found.v[at++].word) : NULL;
}

/* The words up to the cursor, the one begun last. */
static void find_candidates(const char *line, const char *text)
{
    char msg[256], **words, *list[WORDS_MAX + 1], none[] = "";
    int argc = words_split(line, &words, msg, sizeof(msg)), n = 0;
    if (argc < 0)
        return; /* within quotes */
    for (; n < argc && n < WORDS_MAX; n++)
        list[n] = words[n];
    if (*text == '\0')
        list[n++] = none;
    if (n > 0 && strcmp(list[n - 1], text) == 0) {
        rl_clear_signals(); /* Ctrl-C ends the asking, should the daemon not answer */
        session_complete(current, n, list, &found);
        rl_set_signals();
    }
    words_free(words);
}

static char **complete(const char *text, int start, int end)
{
    struct line_parts p;
    char *line = strndup(rl_line_buffer, (size_t)end);
    if (line == NULL)
        return NULL;
    line_parse(line, &p);
    bool ours = p.kind == LINE_COMMAND;
    (void)start;
    if (ours) {
        rl_attempted_completion_over = 1;
        candidates_free(&found);
        find_candidates(line, text);
    } /* else readline's own, file names: behind | and > */
    free(line);
    if (!ours || found.n == 0)
        return NULL;
    rl_completion_suppress_append = found.n == 1 && found.v[0].open;
    return rl_completion_matches(text, next_candidate);
}

/* ---- signals, and the daemon's coming and going ---- */

/* Ctrl-C at the prompt begins a new line. */
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

/* "tapdeck lab.client (paused)> " */
#define PROMPT_MAX (DAEMON_NAME_MAX + 64)
static char prompt[PROMPT_MAX];

static void prompt_make(struct session *s, char dst[PROMPT_MAX])
{
    if (s->host != NULL) {
        s->host->prompt(s, dst, PROMPT_MAX);
        return;
    }
    bool named = strcmp(s->name, DEFAULT_NAME) != 0;
    snprintf(dst, PROMPT_MAX, "tapdeck%s%s%s> ", named ? " " : "", named ? s->name : "",
             s->client.fd >= 0 && s->client.paused ? " (paused)" : "");
}

static void say_news(enum session_news news)
{
    const struct session *s = current;
    if (news == NEWS_NONE)
        return;
    fflush(stdout);
    if (news == NEWS_TIME && s->note[0] != '\0')
        fprintf(stderr, "tapdeck: %s\n", s->note);
    if (news == NEWS_TIME)
        return;
    if (news == NEWS_GONE)
        fprintf(stderr,
                "tapdeck: the daemon '%s' has gone away; when it is back this console goes on\n",
                s->name);
    else
        fprintf(stderr, "tapdeck: the daemon '%s' is back\n", s->name);
}

/* readline calls it while nothing is typed. */
static int on_idle(void)
{
    on_signal(); /* with this hook, readline doesn't call that one */
    enum session_news news = session_look(current);
    if (news != NEWS_NONE) {
        rl_clear_visible_line();
        say_news(news);
        prompt_make(current, prompt);
        rl_set_prompt(prompt);
        rl_on_new_line();
        rl_redisplay();
    }
    return 0;
}

/* ---- at a terminal ---- */

static void read_rc(struct session *s)
{
    const char *own = getenv("TAPDECK_RC"), *home = getenv("HOME");
    char path[512];
    if (own == NULL && home == NULL)
        return;
    if (snprintf(path, sizeof(path), "%s%s", own != NULL ? own : home,
                 own != NULL ? "" : "/.tapdeckrc") >= (int)sizeof(path))
        return;
    FILE *f = *path != '\0' ? fopen(path, "re") : NULL;
    if (f == NULL) {
        if (own != NULL && *own != '\0')
            session_fail(s, EXIT_USAGE, "%s ($TAPDECK_RC) can't be read: %s", path,
                         strerror(errno));
        return;
    }
    lines_run(s, f, path);
    fclose(f);
}

static void remember(const char *line, const char *path)
{
    const HIST_ENTRY *last =
        history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (line[strspn(line, " \t")] == '\0' || (last != NULL && strcmp(last->line, line) == 0))
        return;
    add_history(line);
    if (path != NULL)
        history_file_add(path, line);
}

/* What was pasted may be several lines. While they run, Ctrl-C isn't echoed, so that the prompt
 * finds the beginning of a line; whatever a command did to the terminal is undone. */
static int run_lines(struct session *s, char *line, const char *path)
{
    struct termios before, now;
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    int status = EXIT_DONE;
    if (terminal) {
        now = before;
        now.c_lflag &= ~(tcflag_t)ECHOCTL;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
    }
    for (char *end; line != NULL && !s->leave; line = end) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        remember(line, path);
        say_news(session_look(s));
        status = line_run(s, line, "tapdeck");
    }
    if (terminal)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    return status;
}

static void prepare_readline(const char *path)
{
    rl_readline_name = "tapdeck";
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = blanks;
    rl_variable_bind("show-all-if-ambiguous",
                     "on"); /* before ~/.inputrc, which may say otherwise */
    rl_signal_event_hook = on_signal;
    rl_event_hook = on_idle;
    rl_set_keyboard_input_timeout(LOOK_US);
    using_history();
    stifle_history(HISTORY_LINES);
    if (path != NULL) {
        history_file_trim(path, HISTORY_LINES);
        read_history(path);
    }
}

static int interactive(struct session *s)
{
    char file[512];
    const char *path = history_file(file, sizeof(file)) ? file : NULL;
    int status = EXIT_DONE;
    current = s;
    s->input = STDIN_FILENO; /* between prompts it is the command's */
    prepare_readline(path);
    client_catch_interrupts();
    if (s->host != NULL)
        puts(s->host->hello);
    else
        puts("`help` lists the commands, Tab completes, Ctrl-C stops a command, Ctrl-D leaves.");
    if (s->host == NULL)
        read_rc(s);
    while (!s->leave) {
        interrupts = 0;
        prompt_make(s, prompt);
        if (rl_instream != NULL) /* while a command ran nobody told readline that the window changed */
            rl_reset_screen_size();
        char *line = readline(prompt);
        if (line == NULL) {
            putchar('\n');
            break;
        }
        status = run_lines(s, line, path);
        free(line);
    }
    candidates_free(&found);
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
    return lines_run(s, stdin, "stdin");
}
