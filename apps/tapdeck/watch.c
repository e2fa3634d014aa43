/* tapdeck/watch.c: `watch`: a command again and again, what changed marked.
 *
 * Each round the command runs with its output and its sentence turned into a file in memory; that
 * is laid out in cells (tapdeck/frame.h) and drawn over the one before, on the terminal's alternate
 * screen, so that nothing of it is left behind. Without a terminal the rounds are printed one after
 * the other. The daemon going away is shown as any failure is, and the next round tries again.
 */
#include "tapdeck/local.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "common/parse.h"
#include "tapdeck/alias.h"
#include "tapdeck/frame.h"
#include "tapdeck/line.h"
#include "tapdeck/pager.h"

#define OUTPUT_MAX (4 << 20) /* of a round; nobody sees more */

struct watch {
    td_time interval;
    uint32_t rounds; /* 0: until interrupted */
    int argc;
    char **argv;
    struct frame before;
};

static bool read_words(struct session *s, int argc, char **argv, struct watch *w)
{
    int i = 1;
    *w = (struct watch){.interval = 2 * TD_SEC};
    for (; i < argc && argv[i][0] == '-'; i += 2) {
        bool interval = strcmp(argv[i], "-n") == 0, rounds = strcmp(argv[i], "-c") == 0;
        if (!interval && !rounds) {
            session_fail(s, EXIT_USAGE,
                         "'%s' is no option of watch: write `watch [-n SECONDS] [-c N] COMMAND`",
                         argv[i]);
            return false;
        }
        if (i + 1 >= argc ||
            (interval && (!parse_seconds(argv[i + 1], &w->interval) || w->interval < 100 * TD_MS ||
                          w->interval > 86400 * TD_SEC))) {
            session_fail(s, EXIT_USAGE, "%s needs %s, for example %s", argv[i],
                         interval ? "seconds, 0.1 to 86400" : "a number",
                         interval ? "-n 0.5" : "-c 3");
            return false;
        }
        if (rounds && (!parse_u32(argv[i + 1], UINT32_MAX, &w->rounds) || w->rounds == 0)) {
            session_fail(s, EXIT_USAGE, "-c needs a number of rounds, not '%s'", argv[i + 1]);
            return false;
        }
    }
    w->argc = argc - i;
    w->argv = argv + i;
    if (w->argc == 0)
        session_fail(
            s, EXIT_USAGE,
            "which command? write `watch [-n SECONDS] COMMAND`, for example `watch ss -tan`");
    else if (strcmp(w->argv[0], "watch") == 0)
        session_fail(s, EXIT_USAGE, "`watch` doesn't watch itself");
    return w->argc > 0 && strcmp(w->argv[0], "watch") != 0;
}

/* Runs the command; what it printed, and its sentence, are in *shown. */
static int run_round(struct session *s, const struct watch *w, struct text *shown)
{
    int file = memfd_create("tapdeck-watch", MFD_CLOEXEC), kept[2] = {-1, -1};
    bool tty = s->tty, interactive = s->interactive;
    char buf[65536], **longer;
    ssize_t n;
    if (file < 0)
        return session_fail(s, EXIT_FAILED, "no memory for the output: %s", strerror(errno));
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        kept[i] = dup(i + 1);
        dup2(file, i + 1);
    }
    s->tty = s->interactive = false;
    int status;
    if (w->argc == 1 && strchr(w->argv[0], ' ') != NULL) { /* a line in quotes, as for a shell */
        status = line_run(s, w->argv[0], s->where);
    } else {
        int m = alias_words(s, w->argc, w->argv, &longer);
        char **words = m > 0 ? longer : words_copy(w->argc, w->argv); /* the command may change them */
        status = session_command(s, m > 0 ? m : w->argc, words, s->where);
        words_free(words);
    }
    s->tty = tty;
    s->interactive = interactive;
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        dup2(kept[i], i + 1);
        close(kept[i]);
    }
    lseek(file, 0, SEEK_SET);
    while (shown->len < OUTPUT_MAX && (n = read(file, buf, sizeof(buf))) > 0)
        text_add(shown, buf, (size_t)n);
    close(file);
    return status;
}

