/* tests of the tape deck (apps/replay/deck*.c): a tape of two hosts in a simulation, moved both
 * ways, looked at at each place; and what becomes of it when its process crashes, hangs or is ended
 * by others. */
#include "check_main.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/control.h"
#include "common/filter.h"
#include "core/pkt.h"
#include "link/link.h"
#include "replay/deck.h"
#include "tapdeckd/deck.h"
#include "world.h"

#define QUEUE 64

/* ---- the tape: what passes the server's interface ---- */

struct sim_tape {
    struct tape tape;
    struct deck deck;
    struct world *w;
    struct link_observer look;
    struct client *talker;
    struct seen {
        td_time at;
        bool out;
        uint32_t len;
        uint8_t bytes[1600];
    } queue[QUEUE], now;
    unsigned first, n;
    uint64_t length, fails_at, differs_at, crashes_at, hangs_at; /* steps; 0: never */
    td_time start;
    int *closed;
};

static void see(void *ctx, const struct link_sight *s)
{
    struct sim_tape *t = ctx;
    struct seen *f = &t->queue[(t->first + t->n) % QUEUE];
    if (t->n == QUEUE || s->p->len > sizeof(f->bytes))
        return;
    f->at = td_stack_now(t->w->server) - t->start;
    f->out = s->out;
    f->len = s->p->len;
    (void)pkt_read(s->p, 0, f->bytes, f->len);
    t->n++;
}

static bool any(void *ctx)
{
    return ((struct sim_tape *)ctx)->n > 0;
}

static enum tape_step step(struct tape *tape, char *msg, size_t msg_size)
{
    struct sim_tape *t = (struct sim_tape *)tape;
    uint64_t next = tape->steps + 1;
    if (tape->steps == t->length)
        return TAPE_END;
    if (next == t->fails_at) {
        snprintf(msg, msg_size, "the tape is torn");
        return TAPE_FAILED;
    }
    if (next == t->crashes_at)
        raise(SIGKILL); /* a signal that no sanitizer takes for itself */
    while (next == t->hangs_at)
        usleep(1000);
    while (t->n == 0) {
        client_say(t->talker, "what the client says; ");
        ck_assert(world_until(t->w, TD_SEC, any, t) || t->n == 0);
    }
    t->now = t->queue[t->first];
    t->first = (t->first + 1) % QUEUE;
    t->n--;
    tape->steps = next;
    tape->frame = (struct tape_frame){.number = next * 2, /* as if another flow were between */
                                      .at = t->now.at,
                                      .dir = t->now.out ? TAPE_OUT : TAPE_IN,
                                      .ifindex = 1,
                                      .bytes = t->now.bytes,
                                      .len = t->now.len};
    if (next == t->differs_at) {
        snprintf(msg, msg_size, "one byte is another");
        return TAPE_DIFFERS;
    }
    return TAPE_FRAME;
}

static void line(const struct tape *tape, struct text *out)
{
    text_printf(out, "frame %llu %s %zu", (unsigned long long)tape->frame.number,
                tape->frame.dir == TAPE_OUT ? "out" : "in", tape->frame.len);
}

static void tape_close(struct tape *tape)
{
    struct sim_tape *t = (struct sim_tape *)tape;
    link_unobserve(t->w->server, &t->look);
    deck_done(&t->deck);
    world_free(t->w);
    ++*t->closed;
}

static const struct tape_ops ops = {
    .kind = "simulation", .step = step, .line = line, .close = tape_close};

static struct sim_tape tape;
static struct reel *reel;
static char msg[1024], lines[65536];
static int closed, interrupts_left, asked;

static void hear(void *ctx, const struct reel_place *at, const char *text, size_t n)
{
    (void)ctx;
    (void)at;
    size_t have = strlen(lines);
    if (have + n + 2 < sizeof(lines))
        snprintf(lines + have, sizeof(lines) - have, "%.*s\n", (int)n, text);
}

