/* Assertions: on in every build. A failed one is a broken invariant: the process stops and recovery
 * is from the log. */
#ifndef FLORIN_BASE_CHECK_H
#define FLORIN_BASE_CHECK_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Set when sanitizers watch the program, which then may more than otherwise. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif

/* ASSERT(condition): true or the process ends (exit by abort) after one line on standard error. */
#define ASSERT(c) ((c) ? (void)0 : check_failed(#c, __FILE__, __LINE__))

/* Shape: text of the condition, file, line. Effects: writes one line to fd 2, then abort(). Never
 * returns. */
__attribute__((noreturn)) void check_failed(const char *what, const char *file, int line);

/* Shape: a printf message without secrets. Effects: as check_failed; for states that cannot be gone
 * on from (an fsync error, a corrupt row). Never returns. */
__attribute__((noreturn)) PRINTF_LIKE(1, 2) void check_panic(const char *fmt, ...);

#endif
