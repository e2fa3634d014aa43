/* tapdeck/line.c: a line of the console, from its text to what was done.
 *
 * A line is a command, and may say where its output goes: into a shell's pipeline or a file. For
 * that standard output itself is turned aside while the command runs, so that it makes no
 * difference whether a command is the daemon's, the client's, or one that starts gnuplot. At a
 * terminal it is turned aside too, into the pager (tapdeck/pager.h), unless the command goes on
 * until it is stopped or has the screen for itself.
 */
#include "tapdeck/line.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tapdeck/alias.h"
#include "tapdeck/pager.h"

#define NESTED_MAX 8 /* files that source each other */

/* ---- reading ---- */

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

void line_parse(const char *line, struct line_parts *p)
{
    size_t n = strspn(line, " \t");
    char quote = '\0';
    *p = (struct line_parts){.kind = LINE_COMMAND};
    if (line[n] == '!') {
        *p = (struct line_parts){.kind = LINE_SHELL, .rest = n + 1};
        return;
    }
    for (; line[n] != '\0'; n++) {
        char c = line[n];
        if (quote != '\0') {
            if (c == quote)
                quote = '\0';
            else if (c == '\\' && quote == '"' && line[n + 1] != '\0')
                n++;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (c == '\\' && line[n + 1] != '\0') {
            n++;
        } else if (c == '#' && (n == 0 || blank(line[n - 1]))) {
            break;
        } else if (c == '|' || c == '>') {
            bool append = c == '>' && line[n + 1] == '>';
            p->kind = c == '|' ? LINE_PIPE : append ? LINE_APPEND : LINE_FILE;
            p->rest = n + (append ? 2 : 1);
            break;
        }
    }
    p->command = n;
}

/* ---- turning standard output aside ---- */

struct aside {
    int kept; /* what standard output was, or -1 */
    bool tty, interactive;
};

/* fd is taken over. */
static void turn_aside(struct session *s, int fd, struct aside *a)
{
    fflush(stdout);
    *a = (struct aside){fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), s->tty, s->interactive};
    dup2(fd, STDOUT_FILENO);
    close(fd);
}

static void turn_back(struct session *s, const struct aside *a)
{
    fflush(stdout);
    clearerr(stdout);
    if (a->kept >= 0) {
        dup2(a->kept, STDOUT_FILENO);
        close(a->kept);
    }
    s->tty = a->tty;
    s->interactive = a->interactive;
}

/* ---- running ---- */

static int shell(struct session *s, const char *command)
{
    fflush(stdout);
    command += strspn(command, " \t");
    pid_t pid = fork();
    if (pid < 0)
        return session_fail(s, EXIT_FAILED, "no shell can be started: %s", strerror(errno));
    if (pid == 0) {
        const char *program = getenv("SHELL");
        if (*command == '\0')
            execlp(program != NULL ? program : "sh", program != NULL ? program : "sh",
                   (char *)NULL);
        else
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    interrupts = 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int run_words(struct session *s, int argc, char **argv, const char *where)
{
    if (argc == 0)
        return EXIT_DONE;
    return session_command(s, argc, argv, where);
}

/* Its output into `sh -c pipeline`. The status of the command, or of the pipeline if that one
 * failed. */
static int run_into_pipe(struct session *s, int argc, char **argv, const char *where,
                         const char *pipeline)
{
    int fd[2], ended = 0;
    if (pipeline[strspn(pipeline, " \t")] == '\0')
        return session_fail(s, EXIT_USAGE,
                            "a shell command is missing behind the |: `ss -tan | grep ESTAB`");
    if (argc == 0)
        return session_fail(s, EXIT_USAGE, "a command is missing before the |");
    fflush(stdout);
    if (pipe2(fd, O_CLOEXEC) < 0)
        return session_fail(s, EXIT_FAILED, "no pipe can be made: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd[0], STDIN_FILENO);
        execl("/bin/sh", "sh", "-c", pipeline, (char *)NULL);
        _exit(127);
    }
    close(fd[0]);
    if (pid < 0) {
        close(fd[1]);
        return session_fail(s, EXIT_FAILED, "no shell can be started: %s", strerror(errno));
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    struct aside a;
    sigaction(SIGPIPE, &ignore, &before);
    turn_aside(s, fd[1], &a);
    s->tty = s->interactive = false;
    int status = run_words(s, argc, argv, where);
    turn_back(s, &a);
    while (waitpid(pid, &ended, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGPIPE, &before, NULL);
    bool failed = !WIFEXITED(ended) || WEXITSTATUS(ended) != 0;
    return status == EXIT_DONE && failed ? EXIT_FAILED : status;
}

static int run_into_file(struct session *s, int argc, char **argv, const char *where,
                         const char *name, bool append)
{
    char msg[256], **file;
    int n = words_split(name, &file, msg, sizeof(msg));
    if (n < 0)
        return session_fail(s, EXIT_USAGE, "%s", msg);
    if (n != 1) {
        words_free(file);
        return session_fail(s, EXIT_USAGE,
                            "one file's name belongs behind the >: `ss -tan > FILE`");
    }
    int fd = open(file[0], O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);
    int status;
    if (fd < 0) {
        status = session_fail(s, EXIT_USAGE, "%s can't be written: %s", file[0], strerror(errno));
    } else {
        struct aside a;
        turn_aside(s, fd, &a);
        s->tty = s->interactive = false;
        status = run_words(s, argc, argv, where);
        if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_DONE)
            status =
                session_fail(s, EXIT_FAILED, "%s can't be written: %s", file[0], strerror(errno));
        turn_back(s, &a);
    }
    words_free(file);
    return status;
}

/* Goes on until it is stopped, or has the screen: such a command's output isn't paged. */
static bool follows(const struct session *s, int argc, char *const *argv)
{
    static const char *const commands[] = {"ping",    "nc",    "traceroute", "arping",
                                           "tcpdump", "break", "step",       "shutdown",
                                           "topo",    "drill", "wire",       "get"};
    const struct local_command *c = session_local(s, argv[0]);
    if (c != NULL && c->screen)
        return true;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[0], commands[i]) == 0)
            return true;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0 ||
            strcmp(argv[i], "-E") == 0 || strncmp(argv[i], "mon", 3) == 0)
            return true;
    return false;
}

