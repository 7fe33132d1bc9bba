/* Helpers between the files of wire. */
#ifndef FLORIN_WIRE_INTERNAL_H
#define FLORIN_WIRE_INTERNAL_H

#include "wire/wire.h"

/* Length of the well-formed UTF-8 sequence at s (n > 0 bytes left), 0 when there is none; NUL is
 * one byte here. Source: RFC 3629 section 4. */
size_t utf8_length(const unsigned char *s, size_t n);

/* "YYYY-MM-DDThh:mm:ss.mmmZ" without NUL; out-of-range times become the nearest that can be shown.
 */
#define TIME_CHARS 24
void time_write(char out[TIME_CHARS], int64_t us);

#endif
