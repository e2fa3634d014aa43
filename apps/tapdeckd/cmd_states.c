/* tapdeckd/cmd_states.c: `states`: the TCP state diagram (RFC 9293 figure 5) in the terminal.
 *
 * Theory of operation. The diagram is a canvas of 16 lines: boxes, the lines between them (each a
 * transition), and what is written at the lines.
 * With a connection, its record (story.c) says which transitions it took: their lines are drawn in
 * = and #, the states it was in stand in round brackets, the present one between > and <; a
 * terminal has colours for it, too. Below, each step has its time, its cause and its number in the
 * journal. Without a connection each box has the number of connections in that state.
 *
 * CLOSED is there twice, as in the RFC: where connections begin and where they end. A reset, and
 * whatever else ends a connection from any state, has no line: the list tells it.
 */
#include "tapdeckd/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS         16
#define COLUMNS      80
#define BOX          18 /* columns of one */
#define LOOK         2048
#define COUNT_A_STEP 8192
#define PATH_MAX_    64 /* steps remembered; a connection has about ten */

enum { PLAIN, TAKEN, VISITED, PRESENT }; /* how a cell is shown */

struct canvas {
    char c[ROWS][COLUMNS + 1];
    uint8_t look[ROWS][COLUMNS];
};

static const struct {
    enum tcp_state state;
    int row, col;
} boxes[] = {
    {TCPS_CLOSED, 0, 31},       {TCPS_LISTEN, 3, 12},      {TCPS_SYN_SENT, 3, 50},
    {TCPS_SYN_RECEIVED, 6, 12}, {TCPS_ESTABLISHED, 6, 50}, {TCPS_FIN_WAIT_1, 9, 12},
    {TCPS_CLOSE_WAIT, 9, 50},   {TCPS_FIN_WAIT_2, 12, 12}, {TCPS_CLOSING, 12, 31},
    {TCPS_LAST_ACK, 12, 50},    {TCPS_TIME_WAIT, 15, 31},  {TCPS_CLOSED, 15, 56},
};
#define BOXES (sizeof(boxes) / sizeof(boxes[0]))

/* A line goes straight from point to point; a point with column 0 is none. */
struct point {
    int8_t row, col;
};
static const struct line {
    uint8_t from, to;
    char head;
    struct point p[3];
    struct {
        int8_t row, col;
        const char *text;
    } label[2];
} lines[] = {
    {TCPS_CLOSED, TCPS_LISTEN, 'v', {{0, 30}, {0, 16}, {2, 16}}, {{1, 3, "passive OPEN"}}},
    {TCPS_CLOSED,
     TCPS_SYN_SENT,
     'v',
     {{0, 49}, {0, 61}, {2, 61}},
     {{1, 63, "active OPEN /"}, {2, 63, "snd SYN"}}},
    {TCPS_LISTEN, TCPS_CLOSED, '^', {{2, 24}, {2, 36}, {1, 36}}, {{2, 27, " CLOSE "}}},
    {TCPS_SYN_SENT, TCPS_CLOSED, '^', {{2, 55}, {2, 43}, {1, 43}}, {{2, 46, " CLOSE "}}},
    {TCPS_LISTEN, TCPS_SYN_SENT, '>', {{3, 30}, {3, 49}}, {{3, 32, " SEND / snd SYN "}}},
    {TCPS_LISTEN,
     TCPS_SYN_RECEIVED,
     'v',
     {{4, 16}, {5, 16}},
     {{4, 3, "rcv SYN /"}, {5, 3, "snd SYN,ACK"}}},
    {TCPS_SYN_RECEIVED, TCPS_LISTEN, '^', {{5, 20}, {4, 20}}, {{4, 22, "rcv RST"}}},
    {TCPS_SYN_SENT,
     TCPS_SYN_RECEIVED,
     'v',
     {{4, 55}, {5, 55}, {5, 26}},
     {{5, 29, " rcv SYN / snd SYN,ACK "}}},
    {TCPS_SYN_SENT,
     TCPS_ESTABLISHED,
     'v',
     {{4, 61}, {5, 61}},
     {{4, 63, "rcv SYN,ACK /"}, {5, 63, "snd ACK"}}},
    {TCPS_SYN_RECEIVED, TCPS_ESTABLISHED, '>', {{6, 30}, {6, 49}}, {{6, 32, " rcv ACK of SYN "}}},
    {TCPS_SYN_RECEIVED,
     TCPS_FIN_WAIT_1,
     'v',
     {{7, 16}, {8, 16}},
     {{7, 3, "CLOSE /"}, {8, 3, "snd FIN"}}},
    {TCPS_ESTABLISHED,
     TCPS_FIN_WAIT_1,
     'v',
     {{7, 55}, {8, 55}, {8, 26}},
     {{8, 32, " CLOSE / snd FIN "}}},
    {TCPS_ESTABLISHED,
     TCPS_CLOSE_WAIT,
     'v',
     {{7, 61}, {8, 61}},
     {{7, 63, "rcv FIN /"}, {8, 63, "snd ACK"}}},
    {TCPS_FIN_WAIT_1,
     TCPS_FIN_WAIT_2,
     'v',
     {{10, 16}, {11, 16}},
     {{10, 3, "rcv ACK"}, {11, 3, "of FIN"}}},
    {TCPS_FIN_WAIT_1,
     TCPS_CLOSING,
     'v',
     {{9, 30}, {9, 39}, {11, 39}},
     {{10, 41, "rcv FIN / snd ACK"}}},
    {TCPS_FIN_WAIT_2,
     TCPS_TIME_WAIT,
     '>',
     {{13, 16}, {15, 16}, {15, 30}},
     {{13, 3, "rcv FIN /"}, {14, 3, "snd ACK"}}},
    {TCPS_CLOSING, TCPS_TIME_WAIT, 'v', {{13, 39}, {14, 39}}, {{13, 41, "rcv ACK of FIN"}}},
    {TCPS_CLOSE_WAIT,
     TCPS_LAST_ACK,
     'v',
     {{10, 61}, {11, 61}},
     {{10, 63, "CLOSE /"}, {11, 63, "snd FIN"}}},
    {TCPS_LAST_ACK, TCPS_CLOSED, 'v', {{13, 61}, {14, 61}}, {{13, 63, "rcv ACK of FIN"}}},
    {TCPS_TIME_WAIT, TCPS_CLOSED, '>', {{15, 49}, {15, 55}}, {{15, 50, "2MSL"}}},
};
#define LINES (sizeof(lines) / sizeof(lines[0]))