static void draw(struct watch *w, const struct text *shown)
{
    struct text out = {0}, heading = {0};
    struct frame head, now;
    unsigned rows, columns;
    char clock[32] = "";
    time_t t = time(NULL);
    struct tm tm;
    screen_size(&rows, &columns);
    if (localtime_r(&t, &tm) != NULL)
        strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
    text_printf(&heading, "Every %.1fs:", (double)w->interval / 1e9);
    for (int i = 0; i < w->argc; i++)
        text_printf(&heading, " %s", w->argv[i]);
    if (heading.len + 10 < columns)
        text_printf(&heading, "%*s", (int)(columns - heading.len), clock);
    frame_lay(&head, 1, columns, heading.s, heading.len);
    frame_lay(&now, rows - 1, columns, shown->s, shown->len);
    if (w->before.rows != now.rows || w->before.columns != now.columns)
        text_puts(&out, "\033[2J");
    frame_draw(&head, NULL, 1, &out);
    frame_draw(&now, &w->before, 2, &out);
    fwrite(out.s, 1, out.len, stdout);
    fflush(stdout);
    frame_free(&w->before);
    frame_free(&head);
    w->before = now;
    text_free(&out);
    text_free(&heading);
}

/* Until the next round. False: the person has had enough. */
static bool pause_round(const struct watch *w, bool keys)
{
    struct pollfd p = {.fd = keys ? STDIN_FILENO : -1, .events = POLLIN};
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int64_t left = (int64_t)(w->interval / TD_MS); left > 0 && interrupts == 0;) {
        char key;
        if (poll(&p, 1, (int)left) > 0) {
            if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q')
                return false;
            if (key == ' ')
                return true;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        left = (int64_t)(w->interval / TD_MS) - (now.tv_sec - begin.tv_sec) * 1000 -
               (now.tv_nsec - begin.tv_nsec) / 1000000;
    }
    return interrupts == 0;
}

static int rounds(struct session *s, struct watch *w, bool screen)
{
    int status = EXIT_DONE;
    for (uint32_t n = 1;; n++) {
        struct text shown = {0};
        status = run_round(s, w, &shown);
        if (screen) {
            draw(w, &shown);
        } else {
            if (n > 1)
                fputs("----\n", stdout);
            fwrite(shown.s != NULL ? shown.s : "", 1, shown.len, stdout);
        }
        text_free(&shown);
        /* client_run's count of interrupts is its own; a second one here would be too many to ask.
         */
        if (fflush(stdout) != 0 || interrupts > 0 || n == w->rounds || !pause_round(w, screen))
            return interrupts > 0 ? EXIT_DONE : status;
    }
}

static int watch_main(struct session *s, int argc, char **argv)
{
    struct watch w;
    struct termios before, raw;
    if (!read_words(s, argc, argv, &w))
        return EXIT_USAGE;
    bool screen =
        isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
    interrupts = 0;
    if (screen) {
        raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* to be stopped on the other screen would leave it */
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
        fputs("\033[?1049h\033[?25l", stdout);
    }
    int input = s->input;
    s->input = -1; /* the keys are ours */
    int status = rounds(s, &w, screen);
    s->input = input;
    if (screen) {
        fputs("\033[?25h\033[?1049l", stdout);
        fflush(stdout);
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    }
    frame_free(&w.before);
    return status;
}

const struct local_command local_watch = {
    .name = "watch",
    .usage = "watch [-n SECONDS] [-c N] {CMD | 'LINE'}",
    .doc = "a command again and again, what changed marked",
    .more = "-n: so often (2 s); -c: so many times. q or Ctrl-C ends it, the blank bar doesn't "
            "wait. Shown is as much as\n"
            "the terminal has room for; without a terminal each round is printed, lines of ---- "
            "between them.\n"
            "Examples:\n  watch ss -tani\n  watch -n 0.5 nstat -s\n  watch 'ss -tan | grep ESTAB'",
    .screen = true,
    .fn = watch_main,
};