static bool interrupted(void *ctx)
{
    (void)ctx;
    asked++;
    return interrupts_left > 0 && interrupts_left-- > 0;
}

/* It doesn't end by itself. */
static void progress(void *ctx, uint64_t under_way)
{
    (void)ctx;
    if (under_way != 0 && under_way == tape.hangs_at && asked < 1000000) {
        interrupts_left = 20;
        asked = 1000000;
    }
}

static void load(uint64_t length)
{
    memset(&tape, 0, sizeof(tape));
    reel = NULL;
    closed = interrupts_left = asked = 0;
    lines[0] = '\0';
    tape.closed = &closed;
    tape.w = world_new();
    deck_init(&tape.deck, tape.w->server, "tape");
    struct run *r = run_start(&tape.deck, 3, (char *[]){"app", "start", "echo"}, false, false);
    ck_assert_int_eq(r->status, EXIT_DONE);
    run_free(r);
    tape.start = td_stack_now(tape.w->server);
    tape.talker = world_connect(tape.w, 7);
    tape.talker->take = 0;
    tape.look = (struct link_observer){.fn = see, .ctx = &tape};
    link_observe(tape.w->server, &tape.look);
    tape.length = length;
    tape.tape = (struct tape){.ops = &ops, .deck = &tape.deck};
}

static void open_reel(void)
{
    const struct reel_hooks hooks = {
        .line = hear, .interrupted = interrupted, .progress = progress};
    reel = reel_open(&tape.tape, &hooks, msg, sizeof(msg));
    ck_assert_msg(reel != NULL, "%s", msg);
}

static void setup(void)
{
    load(3000);
    open_reel();
}