static int run_paged(struct session *s, int argc, char **argv, const char *where)
{
    struct pager p;
    struct aside a;
    int fd = s->interactive && !follows(s, argc, argv) ? pager_begin(&p) : -1;
    if (fd < 0)
        return run_words(s, argc, argv, where);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGPIPE, &ignore, &before);
    turn_aside(s, fd, &a);
    int status = run_words(s, argc, argv, where);
    turn_back(s, &a);
    pager_end(&p);
    sigaction(SIGPIPE, &before, NULL);
    return status;
}

static int run_parts(struct session *s, const struct line_parts *p, const char *line,
                     const char *where)
{
    char msg[256], **argv, **longer, *command = strndup(line, p->command);
    if (command == NULL)
        abort();
    int argc = words_split(command, &argv, msg, sizeof(msg)), status;
    free(command);
    if (argc < 0)
        return session_fail(s, EXIT_USAGE, "%s", msg);
    int n = argc > 0 ? alias_words(s, argc, argv, &longer) : -1;
    if (n >= 0) {
        words_free(argv);
        argv = longer;
        argc = n;
    }
    if (p->kind == LINE_PIPE)
        status = run_into_pipe(s, argc, argv, where, line + p->rest);
    else if (p->kind == LINE_COMMAND && argc > 0)
        status = run_paged(s, argc, argv, where);
    else if (p->kind == LINE_COMMAND)
        status = EXIT_DONE;
    else
        status = run_into_file(s, argc, argv, where, line + p->rest, p->kind == LINE_APPEND);
    words_free(argv);
    return status;
}

int line_run(struct session *s, const char *line, const char *where)
{
    struct line_parts p;
    const char *outer = s->where;
    s->where = where;
    line_parse(line, &p);
    int status = p.kind == LINE_SHELL ? shell(s, line + p.rest) : run_parts(s, &p, line, where);
    s->where = outer;
    return status;
}

int lines_run(struct session *s, FILE *f, const char *name)
{
    char *line = NULL, where[600];
    size_t size = 0;
    ssize_t n;
    int status = EXIT_DONE, failed = EXIT_DONE;
    for (unsigned number = 1; (status == EXIT_DONE || s->goes_on) && !s->leave &&
                              (n = getline(&line, &size, f)) >= 0;
         number++) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        snprintf(where, sizeof(where), "%s:%u", name, number);
        if (strlen(line) != (size_t)n) {
            fprintf(stderr, "%s: this is no text: it has a zero byte\n", where);
            status = EXIT_USAGE;
        } else {
            status = line_run(s, line, where);
        }
        fflush(stdout); /* whoever writes the lines may wait for what they say */
        failed = status != EXIT_DONE ? status : failed;
    }
    free(line);
    return failed;
}

/* ---- source, exit, quit ---- */

static int source_main(struct session *s, int argc, char **argv)
{
    if (argc != 2)
        return session_fail(s, EXIT_USAGE,
                            argc < 2 ? "which file? write `source FILE`"
                                     : "one file at a time: write `source FILE`");
    if (s->depth >= NESTED_MAX)
        return session_fail(s, EXIT_USAGE, "%s: files that source each other, %d deep", argv[1],
                            NESTED_MAX);
    FILE *f = fopen(argv[1], "re");
    if (f == NULL)
        return session_fail(s, EXIT_USAGE, "%s can't be read: %s", argv[1], strerror(errno));
    s->depth++;
    int status = lines_run(s, f, argv[1]);
    s->depth--;
    fclose(f);
    return status;
}

const struct local_command local_source = {
    .name = "source",
    .usage = "source FILE",
    .doc = "runs the lines of a file, until one fails",
    .more = "A line that fails ends it: FILE:LINE and a sentence, and that line's status. "
            "$TAPDECK_RC, else\n"
            "~/.tapdeckrc, is read in this way when the console starts.\n"
            "Example:\n  source lab1.deck",
    .screen = true,
    .fn = source_main,
};

static int exit_main(struct session *s, int argc, char **argv)
{
    if (argc > 1)
        return session_fail(s, EXIT_USAGE, "`%s` takes no words", argv[0]);
    s->leave = true;
    return EXIT_DONE;
}

const struct local_command local_exit = {
    .name = "exit",
    .usage = "exit",
    .doc = "leaves the console (so does Ctrl-D)",
    .more = "A daemon stays.",
    .fn = exit_main,
};

const struct local_command local_quit = {
    .name = "quit",
    .usage = "quit",
    .doc = "leaves the console",
    .fn = exit_main,
};
