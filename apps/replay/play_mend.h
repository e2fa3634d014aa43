/* replay/play_mend.h: what is done about the flaws of a capture before its flow is played.
 *
 * Wrong checksums. A sender's card may have been about to complete them: such a one counts as right
 * (track.h). The others are taken for right (repair), handed to the stack as wrong as they are
 * (honour), or left out (drop).
 *
 * Super-segments. A capture taken above a card that cuts and joins segments holds some that no wire
 * ever carried. They are cut to what the receiver's MSS allows, on both sides: the played side's so
 * that they can be compared, the other's so that they can be handed in. Those of one captured frame
 * arrive in one batch where the capture was made by the played side, for that is how it heard them.
 *
 * A beginning that wasn't captured. If it is to be assumed, the handshake is put in front,
 * ASSUMED_BEFORE the first frame, with the numbers that follow from it; its options are guesses from what is seen behind it (play_middle.c).
 */
#ifndef REPLAY_PLAY_MEND_H
#define REPLAY_PLAY_MEND_H

#include "replay/play.h"

#define ASSUMED_BEFORE TD_SEC
#define ASSUMED_MSS    1460
#define ASSUMED_SCALE  7

/* Is this segment to be left out? f: how it is to be treated is noted in it, and counted in p. */
bool mend_sum(struct play *p, const struct view *v, struct play_frame *f);
/* Puts the frame, whose datagram stands at `eth` in the view's, into p's spools; in pieces, if it
 * is a super-segment. False: there is no room. */
bool mend_put(struct play *p, struct play_frame *f, const struct view *v, uint32_t eth);
/* The first frame of the flow is `v`, which the client sent, or the server: puts in front of it
 * what must have come before, if anything. p->assumed tells. False: there is no room. */
bool mend_begin(struct play *p, const struct view *v, bool client);

/* Of a flow with an assumed beginning (play_middle.c): each frame is seen as it comes; then the assumed ones, whose side is known by now,
 * are mended in place. */
void middle_see(struct play *p, const struct play_frame *f);
void middle_mend(struct play *p, struct play_frame *f);
bool middle_sack(const struct play *p); /* does it use SACK, as far as can be told? */

#endif
