/* The transformer for one new input in each row: the arithmetic of `Block.forward` in transformer.py, in C.

A small model's step is some hundred calls of PyTorch, and calling takes longer than computing. Here one call is a step,
and each thread takes its rows through all layers without waiting for the others. A row's sums run in the same order
whatever its neighbours are.

Arrays are row-major, numbers float32. compiled.py compiles this file and calls `step`, at the end: begin there.
`restrict` promises that two arrays do not overlap. `omp simd` promises that a loop's turns do not depend on one another,
so that several are computed by one instruction; `reduction` allows to split a sum (or maximum) for that. */

#include <math.h>
#include <stdint.h>
#include <string.h>

/* A matrix product sums for TILE rows and the 2 * LANES columns of a panel at once, LANES floats to a vector: 2 * TILE
vectors, which must fit the registers of the machine that is compiled for, beside two of weights and one of x. Those
that don't are written to memory and read again in every turn, and that takes several times as long. */
#if defined(__AVX512F__) /* 32 registers of 16 floats */
#define LANES 16
#define TILE 8
#elif defined(__AVX__) || defined(__aarch64__) /* 16 of 8 floats; or 32 of 4, two of which are a vector */
#define LANES 8
#define TILE 6
#else /* 16 of 4 floats, as on any x86-64; where there are none, the compiler takes single numbers */
#define LANES 4
#define TILE 6
#endif
#define PANEL (2 * LANES)
const int panel_width = PANEL; /* read by compiled.py, which lays out the weights */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* e^x, for x in -87..88, and what is beyond is taken for the end: e^x = 2^n e^r, with n a whole number and |r| at most
log(2) / 2. A polynomial is e^r. Unlike expf of the C library this has no branches, so that a loop over it can be simd.
Source of the numbers: Moshier's Cephes library, expf. */
static inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x; /* NaN stays NaN */
    /* x / log(2), rounded: beside 1.5 * 2^23 a float has no room for digits after the point. Its lowest bits are n. */
    float shifted = x * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f, r = x - n * 0.693359375f + n * 2.12194440e-4f; /* x - n log(2), in two parts */
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 127) << 23; /* the bits of 2^n: a float's exponent begins at bit 23, and 127 stands for 0 */
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

static void layer_norm(int width, float epsilon, const float *x, const float *scale, const float *shift, float *out) {
    float mean = 0, variance = 0;
#pragma omp simd reduction(+ : mean)
    for (int i = 0; i < width; i++) mean += x[i];
    mean /= width;
#pragma omp simd reduction(+ : variance)
    for (int i = 0; i < width; i++) variance += (x[i] - mean) * (x[i] - mean);
    float factor = 1.0f / sqrtf(variance / width + epsilon);
#pragma omp simd
    for (int i = 0; i < width; i++) out[i] = (x[i] - mean) * factor * scale[i] + shift[i];
}

/* A tile of the product below: some rows, and the columns of one panel. `rows` is a constant wherever this is called, and
it is always inlined, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void tile(
    const int rows, int in, int stride, int columns, const float *restrict x, const float *restrict panel,
    const float *restrict bias, float *restrict out, int add) {
    lanes sum[TILE][2];
    for (int i = 0; i < rows; i++) memcpy(sum[i], bias, sizeof sum[i]);
    for (int k = 0; k < in; k++) {
        const lanes *weights = (const lanes *)(panel + (int64_t)k * PANEL);
        for (int i = 0; i < rows; i++) {
            sum[i][0] += x[(int64_t)i * in + k] * weights[0];
            sum[i][1] += x[(int64_t)i * in + k] * weights[1];
        }
    }
    for (int i = 0; i < rows; i++) {
        float *to = out + (int64_t)i * stride, from[PANEL];
        memcpy(from, sum[i], sizeof from);
        for (int j = 0; j < columns; j++) to[j] = add ? to[j] + from[j] : from[j];
    }
}

/* out (rows, columns) = x (rows, in) W + bias, or added to out. W lies in panels (columns / PANEL, in, PANEL), so that it
is read from front to back; it and the bias are padded to whole panels. */
static void linear(int rows, int in, int columns, const float *x, const float *const *weights, float *out, int add) {
    const float *panel = weights[0], *bias = weights[1];
    for (int c = 0; c < columns; c += PANEL, panel += (int64_t)in * PANEL) {
        const int valid = columns - c < PANEL ? columns - c : PANEL;
        int row = 0;
        for (int tiles = (rows + TILE - 1) / TILE; tiles; tiles--) { /* of nearly equal heights */
            const float *from = x + (int64_t)row * in;
            float *to = out + (int64_t)row * columns + c;
            const int height = (rows - row + tiles - 1) / tiles;
            row += height;
            switch (height) {
#define CASE(n) \
    case n: tile(n, in, columns, valid, from, panel, bias + c, to, add); break;
                CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if TILE == 8
                CASE(7) CASE(8)
#endif
            }
        }
    }
}

