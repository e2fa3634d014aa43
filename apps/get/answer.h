/* get/answer.h: an HTTP/1.1 answer as a function from bytes to what they mean (RFC 9112): no
 * socket, no clock. */
#ifndef GET_ANSWER_H
#define GET_ANSWER_H

#include <stdint.h>

#include "common/text.h"
#include "httpd/chunked.h"
#include "httpd/field.h"

#define ANSWER_LINE_MAX    8192U  /* bytes of the status line */
#define ANSWER_HEADERS_MAX 65536U /* bytes of all field lines */
#define ANSWER_FIELDS_MAX  256U
#define ANSWER_INTERIM_MAX 16U /* answers 1xx before the final one */

enum answer_state { ANSWER_HEAD, ANSWER_BODY, ANSWER_DONE, ANSWER_BAD };
enum answer_framing { FRAMED_NONE, FRAMED_LENGTH, FRAMED_CHUNKED, FRAMED_CLOSE };

struct answer {
    enum answer_state state;
    bool to_head;     /* the request was HEAD: no body whatever the fields say */
    struct text head; /* of the answer present: status line and fields, to the empty line */
    size_t line;      /* where its present line begins */
    unsigned fields, interim;
    /* once the head is there */
    int status;
    unsigned minor; /* of HTTP/1.x */
    char reason[64];
    enum answer_framing framing;
    uint64_t length; /* FRAMED_LENGTH: what was announced */
    uint64_t body;   /* bytes of content so far */
    struct chunked chunked;
    char location[2048]; /* "" when there is none */
    char why[160];       /* ANSWER_BAD: the sentence */
};

void answer_init(struct answer *a, bool to_head);
void answer_free(struct answer *a);
/* Takes bytes off the front of the n at bytes; how many. *body, *len: content among them, to be
 * used before the next call. To be called until all are taken or state is ANSWER_DONE (what follows
 * belongs to no answer) or ANSWER_BAD. */
size_t answer_feed(struct answer *a, const char *bytes, size_t n, const char **body, size_t *len);
/* The peer has sent its FIN: the answer is done, or bad. */
void answer_eof(struct answer *a);
/* The fields, one after the other: at 0 first; false after the last. name and value are slices of
 * head. */
bool answer_field(const struct answer *a, size_t *at, struct slice *name, struct slice *value);

#endif
