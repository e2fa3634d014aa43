/* httpd/content.h: media types by file name, and the page that lists a directory. */
#ifndef HTTPD_CONTENT_H
#define HTTPD_CONTENT_H

#include "common/text.h"

/* The media type for a file's name, by its extension; "application/octet-stream" when unknown. */
const char *content_type(const char *name);

#define LISTING_MAX_ENTRIES 10000

/* Appends the HTML page that lists the open directory fd; url_path is its decoded path beneath the
 * served one ("" or "a/b/"). fd stays the caller's, its position is moved. 0 or a negative errno.
 */
int content_listing(struct text *t, int fd, const char *url_path);

#endif
