/* What a role may do once it has begun: its user, its files (Landlock), its system calls (seccomp).
 * Where the kernel lacks something, or the process is not root, the report says what is missing;
 * whoever asked decides. */
#ifndef FLORIN_SYS_CONFINE_H
#define FLORIN_SYS_CONFINE_H

#include <sys/types.h>

#include "base/base.h"

/* Which system calls: none that a role does not need. */
enum confine_calls {
    CONFINE_OPEN,  /* all but those that run programs, trace, change the kernel, or reach sockets in
                      the file system, such as the vault's: api */
    CONFINE_LOCAL, /* the same, and reaches those: its database is there */
    CONFINE_NET,   /* network, threads, reading files: card */
    CONFINE_VAULT  /* files and what it was handed: no socket, no thread, no program */
};
struct confinement {
    const char *const *read;  /* files and folders, NULL-terminated; those that are not there are
                                 passed over; NULL: no limit */
    const char *const *write; /* folders to read and write in */
    const char *user;         /* name or number; "": stays who it is */
    enum confine_calls calls;
};
struct confine_report {
    char missing[512]; /* sentences; "": everything holds */
};
/* For good, and for all threads that begin later: call it before there are any. Opened files stay
 * open. With sanitizers the system calls are not limited, and that is not missing. Errors:
 * ERR_CONFIG: no such user; it could not become it. */
MUST_CHECK err_t sys_confine(const struct confinement *c, struct confine_report *ret,
                             struct err_info *reterr);
/* Who that is. Shape: a name or a number. Errors: ERR_CONFIG. */
MUST_CHECK err_t sys_user(const char *user, uid_t *ret_uid, gid_t *ret_gid,
                          struct err_info *reterr);

#endif
