/* door/door.h: between the door's own files. */
#ifndef DOOR_DOOR_H
#define DOOR_DOOR_H

#include "core/stack.h"
#include "core/table.h"
#include "tapdeck/call.h"

#define DOOR_TABLES 5

/* Where the last reader of the timers table was. */
struct timer_reader {
    const struct timer *last;
    uint64_t cursor, changes;
};

struct door {
    td_recorder *record;
    void *record_ctx;
    struct td_ear *ears; /* the recorder's like */
    td_announcer *before;
    void *before_ctx;
    uint64_t calls;      /* dispatched since the start: the number a journal origin shows */
    td_watcher *after;
    void *after_ctx;
    bool notifying;      /* applications' notifications are running */
    bool again;          /* a flush was cut short: another is due at once */
    struct timer_reader timers;
    struct table tables[DOOR_TABLES];
};

int64_t door_dispatch(struct td_stack *st, struct td_call *c);

/* door/knobs.c */
#define KNOB_NAME_LEN 96
/* The name and sentence of the n-th knob; "" = no knob has this number, NULL = past the last. */
const char *knob_nth(const struct td_stack *st, uint64_t n, char name[KNOB_NAME_LEN]);
int fault_secret_set(struct td_stack *st, int fault); /* td_fault_secret */
int knob_set_text(struct td_stack *st, const char *name, const char *value);

/* door/probe.c: td_send_frame, td_send_datagram */
int probe_frame(struct td_stack *st, const struct td_call *c);
int probe_datagram(struct td_stack *st, const struct td_call *c);

/* door/tables.c: counters, events, knobs, timers, memory */
void door_tables_init(struct td_stack *st);

#endif
