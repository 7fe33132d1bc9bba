/* http, private: what the client's two files share. */
#ifndef FLORIN_HTTP_CLIENT_INTERNAL_H
#define FLORIN_HTTP_CLIENT_INTERNAL_H

#include <curl/curl.h>
#include "http/http.h"

/* One transfer; kept and used again, so the handle's buffers stay. */
struct slot {
    struct slot *prev, *next; /* running, or free (next only) */
    CURL *easy;
    struct http_client *owner;
    struct http_call *call;
    struct curl_slist *headers;
    struct buf body;
    char retry_after[64];
    char content_type[128];
    size_t head_bytes;
    int64_t began_us;
    bool head_whole; /* libcurl calls it success when the peer ends in the middle of the head */
    bool sending;    /* a byte of the request may have left */
    bool forbidden;  /* an address was refused */
    bool too_large;
};

/* libcurl's sockets, opened and closed for the client that owns the slot. */
curl_socket_t client_socket_open(struct http_client *c, const struct curl_sockaddr *addr);
int client_socket_close(void *client, curl_socket_t fd);

/* A slot with its fixed options set, from the free ones or new. Errors: NULL out of memory. */
struct slot *slot_take(struct http_client *owner, struct slot **free_list);
void slot_destroy(struct slot *s);
/* Makes the slot ready for its call. false: the call is not valid or there is no memory. */
MUST_CHECK bool slot_prepare(struct slot *s);
/* Tells the caller, who may queue a new call from there; then the slot goes to the free ones. */
void slot_done(struct slot *s, struct http_result *result, struct slot **free_list);
/* As slot_done, with what libcurl said. */
void slot_finish(struct slot *s, CURLcode code, struct slot **free_list);

#endif