struct step {
    uint64_t n, event;
    td_time at;
    uint8_t from, to;
    uint16_t why;
};

struct states {
    struct story story;
    bool found;
    struct step path[PATH_MAX_];
    unsigned steps, more;
    uint64_t counts[TCPS_CLOSING + 1], cursor;
};

/* ---- the canvas ---- */

static void put(struct canvas *v, int row, int col, char c, int look)
{
    v->c[row][col] = c;
    v->look[row][col] = (uint8_t)look;
}

static void write_at(struct canvas *v, int row, int col, const char *text, int look)
{
    for (; *text != '\0' && col < COLUMNS; text++, col++)
        put(v, row, col, *text, look);
}

static void draw_line(struct canvas *v, const struct line *l, bool taken)
{
    int look = taken ? TAKEN : PLAIN, row = l->p[0].row, col = l->p[0].col;
    for (int i = 1; i < 3 && l->p[i].col != 0; i++) {
        bool upright = l->p[i].col == col;
        char c = upright ? (taken ? '#' : '|') : (taken ? '=' : '-');
        bool corner = i > 1 || (!upright && row == 2); /* the lines to CLOSED begin with one */
        put(v, row, col, corner ? '+' : c, look);
        while (row != l->p[i].row || col != l->p[i].col) {
            row += (l->p[i].row > row) - (l->p[i].row < row);
            col += (l->p[i].col > col) - (l->p[i].col < col);
            put(v, row, col, c, look);
        }
    }
    put(v, row, col, l->head, look);
    for (int i = 0; i < 2 && l->label[i].text != NULL; i++)
        write_at(v, l->label[i].row, l->label[i].col, l->label[i].text, look);
}

static void draw_box(struct canvas *v, size_t i, const char *text, int look)
{
    static const char edges[][2] = {{'[', ']'}, {'[', ']'}, {'(', ')'}, {'>', '<'}};
    char inside[BOX + 8];
    int room = BOX - 2, n = (int)strlen(text), left = (room - n) / 2;
    snprintf(inside, sizeof(inside), "%*s%s%*s", left > 0 ? left : 0, "", text,
             room - n - left > 0 ? room - n - left : 0, "");
    put(v, boxes[i].row, boxes[i].col, edges[look][0], look);
    write_at(v, boxes[i].row, boxes[i].col + 1, inside, look);
    put(v, boxes[i].row, boxes[i].col + BOX - 1, edges[look][1], look);
}

