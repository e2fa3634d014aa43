/* replay/play_tape.c: a played capture as a tape (tape.h, play.h).
 *
 * Its frames are those of the flow, both sides', in the order in which they were captured. The
 * player goes by the played side's time; where the two differ, for the capture was made at a
 * distance, a step goes on until its frame has been dealt with, and the next may find its own dealt
 * with already.
 */
#include "replay/tape.h"

#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "replay/player.h"
#include "tapdeckd/deck.h"

struct play_tape {
    struct tape tape; /* the first member: what others know of it */
    struct deck deck;
    struct play play;
    struct player *player;
    size_t assumed; /* frames of a handshake that wasn't captured: gone over with the first step */
    bool finished;
    uint8_t bytes[ETH_HLEN + 65536];
};

static void show(struct play_tape *t, const struct play_frame *f)
{
    static const struct td_mac us = {{2, 0, 0, 0, 0, 1}}, peer = {{2, 0, 0, 0, 0, 2}};
    const struct eth_hdr h = {.dst = f->ours ? peer : us,
                              .src = f->ours ? us : peer,
                              .type = ETHERTYPE_IPV4,
                              .hlen = ETH_HLEN};
    (void)eth_emit(&h, t->bytes);
    play_copy(&t->play, f, 0, f->len, t->bytes + ETH_HLEN);
    t->tape.frame = (struct tape_frame){.number = f->number,
                                        .at = f->at,
                                        .wall = t->deck.wall_offset + (int64_t)(PLAY_START + f->at),
                                        .dir = f->ours ? TAPE_OUT : TAPE_IN,
                                        .ifindex = player_interface(t->player),
                                        .bytes = t->bytes,
                                        .len = ETH_HLEN + f->len};
}

static enum tape_step step(struct tape *tape, char *msg, size_t msg_size)
{
    struct play_tape *t = (struct play_tape *)tape;
    const struct play *p = &t->play;
    size_t i = tape->steps + t->assumed;
    const struct play_frame *f = i < p->ncap ? &p->cap[i] : NULL, *any;
    if (f == NULL && !t->finished) {
        t->finished = true;
        player_finish(t->player);
    }
    while (f != NULL && t->player->next[f->ours] <= i && player_step(t->player, &any))
        ;
    if (p->no_memory) {
        (void)snprintf(msg, msg_size, "out of memory");
        return TAPE_FAILED;
    }
    if (f == NULL)
        return TAPE_END;
    tape->steps++;
    show(t, f);
    return TAPE_FRAME;
}

static void line(const struct tape *tape, struct text *out)
{
    const struct play_tape *t = (const struct play_tape *)tape;
    const struct play_frame *f =
        tape->steps > 0 ? &t->play.cap[t->assumed + tape->steps - 1] : NULL;
    const struct play_row *row =
        f != NULL && f->ours ? judge_look(player_judge(t->player), f->number) : NULL;
    if (row != NULL)
        play_row_text(&t->play, row, out);
    else if (f != NULL)
        play_heard_text(&t->play, f, t->player->lost_frame == f->number, out);
    if (out->len > 0 && out->s[out->len - 1] == '\n')
        out->s[--out->len] = '\0';
}

static void close_tape(struct tape *tape)
{
    struct play_tape *t = (struct play_tape *)tape;
    if (t->player != NULL)
        deck_done(&t->deck);
    player_close(t->player);
    play_done(&t->play);
    free(t);
}

static const struct tape_ops tape_ops = {
    .kind = "capture", .step = step, .line = line, .close = close_tape};

struct tape *play_tape_open(struct play *p, int *status, char *msg, size_t msg_size)
{
    struct play_tape *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        play_done(p);
        *status = EXIT_FAILED;
        (void)snprintf(msg, msg_size, "out of memory");
        return NULL;
    }
    t->tape.ops = &tape_ops;
    t->play = *p;
    memset(p, 0, sizeof(*p));
    p = &t->play;
    t->player = player_open(p, status, msg, msg_size);
    if (t->player == NULL) {
        close_tape(&t->tape);
        return NULL;
    }
    deck_init(&t->deck, player_stack(t->player), p->side == 0 ? "client" : "server");
    t->deck.wall_offset =
        (p->wall > 0 && p->wall < INT64_MAX / 2 ? p->wall : 0) - (int64_t)PLAY_START;
    t->tape.deck = &t->deck;
    while (t->assumed < p->ncap && p->cap[t->assumed].assumed)
        t->assumed++;
    t->tape.total = p->ncap - t->assumed;
    t->tape.first = t->tape.total > 0 ? p->cap[t->assumed].number : 0;
    t->tape.last = p->ncap > 0 ? p->cap[p->ncap - 1].number : 0;
    t->tape.length = p->end;
    return &t->tape;
}
