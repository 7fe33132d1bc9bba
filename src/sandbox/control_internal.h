/* Between the files of the control page. */
#ifndef FLORIN_SANDBOX_CONTROL_INTERNAL_H
#define FLORIN_SANDBOX_CONTROL_INTERNAL_H

#include <stdio.h>
#include "sandbox/pages_internal.h"

#define PART_BYTES_MAX 16384

const char *charge_state_text(enum charge_state state);
/* A form of one button that posts its fields as JSON. */
void control_button(struct buf *out, const char *path, const char *label,
                    const struct page_value *fields, size_t n);
#define CONTROL_BUTTON(out, path, label, ...)                                                      \
    control_button(out, path, label, (const struct page_value[]){__VA_ARGS__},                     \
                   sizeof((const struct page_value[]){__VA_ARGS__}) / sizeof(struct page_value))
/* The tables of a charge's page. */
err_t control_webhooks_part(struct store_tx *tx, const struct charge *x, struct buf *out);
err_t control_operations_part(struct store_tx *tx, const struct charge *x, struct buf *out);
err_t control_disputes_part(struct store_tx *tx, const struct charge *x, struct buf *out);

#endif