/* Nothing is left: no child of this process. */
static void teardown(void)
{
    reel_close(reel);
    ck_assert_int_eq(closed, 1);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

/* ---- what it says ---- */

static const char *ask(const char *command, int want)
{
    static char *out;
    static size_t size;
    struct text notes = {0};
    char **argv, err[1024];
    bool changed;
    int argc = words_split(command, &argv, msg, sizeof(msg));
    free(out);
    FILE *f = open_memstream(&out, &size);
    int status =
        reel_command(reel, argc, argv, false, false, f, &notes, &changed, err, sizeof(err));
    fclose(f);
    ck_assert_msg(status == want || want < 0, "%s: %d %s", command, status, err);
    if (changed)
        text_puts(&notes, "changed");
    snprintf(msg, sizeof(msg), "%s%s", err, notes.s != NULL ? notes.s : "");
    text_free(&notes);
    words_free(argv);
    return out;
}

/* All there is to be known. */
static char *everything(void)
{
    struct text all = {0};
    char names[4096];
    text_printf(&all, "%llu %s\n", (unsigned long long)reel_place(reel).step, reel_line(reel));
    snprintf(names, sizeof(names), "%s", ask("table", EXIT_DONE));
    unsigned n = 0;
    for (char *name = names, *end; (end = strchr(name, '\n')) != NULL; name = end + 1) {
        if (n++ % 5 != 0 && getenv("VALGRIND") != NULL) /* a fork takes its time there */
            continue;
        char command[64];
        snprintf(command, sizeof(command), "table %.*s", (int)strcspn(name, " "), name);
        text_puts(&all, ask(command, EXIT_DONE));
    }
    ck_assert_uint_gt(n, 20);
    static const char *const more[] = {"ss -tanie", "pcb :7", "nstat -az", "ip -s link",
                                       "ip neigh",  "timers", "ladder :7", "why -n 20"};
    for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
        text_puts(&all, ask(more[i], -1)); /* before the connection they have nothing to say */
    return all.s;
}

static void at(uint64_t step)
{
    ck_assert_uint_eq(reel_place(reel).step, step);
    ck_assert_uint_eq(reel_place(reel).number, 2 * step);
}

static uint64_t forward(uint64_t steps, enum reel_result want)
{
    const struct reel_goal g = {.steps = steps};
    uint64_t passed = 0;
    enum reel_result got = reel_go(reel, &g, &passed, msg, sizeof(msg));
    ck_assert_msg(got == want, "%d: %s", (int)got, msg);
    return passed;
}

static void go_to(uint64_t where)
{
    enum reel_result got = reel_goto_step(reel, where, msg, sizeof(msg));
    ck_assert_msg(got == REEL_STOPPED, "%d: %s", (int)got, msg);
    at(where);
}

/* ---- tests ---- */

START_TEST(test_forward_and_back)
{
    uint64_t every;
    int error;
    at(0);
    ck_assert_str_eq(reel_line(reel), "");
    char *start = everything();
    ck_assert_uint_eq(forward(700, REEL_STOPPED), 700);
    char *there = everything();
    ck_assert_ptr_nonnull(strstr(there, "700 frame 1400 "));
    ck_assert_uint_eq(forward(UINT64_MAX, REEL_ENDED), 2300);
    ck_assert_uint_eq(reel_total(reel), 3000);
    ck_assert_uint_eq(reel_last(reel), 6000);
    char *end = everything();
    ck_assert_str_ne(there, end);
    unsigned n = reel_checkpoints(reel, &every, &error);
    ck_assert_uint_le(n, DECK_CHECKPOINTS);
    ck_assert_uint_ge(n, DECK_CHECKPOINTS / 2);
    ck_assert_uint_eq(n, (3000 - 1) / every);
    ck_assert_int_eq(error, 0);
    go_to(700);
    char *again = everything();
    ck_assert_str_eq(there, again);
    free(again);
    go_to(0);
    ck_assert_str_eq(start, again = everything());
    free(again);
    go_to(699);
    forward(1, REEL_STOPPED);
    ck_assert_str_eq(there, again = everything());
    free(again);
    go_to(3000);
    ck_assert_str_eq(end, again = everything());
    ck_assert_uint_eq(reel_checkpoints(reel, &every, &error), n);
    free(again);
    free(start);
    free(there);
    free(end);
}
END_TEST

START_TEST(test_numbers_and_times)
{
    enum reel_result got =
        reel_goto_number(reel, 41, msg, sizeof(msg)); /* the tape has the even ones */
    ck_assert_int_eq(got, REEL_STOPPED);
    at(20);
    td_time t = reel_place(reel).at;
    ck_assert_int_eq(reel_goto_number(reel, 42, msg, sizeof(msg)), REEL_STOPPED);
    at(21);
    ck_assert_int_eq(reel_goto_number(reel, 42, msg, sizeof(msg)), REEL_STOPPED);
    at(21);
    ck_assert_int_eq(reel_goto_number(reel, 1000000, msg, sizeof(msg)), REEL_ENDED);
    at(3000);
    ck_assert_int_eq(reel_goto_time(reel, t, msg, sizeof(msg)), REEL_STOPPED);
    ck_assert_uint_eq(reel_place(reel).at, t);
    uint64_t there = reel_place(reel).step;
    ck_assert_uint_ge(there, 20);
    forward(1, REEL_STOPPED);
    ck_assert_uint_gt(reel_place(reel).at, t); /* it was the last of that time */
    ck_assert_int_eq(reel_goto_time(reel, reel_place(reel).at - 1, msg, sizeof(msg)), REEL_STOPPED);
    at(there);
    ck_assert_int_eq(reel_goto_time(reel, TD_NEVER - 1, msg, sizeof(msg)), REEL_ENDED);
    ck_assert_int_eq(reel_goto_number(reel, 0, msg, sizeof(msg)), REEL_STOPPED);
    at(0);
}
END_TEST

START_TEST(test_until)
{
    struct reel_goal g = {.steps = UINT64_MAX};
    uint64_t passed;
    ck_assert(filter_compile("tcp[13] & 2 != 0 and src host 10.0.0.2", g.code, TD_IMPAIR_CODE,
                             &g.ncode, msg, sizeof(msg)));
    ck_assert_int_eq(reel_go(reel, &g, &passed, msg, sizeof(msg)), REEL_STOPPED);
    ck_assert_ptr_nonnull(
        strstr(reel_line(reel), "out 74")); /* the SYN-ACK, after the SYN and ARP */
    ck_assert_uint_eq(passed, reel_place(reel).step);
    g = (struct reel_goal){.steps = UINT64_MAX, .state = "established"};
    ck_assert(reel_knows_state(reel, "established", msg, sizeof(msg)));
    ck_assert_int_eq(reel_go(reel, &g, &passed, msg, sizeof(msg)), REEL_STOPPED);
    ck_assert_uint_eq(passed, 1);
    ck_assert_msg(strstr(msg, "SYN-RECEIVED to ESTABLISHED") != NULL, "%s", msg);
    ck_assert_ptr_nonnull(strstr(ask("ss -tan", EXIT_DONE), "ESTAB"));
    g = (struct reel_goal){.steps = 5, .event = "tcp-s*"};
    ck_assert(reel_knows_event(reel, "tcp-s*", msg, sizeof(msg)));
    ck_assert_int_eq(reel_go(reel, &g, &passed, msg, sizeof(msg)), REEL_STOPPED);
    ck_assert(!reel_knows_event(reel, "tcp-stat", msg, sizeof(msg)));
    ck_assert_msg(strstr(msg, "did you mean 'tcp-state'") != NULL, "%s", msg);
    ck_assert(!reel_knows_state(reel, "FIN_WAIT_3", msg, sizeof(msg)));
    ck_assert(reel_knows_state(reel, "FIN_WAIT_2", msg, sizeof(msg)));
    ck_assert(reel_knows_state(reel, "FIN-WAIT-2", msg, sizeof(msg)));
    /* What watched is gone: going back and on is as ever. */
    g = (struct reel_goal){.steps = UINT64_MAX, .state = "CLOSE_WAIT"};
    ck_assert_int_eq(reel_go(reel, &g, &passed, msg, sizeof(msg)), REEL_ENDED);
    at(3000);
}
END_TEST

START_TEST(test_lines)
{
    struct reel_goal g = {.steps = 3, .lines = true};
    go_to(100);
    ck_assert_int_eq(reel_go(reel, &g, NULL, msg, sizeof(msg)), REEL_STOPPED);
    ck_assert_ptr_nonnull(strstr(lines, "frame 202 "));
    ck_assert_ptr_nonnull(strstr(lines, "\nframe 206 "));
    lines[0] = '\0';
    ck_assert_int_eq(reel_peek(reel, 2, msg, sizeof(msg)), REEL_STOPPED);
    ck_assert_int_eq(strncmp(lines, "frame 208 ", 10), 0);
    at(103);
    ck_assert_int_eq(strncmp(reel_line(reel), "frame 206 ", 10), 0);
}
END_TEST

START_TEST(test_commands_change_a_copy)
{
    go_to(50);
    char *before = everything();
    ask("ss -tan", EXIT_DONE);
    ck_assert_str_eq(msg, "");
    ask("sysctl -w net.ipv4.ip_default_ttl=7", EXIT_DONE);
    ck_assert_str_eq(msg, "changed");
    ask("ip route add 192.0.2.0/24 via 10.0.0.1", EXIT_DONE);
    ck_assert_str_eq(msg, "changed");
    ask("ip neigh flush dev eth0", EXIT_DONE);
    ask("ss -K dport gt 0", EXIT_DONE);
    ck_assert_str_eq(msg, "changed");
    char *after = everything();
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
    ck_assert_ptr_nonnull(strstr(ask("events state", EXIT_DONE), "from LISTEN to SYN-RECEIVED"));
    ask("ip rout", EXIT_DONE);
    ask("ip ruot", EXIT_USAGE);
    ck_assert_msg(strstr(msg, "did you mean") != NULL, "%s", msg);
    ask("nothing", EXIT_USAGE);
    static const char *const waits[] = {"ping 10.0.0.1", "ip monitor", "events -f", "nc 10.0.0.1 7",
                                        "ss -E",         "pause",      "shutdown",  "capture list"};
    for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
        ask(waits[i], EXIT_FAILED);
        ck_assert_msg(strstr(msg, "tape") != NULL, "%s: %s", waits[i], msg);
    }
    at(50);
}
END_TEST