/* out (head) = what a query sees of the keys and values (depth + 1, head). scores is room for depth + 1 numbers. */
static void attend(
    int head, int depth, const float *query, const float *keys, const float *values, float *scores, float *out) {
    float scale = 1.0f / sqrtf((float)head), sum = 0;
    for (int j = 0; j <= depth; j++) {
        const float *key = keys + (int64_t)j * head;
        float product = 0;
#pragma omp simd reduction(+ : product)
        for (int i = 0; i < head; i++) product += query[i] * key[i];
        scores[j] = product * scale;
    }
    float largest = scores[0];
#pragma omp simd reduction(max : largest)
    for (int j = 1; j <= depth; j++) largest = scores[j] > largest ? scores[j] : largest;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j <= depth; j++) sum += scores[j] = exponential(scores[j] - largest);
    memset(out, 0, head * sizeof(float));
    for (int j = 0; j <= depth; j++) {
        const float *value = values + (int64_t)j * head, share = scores[j] / sum;
#pragma omp simd
        for (int i = 0; i < head; i++) out[i] += share * value[i];
    }
}

/* Turn each pair (x_i, x_{i + head/2}) by its angle: `rotate` in transformer.py. out may be x. */
static void rotate(int head, const float *turn, const float *x, float *out) {
    int half = head / 2;
#pragma omp simd
    for (int i = 0; i < half; i++) {
        float first = x[i], second = x[half + i], cosine = turn[i], sine = turn[half + i];
        out[i] = first * cosine - second * sine;
        out[half + i] = first * sine + second * cosine;
    }
}

/* x (1 + tanh z) / 2, which is x / (1 + e^(-2z)). */
static void gelu(int numbers, float *x) {
#pragma omp simd
    for (int i = 0; i < numbers; i++) {
        float z = 0.7978845608f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        x[i] /= 1.0f + exponential(-2.0f * z);
    }
}

/* Read one token in each row, at its depth:

    tokens, depths (rows)                           embedding (vocab, width)
    turns (length, 2, head / 2): cos, sin           cache (layers, 2, rows, heads, length, head): keys and values
    scratch (rows, 10 * width + length)             hidden (rows, width): the result

    weights: scale and shift of a norm, or panels and bias of a linear layer; in each layer those of norm_attention,
    to_qkv, from_heads, norm_perceptron, widen and narrow, 12 arrays; then the last norm's

    next: the first row that no thread has taken yet, 0 at first. All threads that are to help call this with the same
    arguments; each takes `share` rows, and again, until none is left. So who comes late finds less to do, or nothing.

Returns the first row whose token or depth is out of range, and then nothing is read; or -1. */
int step(
    int rows, int layers, int heads, int head, int length, int vocab, int share, float epsilon, int *next,
    const int64_t *tokens, const int64_t *depths, const float *embedding, const float *turns,
    const float *const *weights, float *cache, float *scratch, float *hidden) {
    for (int row = 0; row < rows; row++)
        if (tokens[row] < 0 || tokens[row] >= vocab || depths[row] < 0 || depths[row] >= length) return row;
    const int width = heads * head;
    const int64_t text = (int64_t)length * head, side = (int64_t)rows * heads * text;
    for (int first; (first = __atomic_fetch_add(next, share, __ATOMIC_RELAXED)) < rows;) {
        const int n = rows - first < share ? rows - first : share;
        float *x = scratch + (int64_t)first * (10 * width + length), *normed = x + n * width;
        float *qkv = normed + n * width, *seen = qkv + 3 * n * width, *wide = seen + n * width;
        float *scores = wide + 4 * n * width;
        for (int row = 0; row < n; row++)
            memcpy(x + row * width, embedding + tokens[first + row] * width, width * sizeof(float));
        for (int layer = 0; layer < layers; layer++) {
            const float *const *w = weights + 12 * layer;
            for (int row = 0; row < n; row++)
                layer_norm(width, epsilon, x + row * width, w[0], w[1], normed + row * width);
            linear(n, width, 3 * width, normed, w + 2, qkv, 0);
            for (int row = 0; row < n; row++)
                for (int h = 0; h < heads; h++) {
                    float *query = qkv + row * 3 * width + h * head, *key = query + width, *value = key + width;
                    float *keys = cache + 2 * layer * side + ((first + row) * heads + h) * text, *values = keys + side;
                    const int64_t depth = depths[first + row];
                    rotate(head, turns + depth * head, query, query);
                    rotate(head, turns + depth * head, key, keys + depth * head);
                    memcpy(values + depth * head, value, head * sizeof(float));
                    attend(head, (int)depth, query, keys, values, scores, seen + row * width + h * head);
                }
            linear(n, width, width, seen, w + 4, x, 1);
            for (int row = 0; row < n; row++)
                layer_norm(width, epsilon, x + row * width, w[6], w[7], normed + row * width);
            linear(n, width, 4 * width, normed, w + 8, wide, 0);
            gelu(4 * n * width, wide);
            linear(n, 4 * width, width, wide, w + 10, x, 1);
        }
        const float *const *last = weights + 12 * layers;
        for (int row = 0; row < n; row++)
            layer_norm(width, epsilon, x + row * width, last[0], last[1], hidden + (int64_t)(first + row) * width);
    }
    return -1;
}
