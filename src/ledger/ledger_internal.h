/* Shared by the writing side of the ledger; the verifier (verify*.c) must not include it. */
#ifndef FLORIN_LEDGER_INTERNAL_H
#define FLORIN_LEDGER_INTERNAL_H

#include "ledger/ledger.h"

/* Two or more legs, none zero, and each layer sums to zero without overflow. */
bool postings_balanced(const struct posting *p, size_t n);

#endif
