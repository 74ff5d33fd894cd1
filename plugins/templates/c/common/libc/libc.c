// The part of the C library that the bindings and the plugin need, so that a build takes a compiler and nothing else.
// With a whole C library for WebAssembly (wasi-sdk has one) this folder can go.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// A block of memory. Sizes are powers of two, and there is a list of free blocks for each.
typedef union block {
    struct {
        // Which size it has, while it is in use.
        size_t class;
    };
    // The next free one of its size, while it is not.
    union block *next;
    // Memory behind it is good for anything.
    max_align_t alignment;
} block_t;

#define SMALLEST 5 // 2^5 bytes, the block's head included.
#define CLASSES 32
#define PAGE ((size_t)65536)

extern unsigned char __heap_base;
static block_t *unused[CLASSES];
static uintptr_t next_byte;

static size_t class_of(size_t size) {
    size_t class = SMALLEST;
    while (class < CLASSES && ((size_t)1 << class) - sizeof(block_t) < size) class++;
    return class;
}

// New memory from the host. If it gives none, the instance ends.
static block_t *carve(size_t size) {
    if (next_byte == 0) next_byte = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
    uintptr_t end = __builtin_wasm_memory_size(0) * PAGE;
    if (end - next_byte < size) {
        size_t pages = (size - (end - next_byte) + PAGE - 1) / PAGE;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) abort();
    }
    block_t *block = (block_t *)next_byte;
    next_byte += size;
    return block;
}

void *malloc(size_t size) {
    size_t class = class_of(size);
    if (class >= CLASSES) abort();
    block_t *block = unused[class];
    if (block != NULL) {
        unused[class] = block->next;
    } else {
        block = carve((size_t)1 << class);
    }
    block->class = class;
    return block + 1;
}

void free(void *memory) {
    if (memory == NULL) return;
    block_t *block = (block_t *)memory - 1;
    size_t class = block->class;
    block->next = unused[class];
    unused[class] = block;
}

void *realloc(void *memory, size_t size) {
    if (memory == NULL) return malloc(size);
    size_t room = ((size_t)1 << ((block_t *)memory - 1)->class) - sizeof(block_t);
    if (size <= room) return memory;
    void *larger = malloc(size);
    memcpy(larger, memory, room);
    free(memory);
    return larger;
}

_Noreturn void abort(void) {
    __builtin_trap();
}

// With -mbulk-memory the three become one instruction each.
void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    return __builtin_memcpy(to, from, count);
}

void *memmove(void *to, const void *from, size_t count) {
    return __builtin_memmove(to, from, count);
}

void *memset(void *to, int byte, size_t count) {
    return __builtin_memset(to, byte, count);
}

int memcmp(const void *one, const void *other, size_t count) {
    const unsigned char *a = one, *b = other;
    for (size_t i = 0; i < count; i++) {
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}

void *memchr(const void *memory, int byte, size_t count) {
    const unsigned char *bytes = memory;
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == (unsigned char)byte) return (void *)(bytes + i);
    }
    return NULL;
}

size_t strlen(const char *text) {
    size_t length = 0;
    while (text[length] != '\0') length++;
    return length;
}