static void print_canvas(struct run *r, struct canvas *v)
{
    static const char *const colours[] = {"\033[0;2m", "\033[0;33m", "\033[0;33m", "\033[0;7;1m"};
    for (int row = 0; row < ROWS; row++) {
        int end = COLUMNS, look = -1;
        while (end > 0 && v->c[row][end - 1] == ' ')
            end--;
        for (int col = 0; col < end; col++) {
            if (r->tty && v->look[row][col] != look && v->c[row][col] != ' ')
                run_puts(r, colours[look = v->look[row][col]]);
            run_printf(r, "%c", v->c[row][col]);
        }
        run_printf(r, "%s\n", r->tty ? "\033[0m" : "");
    }
}

static void clear_canvas(struct canvas *v)
{
    memset(v->c, ' ', sizeof(v->c));
    memset(v->look, PLAIN, sizeof(v->look));
}

/* ---- all connections ---- */

static void show_counts(struct run *r, const struct states *s)
{
    struct canvas v;
    char text[BOX];
    if (r->json) {
        jw_open(&r->jw, NULL, '{');
        for (unsigned i = 1; i <= TCPS_CLOSING; i++)
            if (i != TCPS_CLOSED)
                jw_u64(&r->jw, tcp_state_name((enum tcp_state)i), s->counts[i]);
        jw_close(&r->jw, '}');
        run_puts(r, "\n");
        return;
    }
    clear_canvas(&v);
    for (size_t i = 0; i < LINES; i++)
        draw_line(&v, &lines[i], false);
    for (size_t i = 0; i < BOXES; i++) {
        enum tcp_state state = boxes[i].state;
        const char *name = tcp_state_name(state);
        unsigned long long n = s->counts[state];
        int room = BOX - 3 - (int)strlen(name);
        if (state == TCPS_CLOSED || n == 0)
            snprintf(text, sizeof(text), "%.16s", name);
        else if (n < 1000 || (n < 10000 && room > 3))
            snprintf(text, sizeof(text), "%.12s %u", name, (unsigned)n);
        else
            snprintf(text, sizeof(text), "%.12s %uk", name, (unsigned)(n / 1000 % 1000));
        draw_box(&v, i, text, state != TCPS_CLOSED && n > 0 ? PRESENT : PLAIN);
    }
    print_canvas(r, &v);
}

static int counts_step(struct run *r, td_time now)
{
    struct states *s = r->state;
    (void)now;
    if (!tcp_count_states(r->deck->st, &s->cursor, COUNT_A_STEP, s->counts)) {
        r->ready = true;
        return RUN_MORE;
    }
    show_counts(r, s);
    return EXIT_DONE;
}

/* ---- one ---- */

static enum tcp_state present_state(const struct states *s)
{
    return s->story.c.present ? s->story.c.state
           : s->steps > 0     ? (enum tcp_state)s->path[s->steps - 1].to
                              : TCPS_CLOSED;
}

static void show_diagram(struct run *r, const struct states *s)
{
    struct canvas v;
    bool visited[TCPS_CLOSING + 1] = {false};
    enum tcp_state present = present_state(s);
    clear_canvas(&v);
    for (unsigned i = 0; i < s->steps; i++)
        visited[s->path[i].from] = visited[s->path[i].to] = true;
    for (int pass = 0; pass < 2; pass++) { /* those taken lie above */
        for (size_t k = 0; k < LINES; k++) {
            bool taken = false;
            for (unsigned i = 0; i < s->steps; i++)
                taken = taken || (s->path[i].from == lines[k].from && s->path[i].to == lines[k].to);
            if (taken == (pass == 1))
                draw_line(&v, &lines[k], taken);
        }
    }
    for (size_t i = 0; i < BOXES; i++) {
        enum tcp_state state = boxes[i].state;
        bool first = i == 0, last = i + 1 == BOXES;
        bool here = state == present && !(first && s->steps > 0) && !(last && s->steps == 0);
        bool been = first  ? s->steps > 0 && s->path[0].from == TCPS_CLOSED
                    : last ? false
                           : visited[state];
        draw_box(&v, i, tcp_state_name(state), here ? PRESENT : been ? VISITED : PLAIN);
    }
    print_canvas(r, &v);
}

static void show_path(struct run *r, const struct states *s)
{
    char when[32];
    if (s->steps == 0)
        run_puts(r,
                 knob(r->deck->st, SEGMENTS) == 0 || knob(r->deck->st, JOURNAL_LEVEL) == 0
                     ? "its path isn't known: `sysctl -w tapdeck.segments=4096 "
                       "tapdeck.journal.level=1` keeps it\n"
                     : "its path is no longer kept (`sysctl tapdeck.segments` says how much is)\n");
    for (unsigned i = 0; i < s->steps; i++) {
        const struct step *p = &s->path[i];
        story_clock(r->deck, p->at, when);
        run_printf(r, "%2u %s %s -> %s: %s #%llu\n", i + 1, when,
                   tcp_state_name((enum tcp_state)p->from), tcp_state_name((enum tcp_state)p->to),
                   journal_words[p->why], (unsigned long long)p->event);
    }
    if (s->more > 0)
        run_printf(r, "and %u more\n", s->more);
}

