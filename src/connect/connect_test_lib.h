/* What the tests of cards share: a connector whose functions they give. */
#ifndef FLORIN_CONNECT_TEST_LIB_H
#define FLORIN_CONNECT_TEST_LIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "connect/connect.h"

#define HANG_S 600

#define HEAD                                                                                       \
    "local m={credentials={{name='base_url',form='url',secret=false},{name='key'}},"               \
    "hosts_from='base_url',exponents={JPY=2},operations={'authorize','capture','cancel',"          \
    "'refund','inquire','confirm','increment','cancel_refund','submit_evidence',"                  \
    "'accept_dispute','inquire_dispute'}}\n"
/* Sends what it was told, and can be made to tell too much. */
#define BUILD                                                                                      \
    "local function build(op,cred) if op.description then error(op.three_ds.external.cavv) end "   \
    "return {method='POST',url=cred.base_url,body=florin.json_encode(op)} end\n"
#define TAIL "\nreturn {manifest=m,build=build,read=read,webhook=webhook}\n"
#define SECRET "k_3141592653"
extern const struct str credentials;

#define ATT "att_01JDF3Z7M00000000000000001"
#define CAP "cap_01JDF3Z7M00000000000000002"
#define RFD "rfd_01JDF3Z7M00000000000000003"
#define EUR "amount=500,currency='EUR'"
#define DISPUTE(more)                                                                              \
    "kind='accepted',dispute={reference='dp_1',charge='" ATT "',stage='chargeback',"               \
    "status='needs_response',amount=50000,fee=150000,currency='JPY',due_at=1733600000,version=2,"  \
    "reason='fraudulent',network_reason_code='10.4'" more "}"

/* A folder of its own; for the group of tests. */
int connect_test_set_up(void **state);
int connect_test_tear_down(void **state);
/* Writes a file of connector `a`. */
void connect_test_write(const char *file, const char *text);
struct connectors *connect_test_load(void);
/* A set with one connector `a`: the bodies of its read(op, a) and its webhook(q, cred). */
struct connectors *connect_test_with(const char *read, const char *webhook);

#endif
