/* tapdeckd/ss_print.h: how ss shows a socket: the columns, and what stands behind them. */
#ifndef TAPDECKD_SS_PRINT_H
#define TAPDECKD_SS_PRINT_H

#include "tapdeckd/deck.h"

enum ss_column {
    SS_NETID,
    SS_STATE,
    SS_RECVQ,
    SS_SENDQ,
    SS_LOCAL,
    SS_LPORT,
    SS_PEER,
    SS_PPORT,
    SS_PROCESS,
    SS_COLUMNS
};

/* Rows that are kept until the widths of their columns are known. Widths only grow. */
struct ss_sheet {
    struct text cells; /* SS_COLUMNS strings a row, each with its NUL */
    size_t rows, at;   /* kept; printed up to here, bytes */
    size_t width[SS_COLUMNS];
    bool hidden[SS_COLUMNS]; /* Netid when there is one, State when one was asked for */
    bool header;
};

struct ss_show { /* what was asked for */
    bool timers, extended, memory, info, users, one_line, numeric;
};

void sheet_init(struct ss_sheet *s, bool header);
void sheet_row(struct ss_sheet *s, struct run *r, const struct ss_show *show, const struct table *t,
               const struct row *row);
/* Prints up to `most` rows; true: there are more. */
bool sheet_print(struct ss_sheet *s, struct run *r, size_t most);
void sheet_free(struct ss_sheet *s);
/* The row as an object, all columns of its table. */
void ss_json(struct run *r, const struct table *t, const struct row *row);

#endif
