/* httpd/escape.h: text from elsewhere (names of files, parts of requests) in pages and URLs. */
#ifndef HTTPD_ESCAPE_H
#define HTTPD_ESCAPE_H

#include "common/text.h"

/* As HTML text or attribute value: & < > " ' escaped. */
void escape_html(struct text *t, const char *s);
/* As a URL path: everything but RFC 3986's unreserved characters and '/' percent-encoded. */
void escape_url(struct text *t, const char *s);

#endif
