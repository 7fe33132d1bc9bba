/* What a loss of power may do to the simulator's disk, and that copies share no writes. */
#include "sim/disk_test.h"

static void event(struct disk *d, enum disk_call call, size_t at, size_t n, uint8_t value)
{
    uint8_t bytes[20000];
    assert_true(n <= sizeof bytes);
    memset(bytes, value, n);
    disk_apply(d, &(struct disk_event){call, "/f", (int64_t)at, (int64_t)n, bytes});
}

static size_t contents(const struct disk *d, uint8_t *to, size_t n)
{
    const struct file *f = disk_find(d, "/f");
    return f ? bytes_read(&f->live, 0, to, n) : SIZE_MAX;
}

/* Sectors are new or old, each for itself, and what was not written is left alone. */
static void test_tears(void **state)
{
    struct det rng = {.s = {1}};
    uint8_t bytes[6000];
    unsigned fates = 0, old = 0, new = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct disk *d = disk_new();
        event(d, DISK_WRITE, 0, 5000, 'a');
        event(d, DISK_SYNC, 0, 0, 0);
        event(d, DISK_WRITE, 700, 2000, 'b'); /* in sectors 1 to 5 */
        disk_power_loss(d, &rng);
        assert_int_equal(contents(d, bytes, sizeof bytes), 5000);
        unsigned fate = 0;
        for (size_t k = 0; k < 5000; k++) {
            size_t sector = k / DISK_SECTOR, begins = sector == 1 ? 700 : sector * DISK_SECTOR;
            if (k < 700 || k >= 2700)
                assert_int_equal(bytes[k], 'a');
            else
                assert_int_equal(bytes[k], bytes[begins]);
            if (k == begins && bytes[k] == 'b')
                fate |= 1u << sector;
        }
        old += fate == 0;
        new += fate == 0x3e;
        fates |= 1u << (fate >> 1);
        disk_free(d);
    }
    assert_int_equal(fates, 0xffffffff); /* each of the 32 was met */
    assert_true(old > 100 && new > 100);
}

/* Writes may be kept without those before them; sizes change, files vanish and come back. */
static void test_order_sizes_names(void **state)
{
    struct det rng = {.s = {1}};
    uint8_t bytes[20000];
    size_t cut = 0, grown = 0, holes = 0, gone = 0, back = 0;
    (void)state;
    for (int i = 0; i < 400; i++) {
        struct disk *d = disk_new();
        event(d, DISK_WRITE, 0, 9000, 'a');
        event(d, DISK_SYNC, 0, 0, 0);
        event(d, DISK_TRUNCATE, 100, 0, 0);
        event(d, DISK_WRITE, 10000, 5000, 'b');
        assert_int_equal(contents(d, bytes, sizeof bytes), 15000);
        assert_int_equal(bytes[99], 'a');
        assert_int_equal(bytes[100], 0);
        assert_int_equal(bytes[9999], 0);
        disk_power_loss(d, &rng);
        size_t n = contents(d, bytes, sizeof bytes);
        cut += n == 100;
        grown += n > 10000 && bytes[100] == 'a';
        holes += n > 10000 && bytes[100] == 0;
        disk_free(d);

        d = disk_new();
        event(d, DISK_WRITE, 0, 100, 'a'); /* never synced */
        disk_power_loss(d, &rng);
        gone += contents(d, bytes, sizeof bytes) == SIZE_MAX;
        event(d, DISK_WRITE, 0, 100, 'a');
        event(d, DISK_SYNC, 0, 0, 0);
        event(d, DISK_OTHER, 0, i % 2 ? 1 : 0, 0); /* deleted; every second time durably */
        event(d, DISK_WRITE, 0, 50, 'b');
        assert_int_equal(contents(d, bytes, sizeof bytes), 50);
        if (i % 4 >= 2)
            event(d, DISK_SYNC, 0, 0, 0);
        disk_power_loss(d, &rng);
        n = contents(d, bytes, sizeof bytes);
        back += n == 100 && bytes[0] == 'a';
        if (i % 2)
            assert_true(n == SIZE_MAX || bytes[0] != 'a');
        if (i % 4 >= 2)
            assert_true(n == 50 && bytes[0] == 'b');
        disk_free(d);
    }
    assert_true(cut > 10 && grown > 10 && holes > 10 && gone > 10 && back > 10);
}

/* Random writes on a disk and its copies, against plain arrays. */
static void test_copies_are_independent(void **state)
{
    enum { DISKS = 4, SIZE = 20000 };
    struct det rng = {.s = {1}};
    struct disk *d[DISKS];
    static uint8_t plain[DISKS][SIZE], durable[DISKS][SIZE], bytes[SIZE];
    size_t size[DISKS] = {0}, durable_size[DISKS] = {0};
    (void)state;
    for (int i = 0; i < DISKS; i++) {
        d[i] = disk_new();
        event(d[i], DISK_SYNC, 0, 0, 0);
    }
    for (int turn = 0; turn < 6000; turn++) {
        size_t i = det_below(&rng, DISKS), o = det_below(&rng, DISKS), n = det_below(&rng, 6000),
               at = det_below(&rng, SIZE - n);
        uint64_t what = det_below(&rng, 20);
        if (what < 12) {
            event(d[i], DISK_WRITE, at, n, (uint8_t)turn);
            memset(plain[i] + at, (uint8_t)turn, n);
            size[i] = n > 0 && at + n > size[i] ? at + n : size[i];
        } else if (what < 15) {
            event(d[i], DISK_TRUNCATE, at, 0, 0);
            memset(plain[i] + at, 0, SIZE - at);
            size[i] = at;
        } else if (what < 17) {
            event(d[i], DISK_SYNC, 0, 0, 0);
            memcpy(durable[i], plain[i], SIZE);
            durable_size[i] = size[i];
        } else if (i != o) {
            disk_free(d[o]);
            d[o] = what < 19 ? disk_clone(d[i]) : disk_copy(d[i]);
            memcpy(plain[o], plain[i], SIZE);
            memcpy(durable[o], what < 19 ? durable[i] : plain[i], SIZE);
            size[o] = size[i];
            durable_size[o] = what < 19 ? durable_size[i] : size[i];
        }
        assert_int_equal(contents(d[i], bytes, SIZE), size[i]);
        assert_memory_equal(bytes, plain[i], SIZE);
        struct disk *left = disk_remains(d[i], &(struct loss){.kind = LOSE_ALL});
        assert_int_equal(contents(left, bytes, SIZE), durable_size[i]);
        assert_memory_equal(bytes, durable[i], SIZE);
        disk_free(left);
    }
    for (int i = 0; i < DISKS; i++)
        disk_free(d[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tears),
        cmocka_unit_test(test_order_sizes_names),
        cmocka_unit_test(test_copies_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
