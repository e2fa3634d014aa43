/* httpd/chunked.c: the chunked transfer coding (RFC 9112 7.1), decoding only.
 *
 *     chunk       = size-in-hex [ chunk-ext ] CRLF  data CRLF
 *     body        = *chunk  1*"0" [ chunk-ext ] CRLF  *( trailer field CRLF )  CRLF
 *
 * A machine of one state a byte of framing, so input may be cut anywhere; content is handed on in
 * place. It is stricter than the RFC asks of a recipient, because leniency here is what lets two
 * programs see different requests in the same bytes: CRLF and nothing else ends a line, the size is
 * bare hex digits, no blanks. Extensions and trailers are skipped (7.1.1 and 7.1.2 allow that) and
 * bounded, for an endless one would be an endless header.
 */
#include "httpd/chunked.h"

enum state { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF, END_LF, DONE };

#define LINE_MAX_BYTES    256
#define TRAILER_MAX_BYTES 4096

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool plain(uint8_t c)
{
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

/* One byte of framing. False: it may not stand there. */
static bool step(struct chunked *c, uint8_t byte)
{
    int digit;
    switch ((enum state)c->state) {
    case SIZE:
        digit = hex_digit(byte);
        if (digit >= 0) {
            if (c->left >> 56 != 0) /* 2^60 is beyond every limit, and the shift must not wrap */
                return false;
            c->left = c->left << 4 | (uint64_t)digit;
            c->digits = true;
            return ++c->line <= LINE_MAX_BYTES;
        }
        c->state = byte == ';' ? EXTENSION : SIZE_LF;
        return c->digits && (byte == ';' || byte == '\r');
    case EXTENSION:
        if (byte == '\r')
            c->state = SIZE_LF;
        return ++c->line <= LINE_MAX_BYTES && (byte == '\r' || plain(byte));
    case SIZE_LF:
        c->line = 0;
        c->digits = false;
        c->state = c->left > 0 ? DATA : TRAILER;
        return byte == '\n';
    case DATA_CR:
        c->state = DATA_LF;
        return byte == '\r';
    case DATA_LF:
        c->state = SIZE;
        return byte == '\n';
    case TRAILER:
        if (byte == '\r') {
            c->state = c->line == 0 ? END_LF : TRAILER_LF;
            return true;
        }
        c->line++;
        return ++c->trailer <= TRAILER_MAX_BYTES && plain(byte);
    case TRAILER_LF:
        c->line = 0;
        c->state = TRAILER;
        return byte == '\n';
    case END_LF:
        c->state = DONE;
        return byte == '\n';
    case DATA:
    case DONE:
        break;
    }
    return false;
}

enum chunked_result chunked_decode(struct chunked *c, const uint8_t *in, size_t n, size_t *used,
                                   const uint8_t **data, size_t *len)
{
    size_t i = 0;
    while (i < n) {
        if (c->state == DATA) {
            size_t take = n - i < c->left ? n - i : (size_t)c->left;
            *data = in + i;
            *len = take;
            c->left -= take;
            if (c->left == 0)
                c->state = DATA_CR;
            *used = i + take;
            return CHUNKED_DATA;
        }
        if (!step(c, in[i++])) {
            *used = i;
            return CHUNKED_BAD;
        }
        if (c->state == DONE) {
            *used = i;
            return CHUNKED_DONE;
        }
    }
    *used = i;
    return CHUNKED_MORE;
}

uint64_t chunked_least(const struct chunked *c)
{
    enum { LAST = 5 }; /* "0", CRLF, CRLF */
    switch ((enum state)c->state) {
    case SIZE:
        /* A size of which nothing is known but its digits so far: at least CRLF and, unless it is
         * the last chunk, that much content. */
        return c->left > 0 ? 2 + c->left + 2 + LAST : c->digits ? 4 : LAST;
    case EXTENSION:
        return c->left > 0 ? 2 + c->left + 2 + LAST : 4;
    case SIZE_LF:
        return c->left > 0 ? 1 + c->left + 2 + LAST : 3;
    case DATA:
        return c->left + 2 + LAST;
    case DATA_CR:
        return 2 + LAST;
    case DATA_LF:
        return 1 + LAST;
    case TRAILER:
        return c->line == 0 ? 2 : 4;
    case TRAILER_LF:
        return 3;
    case END_LF:
        return 1;
    case DONE:
        break;
    }
    return 0;
}
