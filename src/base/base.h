/* base: what every room stands on. Includes the parts; read them one by one. */
#ifndef FLORIN_BASE_H
#define FLORIN_BASE_H

#include "base/check.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/num.h"
#include "base/det.h"
#include "base/id.h"

#endif