static void show_json(struct run *r, const struct states *s)
{
    jw_open(&r->jw, NULL, '{');
    conn_json(&r->jw, &s->story.c);
    jw_str(&r->jw, "now", tcp_state_name(present_state(s)));
    jw_bool(&r->jw, "from-the-beginning", s->story.beginning);
    jw_open(&r->jw, "path", '[');
    for (unsigned i = 0; i < s->steps; i++) {
        const struct step *p = &s->path[i];
        const struct journal_record *j = journal_find(r->deck->st, p->event);
        jw_open(&r->jw, NULL, '{');
        jw_u64(&r->jw, "time_ns", p->at);
        jw_i64(&r->jw, "wall_ns", deck_wall(r->deck, p->at));
        jw_str(&r->jw, "from", tcp_state_name((enum tcp_state)p->from));
        jw_str(&r->jw, "to", tcp_state_name((enum tcp_state)p->to));
        jw_str(&r->jw, "why", journal_words[p->why]);
        jw_u64(&r->jw, "event", p->event);
        if (j != NULL && j->origin == ORIGIN_FRAME)
            jw_u64(&r->jw, "pkt", j->origin_id);
        jw_close(&r->jw, '}');
    }
    jw_close(&r->jw, ']');
    jw_close(&r->jw, '}');
    run_puts(r, "\n");
}

static bool collect(struct td_stack *st, struct states *s)
{
    unsigned budget = LOOK;
    const struct tcp_seglog_rec *x;
    while ((x = story_next(st, &s->story, &s->cursor, &budget)) != NULL) {
        if (x->what != TSL_STATE)
            continue;
        if (s->steps < PATH_MAX_)
            s->path[s->steps++] = (struct step){x->n, x->event, x->at, x->state, x->to, x->why};
        else
            s->more++;
    }
    return budget > 0;
}

static int one_step(struct run *r, td_time now)
{
    struct states *s = r->state;
    static const char legend[] = ">here< (been here) =# way";
    char ends[CONN_TEXT], title[CONN_TEXT + 64];
    (void)now;
    r->ready = true;
    if (!s->found) {
        s->found = story_find(r->deck->st, &s->story, LOOK);
        return RUN_MORE;
    }
    if (!collect(r->deck->st, s))
        return RUN_MORE;
    r->ready = false;
    if (r->json) {
        show_json(r, s);
        return EXIT_DONE;
    }
    conn_text(&s->story.c, ends);
    int n = snprintf(title, sizeof(title), "%s  %s", ends, tcp_state_name(present_state(s)));
    if (s->story.c.id != 0)
        n = snprintf(title, sizeof(title), "connection %u  %s  %s", s->story.c.id, ends,
                     tcp_state_name(present_state(s)));
    int room = COLUMNS - n - (int)strlen(legend);
    run_printf(r, "%s%*s%s\n", title, room > 1 && !r->tty ? room : 0, "",
               room > 1 && !r->tty ? legend : "");
    show_diagram(r, s);
    show_path(r, s);
    return EXIT_DONE;
}

static int states_main(struct run *r)
{
    const char *word = NULL;
    for (int i = 1; i < r->argc; i++) {
        if (strcmp(r->argv[i], "-j") == 0)
            r->json = true;
        else if (word == NULL)
            word = r->argv[i];
        else
            return run_bad_word(r, i, "write `states [CONN] [-j]`");
    }
    struct conn c = {0};
    int status = word != NULL ? conn_word(r, word, CONN_GONE, &c) : EXIT_DONE;
    if (status != EXIT_DONE)
        return status;
    struct states *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return run_fail(r, EXIT_FAILED, "out of memory");
    story_begin(&s->story, &c);
    r->state = s;
    r->step = word != NULL ? one_step : counts_step;
    r->ready = true;
    return RUN_MORE;
}

const struct command command_states = {
    .name = "states",
    .usage = "states [CONN] [-j]",
    .doc = "the TCP state diagram (RFC 9293 figure 5): where a connection is and which way it took",
    .more = "Without CONN: how many connections are in each state. The path is known after the "
            "connection's end too,\nas long as the record of segments reaches back "
            "(tapdeck.segments). #N is the number of an event: `why event tcp-state`.\n"
            "A reset leads from any state to CLOSED; it has no line in the diagram.\n"
            "Examples:\n  states\n  states :80\n  states 7",
    .fn = states_main,
};
