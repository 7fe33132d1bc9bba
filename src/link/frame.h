/* Frames: what goes over a link; for the room, its tests, and whoever stands in for link.c. Pure.
 */
#ifndef FLORIN_LINK_FRAME_H
#define FLORIN_LINK_FRAME_H

#include "link/link.h"

#define FRAME_HEAD 16
#define FRAME_MAGIC 0xF10A
#define FRAME_MAX (FRAME_HEAD + LINK_PAYLOAD_MAX)

/* Writes the head of a frame. */
void frame_head(uint8_t head[FRAME_HEAD], int message, size_t payload, uint64_t call);
/* Reads a whole frame that `from` sent to `to`; *ret views into it. false: it is none, or not
 * allowed. */
MUST_CHECK bool frame_read(struct str bytes, enum link_role from, enum link_role to,
                           struct link_frame *ret);
/* The answer of a request; LINK_NONE when there is none to come. */
enum link_message frame_answer(enum link_message request);
/* How long its answer may take. */
int64_t frame_patience_us(enum link_message request);
/* May a descriptor come with it? */
bool frame_carries(enum link_message message);

#endif
