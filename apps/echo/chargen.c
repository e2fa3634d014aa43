/* echo/chargen.c: the character generator, RFC 864.
 *
 * The customary pattern: lines of 72 printable characters, each line beginning one character
 * further in the ring of 95, ended by CRLF. Over TCP it flows for as long as the client takes it,
 * what the client sends is thrown away, and its FIN is the end. Over UDP each datagram is answered
 * with one of between 0 and 512 characters; the lengths are drawn by a small generator with a fixed
 * seed, so that a run in virtual time can be repeated.
 */
#include "echo/service.h"

#include <errno.h>
#include <string.h>

#define LINE 74U /* 72 characters, CR, LF */
#define RING 95U /* ' ' to '~' */
#define PERIOD ((size_t)LINE * RING)

/* The stream from `at` on. It repeats itself after RING lines: what lies further in the buffer is
 * copied from before. */
static void chargen_fill(uint8_t *p, size_t n, uint64_t at)
{
    size_t first = n < PERIOD ? n : PERIOD;
    unsigned column = (unsigned)(at % LINE), from = (unsigned)(at / LINE % RING);
    for (size_t i = 0; i < first; i++) {
        unsigned c = from + column < RING ? from + column : from + column - RING;
        p[i] = column == LINE - 2 ? '\r' : column == LINE - 1 ? '\n' : (uint8_t)(' ' + c);
        if (++column == LINE) {
            column = 0;
            from = from + 1 == RING ? 0 : from + 1;
        }
    }
    for (size_t i = first; i < n; i += PERIOD)
        memcpy(p + i, p + i - PERIOD, n - i < PERIOD ? n - i : PERIOD);
}

static enum service_step chargen_step(struct service_conn *c)
{
    uint8_t *buffer = c->v->buffer;
    enum service_step input;
    while ((input = service_drain(c)) == SERVICE_AGAIN)
        ;
    if (input == SERVICE_END)
        return SERVICE_END;
    enum service_step held = service_send_held(c);
    if (held != SERVICE_AGAIN)
        return held;
    chargen_fill(buffer, SERVICE_BUFFER, c->count);
    return service_send(c, buffer, SERVICE_BUFFER);
}

static int64_t chargen_answer(struct service *v, uint8_t *buf, size_t len)
{
    (void)len;
    v->pattern = v->pattern * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    size_t n = (size_t)((v->pattern >> 33) % 513);
    chargen_fill(buf, n, 0);
    return (int64_t)n;
}

static const struct service_class chargen_class = {
    .app = &app_chargen, .port = 19, .step = chargen_step, .answer = chargen_answer};

static int chargen_start(const struct app_host *host, int argc, char **argv, void **instance,
                         char *msg, size_t msg_size)
{
    return service_start(&chargen_class, host, argc, argv, instance, msg, msg_size);
}

const struct app_class app_chargen = {
    .name = "chargen",
    .usage = "chargen [-a ADDR] [-p PORT] [-t] [-u]",
    .doc = "Sends characters without end over TCP, a few to each datagram over UDP (RFC 864).",
    .start = chargen_start,
    .stop = service_stop,
    .tick = service_tick,
    .status = service_status,
};