START_TEST(test_interrupted)
{
    interrupts_left = 1;
    tape.length = 1000000;
    reel_close(reel);
    load(UINT64_MAX);
    open_reel();
    interrupts_left = 1;
    uint64_t passed = forward(UINT64_MAX, REEL_INTERRUPTED);
    ck_assert_uint_eq(reel_place(reel).step, passed);
    char *here = everything();
    go_to(0);
    go_to(passed);
    char *again = everything();
    ck_assert_str_eq(here, again);
    free(here);
    free(again);
}
END_TEST

/* ---- when it fails ---- */

static void setup_length(void)
{
    load(300);
}

START_TEST(test_crash)
{
    tape.crashes_at = 101;
    open_reel();
    go_to(90);
    char *before = everything();
    ck_assert_uint_eq(forward(UINT64_MAX, REEL_FAILED), 10);
    ck_assert_msg(strstr(msg, "SIGKILL") != NULL && strstr(msg, "behind packet 200") != NULL, "%s",
                  msg);
    at(100);
    ck_assert_int_eq(strncmp(reel_line(reel), "frame 200 ", 10), 0);
    ask("ss -tan", EXIT_DONE);
    go_to(90);
    char *again = everything();
    ck_assert_str_eq(before, again);
    free(before);
    free(again);
    ck_assert_int_eq(reel_goto_step(reel, 250, msg, sizeof(msg)), REEL_FAILED);
    at(100);
}
END_TEST

