/* Requests with cards: handed to the role `card`, whose answer goes on where a provider's would. */
#include "node/card_port.h"

#include "observe/observe.h"
#include "sys/sys.h"

/* On its way from the link's thread to the client's. */
struct landing {
    struct http_call *call;
    struct http_result result;
    struct buf body;
    char content_type[208], retry_after[108], error[96];
};

static void deliver(void *arg)
{
    struct landing *l = arg;
    l->call->done(l->call, &l->result);
    buf_free(&l->body);
    mem_free(l);
}

static void fail(struct http_call *call, enum http_sent sent, const char *why)
{
    call->done(call, &(struct http_result){.sent = sent, .error = why});
}

static bool take(struct landing *l, struct str payload)
{
    struct link_reader r = {.rest = payload};
    int64_t sent = link_take_int(&r);
    l->result.status = (int)link_take_int(&r);
    link_take_text(&r, l->content_type, sizeof l->content_type);
    link_take_text(&r, l->retry_after, sizeof l->retry_after);
    link_take_text(&r, l->error, sizeof l->error);
    l->result.latency_us = link_take_int(&r);
    struct str body = link_take_str(&r, LINK_PAYLOAD_MAX);
    l->body = BUF(LINK_PAYLOAD_MAX);
    buf_add(&l->body, body.p ? body.p : "", body.n);
    l->result.sent = (enum http_sent)sent;
    l->result.body = buf_view(&l->body);
    l->result.content_type = str_from(l->content_type);
    l->result.retry_after = l->retry_after[0] ? str_from(l->retry_after) : (struct str){NULL, 0};
    l->result.error = l->error;
    return link_taken(&r) && !l->body.failed && sent >= HTTP_ANSWERED && sent <= HTTP_UNKNOWN;
}

struct sending {
    struct card_port_state *port;
    struct http_call *call;
};

/* A role that died is back before this: what has not begun waits for it. */
#define PATIENCE_US 3000000

/* Without an answer nobody knows whether the provider has the request. */
static void answered(const struct link_frame *a, void *arg)
{
    struct sending *s = arg;
    struct card_port_state *port = s->port;
    struct landing *l = mem_alloc(sizeof *l);
    struct http_call *call = s->call;
    mem_free(s);
    ASSERT(l != NULL); /* nothing may be lost of a call that was made */
    l->call = call;
    if (a == &link_never_sent)
        l->result = (struct http_result){.sent = HTTP_NOT_SENT, .error = "there is no card role"};
    else if (!a) /* or it lives, and only its link is gone: then it may go on */
        l->result = (struct http_result){.sent = HTTP_LOST, .error = "the card role is gone"};
    else if (!take(l, a->payload))
        l->result = (struct http_result){.sent = HTTP_UNKNOWN, .error = "its answer is none"};
    http_client_post(port->client, deliver, l);
}

/* On the clock that both roles share: those they make of the wall clock may differ. */
static int64_t begin_by(int64_t start_before_us)
{
    if (!start_before_us)
        return 0;
    return num_max(sys_mono_us() + start_before_us - sys_now_us(), 1);
}

static void write_request(struct buf *out, const struct card_call *c)
{
    const struct http_call *h = c->http;
    struct buf headers = BUF(LINK_PAYLOAD_MAX);
    for (const char *const *p = h->headers; p && *p; p++) {
        buf_str(&headers, *p);
        buf_byte(&headers, '\n');
    }
    link_put_int(out, c->merchant_id);
    link_put_id(out, c->card);
    link_put_str(out, str_from(c->reference));
    link_put_str(out, c->permit);
    link_put_str(out, str_from(h->method));
    link_put_str(out, str_from(h->url));
    link_put_str(out, buf_view(&headers));
    link_put_str(out, h->body);
    link_put_int(out, h->connect_timeout_ms);
    link_put_int(out, h->timeout_ms);
    link_put_int(out, begin_by(h->start_before_us));
    out->failed = out->failed || headers.failed;
    buf_free(&headers);
}

static void send_card(void *self, struct card_call *c)
{
    struct card_port_state *port = self;
    struct buf out = BUF(LINK_PAYLOAD_MAX);
    struct sending *s = mem_alloc(sizeof *s);
    write_request(&out, c);
    err_t err = !s || out.failed ? ERR_NO_MEMORY : OK;
    if (!err) {
        *s = (struct sending){port, c->http};
        err = link_slot_ask_patiently(port->slot, LINK_EGRESS, buf_view(&out),
                                      sys_mono_us() + PATIENCE_US, answered, s);
    }
    buf_free(&out);
    if (!err)
        return;
    mem_free(s);
    fail(c->http, HTTP_NOT_SENT,
         err == ERR_UNAVAILABLE ? "the card role is not there" : "no memory");
}

struct card_port card_port_of(struct card_port_state *state)
{
    return (struct card_port){.send = send_card, .self = state};
}
