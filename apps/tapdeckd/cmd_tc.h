/* tapdeckd/cmd_tc.h: what the files of `tc` share. */
#ifndef TAPDECKD_CMD_TC_H
#define TAPDECKD_CMD_TC_H

#include "common/jsonw.h"
#include "link/qdisc.h"

/* Into an open object, with the keys of `tc -j qdisc`: what a discipline was told; what it counted.
 */
void tc_json_options(struct jsonw *w, const struct td_qdisc *d);
void tc_json_stats(struct jsonw *w, const struct qdisc *q);

#endif