START_TEST(test_crash_at_once)
{
    tape.crashes_at = 1;
    open_reel();
    forward(1, REEL_FAILED);
    ck_assert_msg(strstr(msg, "first step") != NULL, "%s", msg);
    at(0);
    ask("ip addr", EXIT_DONE);
}
END_TEST

START_TEST(test_torn)
{
    tape.fails_at = 70;
    open_reel();
    ck_assert_uint_eq(forward(100, REEL_FAILED), 69);
    ck_assert_str_eq(msg, "the tape is torn");
    at(69);
    ask("ss -tan", EXIT_DONE);
}
END_TEST

START_TEST(test_differs)
{
    const char *how;
    struct reel_goal g = {.steps = 100, .heed = true};
    tape.differs_at = 33;
    open_reel();
    ck_assert_int_eq(reel_go(reel, &g, NULL, msg, sizeof(msg)), REEL_DIFFERS);
    at(33);
    ck_assert_uint_eq(reel_differed(reel, &how), 66);
    ck_assert_str_eq(how, "one byte is another");
    forward(10, REEL_STOPPED);
    ck_assert_uint_eq(reel_differed(reel, &how), 0);
    go_to(0);
    go_to(50);
    ck_assert_uint_eq(reel_differed(reel, &how), 66);
}
END_TEST

START_TEST(test_hangs)
{
    tape.hangs_at = 20;
    open_reel();
    forward(UINT64_MAX, REEL_FAILED);
    ck_assert_int_lt(interrupts_left, 19);
    ck_assert_msg(strstr(msg, "didn't stop") != NULL && strstr(msg, "behind packet 38") != NULL,
                  "%s", msg);
    at(19);
}
END_TEST

static unsigned children(pid_t pid[64])
{
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *f = fopen(path, "r");
    while (f != NULL && n < 64 && fscanf(f, "%d", &pid[n]) == 1)
        n++;
    if (f != NULL)
        fclose(f);
    return n;
}

