/* The library answers a head that it cannot parse by itself (a line without a colon, a bad chunk
 * size, a head larger than its memory) with a page of HTML. It queues that page by its exported
 * MHD_queue_response, so this program's definition of the same symbol comes first at link time and
 * sees those answers: it puts a problem document in their place. Our own code calls the library's
 * function through pages_queue. Where the library is linked so that it does not look symbols up
 * (static, -Bsymbolic), its pages go out as they are: status and framing are right, the form is
 * not. */
#include "http/http_internal.h"

#include <dlfcn.h>
#include "sys/sys.h"

typedef enum MHD_Result queue_function(struct MHD_Connection *, unsigned, struct MHD_Response *);

static queue_function *library_queue;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find(void)
{
    void *symbol = dlsym(RTLD_NEXT, "MHD_queue_response");
    if (!symbol)
        check_panic("http: the library's MHD_queue_response was not found");
    memcpy(&library_queue, &symbol, sizeof library_queue);
}

void pages_init(void)
{
    (void)pthread_once(&once, find);
}

enum MHD_Result pages_queue(struct MHD_Connection *mhd, unsigned status,
                            struct MHD_Response *response)
{
    ASSERT(library_queue != NULL);
    return library_queue(mhd, status, response);
}

static err_t page_error(unsigned status)
{
    switch (status) {
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return ERR_TOO_LARGE;
    case MHD_HTTP_URI_TOO_LONG:
        return ERR_URI_TOO_LONG;
    case MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE:
        return ERR_HEADERS_TOO_LARGE;
    default:
        return ERR_BAD_REQUEST;
    }
}

/* For a Content-Length that is not a number 0.9.75 writes its answer's head twice, so it may not
 * answer at all. */
static bool answers_twice(struct MHD_Connection *mhd)
{
    const char *value = NULL;
    size_t n = 0;
    int64_t length;
    if (MHD_lookup_connection_value_n(mhd, MHD_HEADER_KIND, "Content-Length", 14, &value, &n) !=
        MHD_YES)
        return false;
    return !str_to_i64((struct str){value, n}, &length) || length < 0;
}

/* Only the library gets here. The request was never whole: take the socket back from the watcher
 * before answering. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *mhd, unsigned int status,
                                   struct MHD_Response *page)
{
    pages_init();
    struct conn *c = conn_of(mhd);
    if (!c)
        return library_queue(mhd, status, page);
    int phase = atomic_load(&c->phase);
    while (phase == CONN_IDLE || phase == CONN_READING)
        if (atomic_compare_exchange_strong(&c->phase, &phase, CONN_BUSY))
            break;
    if (phase == CONN_EXPIRED)
        return MHD_NO;
    atomic_store(&c->linger, true);
    if (answers_twice(mhd)) {
        conn_refuse(c, page_error(status));
        return MHD_NO; /* it closes */
    }
    struct id id = id_new(&c->server->det);
    struct err_info info = {0};
    err_t err = page_error(status);
    (void)error_set(&info, err, "%s", error_def(err)->title);
    struct MHD_Response *response = reply_problem_response(&info, (int)status, id);
    if (!response)
        return library_queue(mhd, status, page);
    enum MHD_Result ret = library_queue(mhd, status, response);
    MHD_destroy_response(response);
    reply_account(c->server, (int)status, "", (struct str){0}, id, sys_mono_us());
    return ret;
}
