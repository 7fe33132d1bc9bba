/* The queue of operations between submitters and the store's threads. */
#include "store/store_internal.h"

void op_queue_init(struct op_queue *q, int64_t max)
{
    ASSERT(max > 0);
    *q = (struct op_queue){.max = max};
    q->tail = &q->head;
    int failed = pthread_mutex_init(&q->lock, NULL) | pthread_cond_init(&q->nonempty, NULL);
    ASSERT(failed == 0);
}

bool op_queue_put(struct op_queue *q, struct store_op *op)
{
    op->next = NULL;
    pthread_mutex_lock(&q->lock);
    bool taken = !q->closed && q->count < q->max;
    if (taken) {
        *q->tail = op;
        q->tail = &op->next;
        q->count++;
        if (q->waiting > 0) /* under the lock: once it is open the store may close and be gone */
            pthread_cond_signal(&q->nonempty);
    }
    pthread_mutex_unlock(&q->lock);
    return taken;
}

struct store_op *op_queue_take(struct op_queue *q, int64_t max, bool wait, int64_t *ret_left)
{
    ASSERT(max > 0);
    pthread_mutex_lock(&q->lock);
    q->waiting++;
    while (wait && !q->head && !q->closed)
        pthread_cond_wait(&q->nonempty, &q->lock);
    q->waiting--;
    struct store_op *first = q->head, **end = &q->head;
    int64_t n = 0;
    for (; *end && n < max; n++)
        end = &(*end)->next;
    q->head = *end;
    *end = NULL;
    if (!q->head)
        q->tail = &q->head;
    q->count -= n;
    ASSERT(q->count >= 0);
    *ret_left = q->count;
    pthread_mutex_unlock(&q->lock);
    return n > 0 ? first : NULL;
}

void op_queue_close(struct op_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closed = true;
    pthread_cond_broadcast(&q->nonempty);
    pthread_mutex_unlock(&q->lock);
}

void op_queue_release(struct op_queue *q)
{
    ASSERT(q->head == NULL && q->waiting == 0);
    pthread_cond_destroy(&q->nonempty);
    pthread_mutex_destroy(&q->lock);
}