START_TEST(test_ended_by_others)
{
    pid_t pid[64];
    open_reel();
    go_to(200);
    char *before = everything();
    unsigned n = children(pid);
    ck_assert_uint_ge(n, 200 / 16);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(kill(pid[i], SIGKILL), 0);
    go_to(100);
    n = children(pid);
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(kill(pid[i], SIGKILL), 0);
    ask("ss -tan", EXIT_DONE);
    at(100);
    go_to(200);
    char *after = everything();
    ck_assert_str_eq(before, after);
    free(before);
    free(after);
}
END_TEST

/* The console itself is killed: all that it made go with it. */
START_TEST(test_console_killed)
{
    int fd[2];
    pid_t pid[64] = {0};
    ck_assert_int_eq(pipe(fd), 0);
    pid_t console = fork();
    if (console == 0) {
        close(fd[0]);
        open_reel();
        if (reel_goto_step(reel, 200, msg, sizeof(msg)) != REEL_STOPPED)
            _exit(1);
        unsigned n = children(pid);
        if (write(fd[1], pid, n * sizeof(*pid)) < 0)
            _exit(1);
        raise(SIGKILL);
    }
    close(fd[1]);
    ssize_t n = read(fd[0], pid, sizeof(pid));
    ck_assert_int_ge(n, (ssize_t)(10 * sizeof(*pid)));
    /* Each of them has the pipe's other end: none is left when it ends. */
    char byte;
    ck_assert_int_eq(read(fd[0], &byte, 1), 0);
    close(fd[0]);
    ck_assert_int_eq(waitpid(console, NULL, 0), console);
    open_reel();
}
END_TEST

/* So few processes may be made: it does with less checkpoints, and in the end without. */
static int few_processes(void)
{
    const struct rlimit most = {.rlim_cur = 6, .rlim_max = 6};
    uint64_t every;
    int error;
    char err[512], *words[] = {"ss"};
    bool changed;
    struct text notes = {0};
    /* Another user, who has no process but this one. */
    if (setresuid(59321, 59321, 59321) != 0 || setrlimit(RLIMIT_NPROC, &most) != 0)
        return 77;
    FILE *nowhere = fopen("/dev/null", "w");
    open_reel();
    if (nowhere == NULL || reel_goto_step(reel, 300, msg, sizeof(msg)) != REEL_STOPPED ||
        reel_checkpoints(reel, &every, &error) != 3 || error != EAGAIN)
        return 1;
    if (reel_command(reel, 1, words, false, false, nowhere, &notes, &changed, err, sizeof(err)) !=
        EXIT_DONE)
        return 2;
    if (reel_goto_step(reel, 290, msg, sizeof(msg)) != REEL_STOPPED ||
        reel_place(reel).number != 580)
        return 3;
    reel_close(reel);
    return 0;
}

START_TEST(test_few_processes)
{
    int status = 0;
    pid_t pid = geteuid() == 0 ? fork() : -1;
    if (pid == 0)
        _exit(few_processes());
    if (pid > 0)
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77),
                  "status %x", (unsigned)status);
    open_reel();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("deck");
    TCase *t = tcase_create("moves");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_forward_and_back);
    tcase_add_test(t, test_numbers_and_times);
    tcase_add_test(t, test_until);
    tcase_add_test(t, test_lines);
    tcase_add_test(t, test_commands_change_a_copy);
    tcase_add_test(t, test_interrupted);
    suite_add_tcase(s, t);
    t = tcase_create("fails");
    tcase_add_checked_fixture(t, setup_length, teardown);
    tcase_add_test(t, test_crash);
    tcase_add_test(t, test_crash_at_once);
    tcase_add_test(t, test_torn);
    tcase_add_test(t, test_differs);
    tcase_add_test(t, test_hangs);
    tcase_add_test(t, test_ended_by_others);
    tcase_add_test(t, test_console_killed);
    tcase_add_test(t, test_few_processes);
    suite_add_tcase(s, t);
    return s;
}
CHECK_MAIN(suite)
