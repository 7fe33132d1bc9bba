/* Answers: built in the thread of whoever answers, queued by the library's thread. */
#include "http/http_internal.h"

#include <stdio.h>
#include "observe/observe.h"
#include "sys/sys.h"

/* Takes the body over. Errors: NULL out of memory. */
static struct MHD_Response *response_new(struct buf *body)
{
    static char nothing[1] = "";
    struct MHD_Response *response;
    if (body && body->n > 0 && !body->failed) {
        response = MHD_create_response_from_buffer_with_free_callback(body->n, body->p, mem_free);
        if (response)
            *body = (struct buf){.max = body->max};
    } else {
        response = MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    }
    if (body)
        buf_free(body);
    return response;
}

static void header_add(struct MHD_Response *response, const char *name, const char *value)
{
    /* Fails for values with CR, LF or tab and out of memory: the answer goes out without that
     * header. */
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        LOG(LOG_ERROR, "http.header_dropped", LOG_STR("header", name));
}

static void headers_common(struct MHD_Response *response, struct id request_id)
{
    char text[ID_TEXT_MAX];
    header_add(response, "Request-Id", id_text(ID_REQUEST, request_id, text));
    header_add(response, "X-Content-Type-Options", "nosniff");
}

static bool has_header(const struct http_answer *answer, struct str name)
{
    for (size_t i = 0; i < answer->headers_n; i++)
        if (str_eq_nocase(str_from(answer->headers[i].name), name))
            return true;
    return false;
}

static struct MHD_Response *response_of(struct request *r, struct http_answer *answer)
{
    bool empty = !answer->body || answer->body->n == 0;
    struct MHD_Response *response = response_new(answer->body);
    if (!response)
        return NULL;
    if (!empty)
        header_add(response, "Content-Type",
                   answer->content_type ? answer->content_type : "application/json");
    headers_common(response, r->pub.request_id);
    if (!has_header(answer, STR("cache-control")))
        header_add(response, "Cache-Control", "no-store");
    if (r->route && r->route->flags & HTTP_CORS) {
        header_add(response, "Access-Control-Allow-Origin", "*");
        header_add(response, "Access-Control-Expose-Headers", "Request-Id, Retry-After");
    }
    for (size_t i = 0; i < answer->headers_n; i++)
        header_add(response, answer->headers[i].name, answer->headers[i].value);
    if (atomic_load(&r->server->quiescing))
        header_add(response, "Connection", "close");
    return response;
}

void http_reply(struct http_request *req, struct http_answer *answer)
{
    struct request *r = (struct request *)(void *)req;
    struct http_server *s = r->server;
    ASSERT(answer->status >= 200 && answer->status <= 599);
    atomic_fetch_add(&s->repliers, 1); /* http_server_stop waits for those who are in here */
    if (atomic_flag_test_and_set(&r->claimed)) {
        if (answer->body)
            buf_free(answer->body); /* http_server_stop answered first */
    } else {
        bool failed = answer->body && answer->body->failed;
        if (failed)
            buf_free(answer->body); /* half a body is no answer */
        r->status = failed ? 500 : answer->status;
        r->response = response_of(r, answer);
        if (atomic_exchange(&r->state, REQUEST_ANSWERED) == REQUEST_SUSPENDED)
            MHD_resume_connection(r->mhd);
    }
    atomic_fetch_sub(&s->repliers, 1);
    request_unref(r); /* the server lives at least as long as its requests */
}

/* The registry knows no code for some statuses of the library (505): the document says the real
 * one. */
static void problem_with_status(struct buf *out, const struct err_info *info, int status,
                                struct id id)
{
    const struct error_def *def = error_def(info->err);
    if (def->status == status) {
        problem_write(out, info, id, NULL, NULL);
        return;
    }
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "type", STR("about:blank"));
    jw_str(&w, "title", str_from(def->title));
    jw_int(&w, "status", status);
    jw_str(&w, "code", str_from(def->code));
    jw_id(&w, "request_id", ID_REQUEST, id);
    jw_object_end(&w);
}

struct MHD_Response *reply_problem_response(const struct err_info *info, int status,
                                            struct id request_id)
{
    struct buf body = BUF(16384);
    problem_with_status(&body, info, status, request_id);
    struct MHD_Response *response = response_new(&body);
    if (!response)
        return NULL;
    header_add(response, "Content-Type", "application/problem+json");
    headers_common(response, request_id);
    header_add(response, "Cache-Control", "no-store");
    return response;
}

void reply_problem(struct request *r, const struct err_info *info, const char *name,
                   const char *value)
{
    struct http_answer_header headers[2];
    size_t n = 0;
    char retry[16];
    if (info->retry_after_s > 0) {
        (void)snprintf(retry, sizeof retry, "%d", info->retry_after_s);
        headers[n++] = (struct http_answer_header){"Retry-After", retry};
    }
    if (name)
        headers[n++] = (struct http_answer_header){name, value};
    struct buf body = BUF(16384);
    problem_write(&body, info, r->pub.request_id, NULL, NULL);
    struct http_answer answer = {
        .status = error_def(info->err)->status,
        .content_type = "application/problem+json",
        .body = &body,
        .headers = headers,
        .headers_n = n,
    };
    http_reply(&r->pub, &answer);
}

void http_reply_problem(struct http_request *req, const struct err_info *info)
{
    ASSERT(info->err != OK);
    reply_problem((struct request *)(void *)req, info, NULL, NULL);
}

void reply_account(struct http_server *s, int status, const char *method, struct str path,
                   struct id request_id, int64_t began_mono_us)
{
    ASSERT(status >= 100 && status <= 599);
    const char *labels = s->labels[status / 100 - 1];
    int64_t took_us = sys_mono_us() - began_mono_us;
    metric_add(METRIC_HTTP_REQUESTS, labels, 1);
    metric_time(METRIC_HTTP_SECONDS, labels, took_us);
    LOG(status >= 500 && !s->config.failures_expected ? LOG_ERROR : LOG_DEBUG, "http.request",
        LOG_STR("zone", s->config.name), LOG_ID("request", ID_REQUEST, request_id),
        LOG_STR("method", method), LOG_VIEW("path", path), LOG_INT("status", status),
        LOG_INT("us", took_us));
}
