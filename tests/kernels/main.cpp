// What every kernel of kernels/ computes, on a CPU by way of simt.h, against its formula in f64: with odd sizes, and the
// block sizes and grids of src/cuda. Results hold NaN before. Run by tests/kernels.rs. Without mamba_blocks.cu, whose blocks run at
// once and wait for each other: tests/conformance has that on a device.
#include "simt.h"

#include <array>
#include <cstdio>
#include <random>

#include "common.cuh"
// Names of constants and structures repeat from file to file.
#include "add_bias.cu"
#include "copy.cu"
#include "embed.cu"
#include "mean_rows.cu"
#include "rms_norm.cu"
#include "silu_mul.cu"
#include "split.cu"
#include "widen.cu"
namespace encoder {
#include "encoder_attention.cu"
}
namespace hsa {
#include "hsa.cu"
}
namespace mamba {
#include "mamba_block.cu"
}
namespace chunk {
#include "chunk_memory.cu"
}
namespace mlp {
#include "mlp.cu"
}
namespace product {
#include "matmul.cu"
}
namespace few {
#include "matvec.cu"
}
namespace retrieval {
#include "score_top_k.cu"
}
namespace ssd {
#include "ssd.cu"
}
namespace conv {
#include "ssm_conv.cu"
}
namespace step {
#include "ssm_step.cu"
}
namespace choice {
#include "top_logits.cu"
}

namespace {

std::mt19937 random_bits(1);

float uniform() { return std::uniform_real_distribution<float>(-1, 1)(random_bits); }

// Memory that starts like the device's, and ends where it ends.
template <class T>
struct Array {
    T* at;
    size_t count;
    explicit Array(size_t n) : at(static_cast<T*>(std::aligned_alloc(256, (n * sizeof(T) + 511) / 256 * 256))), count(n) {
        std::memset(static_cast<void*>(at), 0xff, n * sizeof(T));
    }
    Array(Array&& other) : at(std::exchange(other.at, nullptr)), count(other.count) {}
    ~Array() { std::free(at); }
    operator T*() const { return at; }
};

Array<float> values(size_t n, float most = 1) {
    Array<float> v(n);
    for (size_t i = 0; i < n; i++) v[i] = most * uniform();
    return v;
}

const char* testing;

void close(double got, double want, double tolerance) {
    if (std::fabs(got - want) <= tolerance) return;
    std::printf("%s: %g instead of %g\n", testing, got, want);
    std::exit(1);
}

double largest(const std::vector<double>& v) {
    double most = 1e-30;
    for (double x : v) most = std::max(most, std::fabs(x));
    return most;
}

// `share` of the largest value.
void all_close(const float* got, const std::vector<double>& want, double share) {
    const double tolerance = share * largest(want);
    for (size_t i = 0; i < want.size(); i++) close(got[i], want[i], tolerance);
}

double silu64(double v) { return v / (1 + std::exp(-v)); }

unsigned blocks(size_t count, unsigned size) { return unsigned((count + size - 1) / size); }

#include "products.h"
#include "encoder.h"

// ---- rows and elements -------------------------------------------------------------------------------------------------

void elements() {
    testing = "embed";
    for (u32 cols : {1u, 16u, 33u, 36u, 2048u})
        for (Type type : {TF32, TF16, TQ8_0}) {
            if (type == TQ8_0 && cols % 32) continue;
            const Matrix m = matrix(type, 7, cols);
            const u32 ids[] = {3, 0, 6, 3, 1};
            const Array<float> out(5 * cols);
            const auto kernel = type == TF32 ? embed_f32 : type == TF16 ? embed_f16 : embed_q8_0;
            const bool plain = type != TQ8_0;
            simt::launch({plain ? 2u : blocks(5 * cols / 16, 256), plain ? blocks(cols, 1024) : 1, 1}, {256, 1, 1},
                         [&] { kernel(m.weight, ids, 0, 5, out); });
            for (u32 i = 0; i < 5 * cols; i++) close(out[i], m.dense[ids[i / cols] * cols + i % cols], 0);
        }
    testing = "silu_mul";
    for (u32 n : {1u, 3u, 4u, 1027u, 9000u}) {
        const Array<float> gate = values(n, 30), up = values(n);
        std::vector<double> want(n);
        for (u32 i = 0; i < n; i++) want[i] = silu64(gate[i]) * up[i];
        simt::launch({blocks(n, 16 * 256), 1, 1}, {256, 1, 1}, [&] { silu_mul(gate, up, n); });
        all_close(gate, want, 1e-6);
    }
    testing = "rms_norm";
    for (auto [rows, width, parts] : {std::array<u32, 3>{5, 33, 1}, {6, 100, 2}, {5, 512, 1}, {2, 700, 1}, {3, 2052, 1}}) {
        const Array<float> x = values(rows * width), weight = values(parts * width), out(rows * width);
        std::vector<double> want(rows * width);
        for (u32 r = 0; r < rows; r++) {
            double sum = 0;
            for (u32 i = 0; i < width; i++) sum += double(x[r * width + i]) * x[r * width + i];
            for (u32 i = 0; i < width; i++)
                want[r * width + i] = weight[r % parts * width + i] * x[r * width + i] / std::sqrt(sum / width + 1e-5);
        }
        const bool narrow = width % 4 == 0 && width <= 2048;
        const auto kernel = !narrow ? rms_norm_any : width <= 512 ? rms_norm_512 : rms_norm_2048;
        simt::launch({narrow ? blocks(rows, 4) : rows, 1, 1}, narrow ? Index{32, 4, 1} : Index{256, 1, 1},
                     [&] { kernel(x, weight, parts, 1e-5f, rows, width, out); });
        all_close(out, want, 1e-5);
    }
    testing = "mean_rows";
    const Array<float> x = values(3 * 5 * 7), out(3 * 7);
    simt::launch({1, 1, 1}, {256, 1, 1}, [&] { mean_rows(x, 5, 7, out, 21); });
    for (int i = 0; i < 21; i++) {
        double sum = 0;
        for (int r = 0; r < 5; r++) sum += x[(i / 7 * 5 + r) * 7 + i % 7];
        close(out[i], sum / 5, 1e-6);
    }
    testing = "add_bias and copy";
    const Array<float> y = values(5 * 9), bias = values(9), before = values(0), copied(50);
    std::vector<double> want(45);
    for (int i = 0; i < 45; i++) want[i] = double(y[i]) + bias[i % 9];
    simt::launch({1, 1, 1}, {256, 1, 1}, [&] { add_bias(y, bias, 9, 45); });
    all_close(y, want, 1e-6);
    // Two groups of two rows of four.
    const Place from = {1, 18, 9}, to = {2, 22, 11};
    simt::launch({1, 1, 1}, {256, 1, 1}, [&] { copy_1(y, from, copied, to, 2, 4, 16); });
    for (int i = 0; i < 16; i++) close(copied[2 + i / 4 * 11 + i % 4], y[1 + i / 4 * 9 + i % 4], 0);
}

// ---- attention ---------------------------------------------------------------------------------------------------------

void encoder_attention() {
    testing = "encoder_attention";
    using encoder::Encoder;
    struct Case {
        u32 rows, heads, kv_heads, d, tile;  // 0 of a tile for the kernels on matrix units
    };
    for (auto [rows, heads, kv_heads, d, tile] : {
             Case{1, 1, 1, 2, 0}, {5, 2, 1, 32, 0}, {65, 4, 2, 32, 0}, {80, 1, 1, 32, 0}, {81, 2, 1, 32, 0}, {130, 1, 1, 30, 0},
             {5, 2, 2, 64, 0}, {65, 2, 1, 64, 0}, {81, 1, 1, 64, 0}, {130, 2, 1, 64, 0}, {33, 2, 1, 40, 0}, {65, 1, 1, 62, 0}, {170, 1, 1, 16, 0},
             {1, 1, 1, 2, 1}, {5, 2, 1, 96, 5}, {17, 4, 2, 16, 8}, {65, 2, 1, 96, 33}, {81, 1, 1, 96, 41}, {130, 1, 1, 256, 17}}) {
        const u32 chunks = 2;
        const Array<float> q = values(chunks * rows * heads * d, 3), k = values(chunks * rows * kv_heads * d);
        const Array<float> v = values(chunks * rows * kv_heads * d), out(chunks * rows * heads * d);
        const Array<float> q_norm = values(d, 2), k_norm = values(d, 2);
        const Encoder shape = {rows, heads, kv_heads, d, 1e4f, 1e-5f};
        if (tile) {
            simt::launch({heads, chunks, 1}, {128, 1, 1},
                         [&] { encoder::encoder_attention_any(shape, q, k, v, q_norm, k_norm, tile, out); });
        } else {
            const bool plain = rows <= 80 && d % 32 == 0;
            const auto kernel = plain ? (d == 32 ? encoder::encoder_attention_32 : encoder::encoder_attention_64)
                                      : (d <= 32 ? encoder::encoder_attention_to_32 : encoder::encoder_attention_to_64);
            const u32 warps = blocks(blocks(rows, blocks(rows, 80)), 16);
            simt::launch({heads, chunks, 1}, {32 * warps, 1, 1}, [&] { kernel(shape, q, k, v, q_norm, k_norm, out); });
        }
        auto wide = [](const Array<float>& v) { return std::vector<double>(v.at, v.at + v.count); };
        const auto want = attention64(shape, chunks, {wide(q), wide(k), wide(v)}, q_norm, k_norm);
        // Without rounding to the nearest the parts of f32 hold 16 bits.
        for (size_t i = 0; i < want.size(); i++) close(out[i], want[i], tile ? 1e-5 : 1e-4);
    }
}

void hsa_attention() {
    testing = "hsa";
    using hsa::Hsa, hsa::Pick;
    struct Case {
        u32 d, size, heads, kv_heads, retrieval_heads, n, off_by_one;
        void (*kernel)(Hsa, const float*, const u8*, u64, const Pick*, float*);
        u32 warps = 1;
    };
    const Case cases[] = {
        {32, 16, 4, 1, 1, 5, 0, hsa::hsa_f16_32_16},   {32, 32, 6, 2, 2, 3, 1, hsa::hsa_f16_32_32},
        {32, 64, 4, 1, 1, 2, 0, hsa::hsa_f16_32_64},   {64, 16, 20, 1, 1, 2, 0, hsa::hsa_f16_64_16},
        {64, 32, 16, 1, 1, 2, 1, hsa::hsa_f16_64_32},  {64, 64, 16, 1, 1, 3, 0, hsa::hsa_f16_64_64},
        {64, 64, 34, 2, 1, 1, 1, hsa::hsa_f16_64_64},  {128, 16, 3, 1, 1, 2, 0, hsa::hsa_f16_128_16},
        {128, 32, 16, 1, 1, 1, 0, hsa::hsa_f16_128_32}, {128, 64, 16, 1, 1, 1, 1, hsa::hsa_f16_128_64},
        {32, 16, 17, 1, 1, 2, 0, hsa::hsa_few_32_16, 4}, {64, 64, 32, 2, 1, 2, 1, hsa::hsa_few_64_64, 4},
        {64, 32, 9, 1, 1, 3, 0, hsa::hsa_few_64_32, 4}, {128, 32, 16, 1, 1, 2, 0, hsa::hsa_few_128_32, 2},
        {1, 1, 1, 1, 1, 2, 0, nullptr},                {6, 5, 4, 2, 2, 3, 1, nullptr},
    };
    for (const Case& c : cases) {
        const u32 top = c.warps == 1 ? 3 : 37, slots = 5;
        // Weights rounded to f16 err by 2^-12.
        const double tolerance = c.kernel ? 3e-4 : 2e-5;
        const size_t values_of_chunk = size_t(c.size) * c.kv_heads * c.d, stride = (4 * values_of_chunk + 255) / 256 * 256;
        const Array<u8> cache(slots * stride);
        for (size_t i = 0; i < slots * stride / 2; i++) reinterpret_cast<u16*>(cache.at)[i] = f32_to_f16(uniform());
        auto value = [&](u32 slot, size_t i) { return double(f16_to_f32(reinterpret_cast<u16*>(cache + slot * stride)[i])); };
        const Array<float> q = values(size_t(c.n) * c.heads * c.d, 3), out(size_t(c.n) * c.heads * c.d);
        std::vector<Pick> picks(c.n * c.retrieval_heads * top);
        for (Pick& p : picks) p = {u32(random_bits() % slots), random_bits() % 4 ? (0.5f + 0.4f * uniform()) * 3 / top : 0.0f};
        const Hsa shape = {c.heads, c.kv_heads, c.d, c.size, c.retrieval_heads, top, c.off_by_one};
        const u32 per_kv = c.heads / c.kv_heads;
        if (c.kernel)
            simt::launch({c.n, c.kv_heads * blocks(per_kv, 16), 1}, {32 * c.warps, 1, 1},
                         [&] { c.kernel(shape, q, cache, stride, picks.data(), out); });
        else
            simt::launch({c.n, c.heads, 1}, {32, 1, 1},
                         [&] { hsa::hsa_any(shape, q, cache, stride, picks.data(), 1, out); });
        for (u32 t = 0; t < c.n; t++)
            for (u32 h = 0; h < c.heads; h++) {
                const u32 g = h / per_kv;
                std::vector<double> want(c.d, 0.0), weights(c.size);
                for (u32 p = 0; p < top; p++) {
                    const Pick pick = picks[(t * c.retrieval_heads + std::min(g, c.retrieval_heads - 1)) * top + p];
                    double sum = c.off_by_one;
                    for (u32 i = 0; i < c.size; i++) {
                        double score = 0;
                        for (u32 e = 0; e < c.d; e++)
                            score += q[(t * c.heads + h) * c.d + e] * value(pick.slot, (i * c.kv_heads + g) * c.d + e);
                        sum += weights[i] = std::exp(score / std::sqrt(c.d));
                    }
                    for (u32 i = 0; i < c.size; i++)
                        for (u32 e = 0; e < c.d; e++)
                            want[e] += pick.weight * weights[i] / sum *
                                       value(pick.slot, values_of_chunk + (i * c.kv_heads + g) * c.d + e);
                }
                for (u32 e = 0; e < c.d; e++) close(out[(t * c.heads + h) * c.d + e], want[e], tolerance);
            }
    }
}

void landmarks() {
    testing = "score_top_k";
    using retrieval::Found;
    for (auto [n, heads, width, count, parts, top, kind] :
         {std::array<u32, 7>{1, 1, 16, 300, 2, 8, 1}, {3, 2, 32, 1000, 1, 5, 1}, {2, 1, 5, 130, 3, 4, 2}, {17, 1, 3, 40, 1, 64, 0},
          {1, 1, 16, 300, 2, 8, 3}, {3, 2, 24, 1000, 3, 40, 3}, {2, 1, 520, 70, 9, 33, 3}, {1, 3, 8, 700, 1, 64, 3}, {1, 1, 264, 5, 4, 1, 3}}) {
        const Array<float> q = values(n * heads * width), full = values(count * heads * width);
        const Array<u16> half(full.count);
        for (size_t i = 0; i < full.count; i++) {
            half[i] = f32_to_f16(full[i]);
            if (kind) full[i] = f16_to_f32(half[i]);
        }
        std::vector<u32> visible(n);
        for (u32 i = 0; i < n; i++) visible[i] = i + 1 == n ? count : count * (i + 1) / (n + 1);
        std::vector<Found> lists(n * heads * parts * top), best(n * heads * top);
        const u8* data = kind ? reinterpret_cast<const u8*>(half.at) : reinterpret_cast<const u8*>(full.at);
        if (kind == 3) {
            std::vector<u32> arrived(n * heads, 0);
            simt::launch({parts, heads, n}, {256, 1, 1}, [&] {
                retrieval::score_few(q, n == 1 ? nullptr : visible.data(), count, heads, width, data, count, 0.5f, top,
                                     lists.data(), arrived.data(), best.data());
            });
            for (u32 rest : arrived) close(rest, 0, 0);
        } else {
            simt::launch({parts, heads, blocks(n, 16)}, {128, 1, 1}, [&] {
                retrieval::score_top_k(q, n == 1 ? nullptr : visible.data(), count, n, heads, width, data, count, kind, 0.5f, top, lists.data());
            });
            simt::launch({n * heads, 1, 1}, {256, 1, 1}, [&] { retrieval::best_of(lists.data(), parts, top, best.data()); });
        }
        for (u32 i = 0; i < n; i++)
            for (u32 h = 0; h < heads; h++) {
                std::vector<double> scores(visible[i]);
                for (u32 c = 0; c < visible[i]; c++)
                    for (u32 k = 0; k < width; k++)
                        scores[c] += 0.5 * q[(i * heads + h) * width + k] * full[(c * heads + h) * width + k];
                std::vector<double> sorted = scores;
                std::sort(sorted.rbegin(), sorted.rend());
                for (u32 k = 0; k < top; k++) {
                    const Found found = best[(i * heads + h) * top + k];
                    if (k >= sorted.size()) {
                        close(found.id == retrieval::NONE, 1, 0);
                        continue;
                    }
                    close(found.id < visible[i], 1, 0);
                    close(found.score, sorted[k], 1e-5);
                    close(scores[found.id], sorted[k], 1e-5);
                }
            }
    }
}

// Chunks that the device chooses and weighs: order, weights, and both places of the result.
void selections() {
    testing = "select";
    using retrieval::Choice, retrieval::Found, retrieval::Pick;
    enum { STICK, SOFT, DECAY };
    // The landmarks there is room for, and how many are visible. Kind 3 in one launch, others in two.
    struct Case {
        u32 heads, width, count, seen, parts, top, kind, weighting;
        bool ties = false;
    };
    for (const Case& c : {Case{1, 16, 300, 300, 2, 8, 3, STICK}, {3, 24, 1000, 777, 3, 40, 3, STICK}, {2, 64, 900, 5, 7, 8, 3, SOFT},
                          {1, 8, 700, 650, 1, 64, 3, DECAY}, {2, 264, 50, 9, 4, 1, 3, STICK}, {1, 128, 64, 0, 2, 8, 3, SOFT},
                          {1, 128, 64, 0, 2, 33, 3, STICK}, {4, 16, 400, 399, 9, 33, 3, SOFT}, {1, 32, 200, 1, 1, 64, 3, STICK},
                          {2, 8, 500, 500, 5, 20, 3, STICK, true}, {1, 8, 300, 200, 3, 64, 3, DECAY, true}, {1, 40, 90, 40, 2, 64, 3, SOFT},
                          {1, 16, 300, 250, 2, 8, 1, STICK}, {2, 5, 130, 3, 3, 4, 2, SOFT}, {3, 3, 40, 40, 1, 64, 0, DECAY}, {1, 3, 40, 0, 1, 5, 0, STICK}}) {
        const u32 row = c.heads * c.width;
        const Array<float> q = values(row, 3), full = values(size_t(c.count) * row);
        const Array<u16> half(full.count);
        for (size_t i = 0; i < full.count; i++) {
            if (c.ties) full[i] = full[i % row];
            half[i] = f32_to_f16(full[i]);
            if (c.kind) full[i] = f16_to_f32(half[i]);
        }
        const u8* data = c.kind ? reinterpret_cast<const u8*>(half.at) : reinterpret_cast<const u8*>(full.at);
        const float scale = 0.7f, decay = c.weighting == DECAY ? -0.3f : 0.0f;
        std::vector<Found> lists(c.heads * c.parts * c.top);
        std::vector<Pick> picks(c.heads * c.top, Pick{7, NAN}), readings = picks;
        const Choice how = {c.weighting != STICK, decay, picks.data(), readings.data()};
        if (c.kind == 3) {
            std::vector<u32> arrived(c.heads, 0);
            simt::launch({c.parts, c.heads, 1}, {256, 1, 1}, [&] {
                retrieval::select_few(q, &c.seen, c.heads, c.width, data, c.count, scale, c.top, lists.data(), arrived.data(), how);
            });
            for (u32 rest : arrived) close(rest, 0, 0);
        } else {
            simt::launch({c.parts, c.heads, 1}, {128, 1, 1}, [&] {
                retrieval::score_top_k(q, &c.seen, 0, 1, c.heads, c.width, data, c.count, c.kind, scale, c.top, lists.data());
            });
            simt::launch({c.heads, 1, 1}, {256, 1, 1}, [&] { retrieval::select_of(lists.data(), c.parts, c.top, how); });
        }
        for (u32 h = 0; h < c.heads; h++) {
            std::vector<double> scores(c.seen), sorted;
            for (u32 k = 0; k < c.seen; k++)
                for (u32 i = 0; i < c.width; i++)
                    scores[k] += double(scale) * q[h * c.width + i] * full[(size_t(k) * c.heads + h) * c.width + i];
            sorted = scores;
            std::sort(sorted.rbegin(), sorted.rend());
            const u32 there = std::min(c.top, c.seen);
            const Pick* got = picks.data() + h * c.top;
            std::vector<double> chosen, want(c.top, 0.0);
            for (u32 k = 0; k < there; k++) {
                close(got[k].chunk < (k ? got[k - 1].chunk : c.seen), 1, 0);
                if (c.ties) close(got[k].chunk, there - 1 - k, 0);
                chosen.push_back(scores[got[k].chunk]);
            }
            double left = 1, sum = 0;
            for (u32 k = 0; k < there; k++) {
                const double taken = 1 / (1 + std::exp(-chosen[k]));
                want[k] = c.weighting == STICK ? left * taken : std::exp(chosen[k] + k * double(decay));
                left *= 1 - taken, sum += want[k];
            }
            std::sort(chosen.rbegin(), chosen.rend());
            for (u32 k = 0; k < there; k++) close(chosen[k], sorted[k], 1e-5);
            for (u32 k = 0; k < c.top; k++) {
                close(got[k].weight, c.weighting == STICK || !there ? want[k] : want[k] / sum, 1e-5);
                if (k >= there) close(got[k].chunk, 0, 0);
                close(readings[h * c.top + k].chunk, got[k].chunk, 0);
                close(readings[h * c.top + k].weight, got[k].weight, 0);
            }
        }
    }
    // Scores at the ends of what f32 holds give no NaN.
    for (float end : {INFINITY, -INFINITY, 3e38f}) {
        const float q[8] = {end, end, end, end, end, end, end, end};
        const u32 seen = 3;
        const Array<u16> half(3 * 8);
        for (int i = 0; i < 24; i++) half[i] = f32_to_f16(i < 16 ? 1.0f : -1.0f);
        for (u32 softmax : {0u, 1u}) {
            std::vector<Found> lists(4);
            std::vector<Pick> picks(4), readings(4);
            u32 arrived = 0;
            const Choice how = {softmax, 0.0f, picks.data(), readings.data()};
            simt::launch({1, 1, 1}, {256, 1, 1}, [&] {
                retrieval::select_few(q, &seen, 1, 8, reinterpret_cast<u8*>(half.at), 3, 1.0f, 4, lists.data(), &arrived, how);
            });
            const bool up = end > 0;
            // The most recent one has the lowest score, the two before it the same highest, or the other way round.
            const double want[3] = {up ? 0.0 : 1.0, up ? softmax ? 0.5 : 1.0 : 0.0, up && softmax ? 0.5 : 0.0};
            for (int k = 0; k < 3; k++) close(picks[k].weight, want[k], 0);
        }
    }
}

void highest_logits() {
    testing = "top_logits";
    const float none = -INFINITY;
    auto check = [](const std::vector<float>& logits) {
        const u32 count = u32(logits.size());
        const Array<float> at(count);
        std::copy(logits.begin(), logits.end(), at.at);
        std::vector<u32> ids;
        for (u32 i = 0; i < count; i++)
            if (logits[i] > -INFINITY) ids.push_back(i);
        std::stable_sort(ids.begin(), ids.end(), [&](u32 a, u32 b) { return logits[a] > logits[b]; });
        for (u32 top : {1, 2, 5, 40, 64}) {
            const Array<uint2> result(1 + top);
            simt::launch({1, 1, 1}, {1024, 1, 1}, [&] { choice::top_logits(at, count, top, result); });
            close(result[0].x, std::min<size_t>(top, ids.size()), 0);
            for (u32 k = 0; k < result[0].x; k++) {
                close(result[1 + k].x, ids[k], 0);
                close(__uint_as_float(result[1 + k].y), logits[ids[k]], 0);
            }
        }
    };
    for (u32 count : {0u, 1u, 2u, 31u, 1000u, 4099u, 50277u}) {
        std::vector<float> all(count), few(count), shut(count), rising(count), equal(count, -3.5f);
        for (u32 i = 0; i < count; i++) {
            all[i] = 20 * uniform();
            few[i] = random_bits() % 3 ? 0.0f : random_bits() % 2 ? -0.0f : float(random_bits() % 3) - 1;
            shut[i] = random_bits() % 40 ? none : all[i];
            rising[i] = float(i);
        }
        for (const auto& logits : {all, few, shut, rising, equal}) check(logits);
    }
    // The highest in the same few threads: more of them than there is room for, different and equal.
    std::vector<float> crowd(200000, -1.0f);
    for (u32 i = 0; i < crowd.size(); i++)
        if (i / 4 % 1024 < 12) crowd[i] = uniform() + 2;
    check(crowd);
    for (float& v : crowd) v = v > 0 ? 3.0f : none;
    check(crowd);
    check(std::vector<float>(100, none));
    check({-3.4028235e38f, none, 3.4028235e38f, 1e-45f, -1e-45f, 0.0f, -0.0f});
    for (float odd : {float(NAN), -float(NAN), float(INFINITY)})
        for (u32 at : {0u, 77u, 4998u})
            for (u32 top : {1u, 40u}) {
                const Array<float> logits = values(4999);
                logits[at] = odd;
                const Array<uint2> result(1 + top);
                simt::launch({1, 1, 1}, {1024, 1, 1}, [&] { choice::top_logits(logits, 4999, top, result); });
                close(result[0].x, choice::NONE, 0);
            }
}

// ---- the mixer of a Mamba-2 block --------------------------------------------------------------------------------------

struct Mixer {
    int heads, width, state, groups, taps;
    int inner() const { return heads * width; }
    int channels() const { return inner() + 2 * groups * state; }
    int projected() const { return inner() + channels() + heads; }
    Ssm shape() const {
        return {u32(inner()), u32(heads), u32(state), u32(groups), u32(taps), 0.01f, 5, u32(channels()), u32(projected())};
    }
};

struct MixerParameters {
    Array<float> weight, bias, dt_bias, a, d;
    explicit MixerParameters(const Mixer& m)
        : weight(values(m.channels() * m.taps)), bias(values(m.channels())), dt_bias(values(m.heads)), a(values(m.heads)),
          d(values(m.heads)) {
        for (int h = 0; h < m.heads; h++) a[h] = -std::fabs(a[h]);
    }

    // A row of z, x, B, C and dt; the state moves on, the result is appended to `y`.
    void token(const Mixer& m, const float* row, double* history, double* state, std::vector<double>& y) const {
        const float* now = row + m.inner();
        std::vector<double> c(m.channels());
        for (int k = 0; k < m.channels(); k++) {
            double v = bias[k] + double(weight[k * m.taps + m.taps - 1]) * now[k];
            for (int t = 0; t + 1 < m.taps; t++) v += weight[k * m.taps + t] * history[t * m.channels() + k];
            for (int t = 0; t + 2 < m.taps; t++) history[t * m.channels() + k] = history[(t + 1) * m.channels() + k];
            if (m.taps > 1) history[(m.taps - 2) * m.channels() + k] = now[k];
            c[k] = silu64(v);
        }
        for (int h = 0; h < m.heads; h++) {
            const double dt = std::min(std::max(std::log1p(std::exp(double(now[m.channels() + h]) + dt_bias[h])), 0.01), 5.0);
            const int group = h / (m.heads / m.groups);
            for (int p = 0; p < m.width; p++) {
                const double x = c[h * m.width + p];
                double sum = d[h] * x;
                for (int n = 0; n < m.state; n++) {
                    double& s = state[(size_t(h) * m.width + p) * m.state + n];
                    s = std::exp(dt * a[h]) * s + dt * x * c[m.inner() + group * m.state + n];
                    sum += s * c[m.inner() + (m.groups + group) * m.state + n];
                }
                y.push_back(sum * silu64(row[h * m.width + p]));
            }
        }
    }
};

void steps() {
    testing = "ssm_step";
    for (const Mixer& m : {Mixer{2, 16, 4, 1, 4}, Mixer{4, 7, 33, 2, 2}, Mixer{3, 24, 128, 1, 4}, Mixer{4, 20, 300, 4, 8}, Mixer{2, 64, 20, 1, 1}}) {
        const MixerParameters p(m);
        const Array<float> history = values((m.taps - 1) * m.channels()), state = values(m.inner() * m.state);
        std::vector<double> h(history.at, history.at + history.count), s(state.at, state.at + state.count);
        std::vector<u32> arrived(m.groups, 0);
        for (int t = 0; t < 4; t++) {
            const Array<float> row = values(m.projected(), 2), y(m.inner());
            const u32 rows = t % 2 ? 64 : 16, threads = std::clamp(blocks(2 * m.state + rows, 32) * 32 + 32, 256u, 512u);
            simt::launch({u32(m.heads), blocks(m.width, rows), 1}, {threads, 1, 1}, [&] {
                const auto kernel = m.state % 4 || m.taps != 4 ? step::ssm_step_any : step::ssm_step_4;
                kernel(m.shape(), row, p.weight, p.bias, p.dt_bias, p.a, p.d, history, state, arrived.data(), rows, y);
            });
            std::vector<double> want;
            p.token(m, row, h.data(), s.data(), want);
            all_close(y, want, 1e-5);
            all_close(state, s, 1e-5);
            for (size_t i = 0; i < h.size(); i++) close(history[i], h[i], 0);
            for (u32 count : arrived) close(count, 0, 0);
        }
    }
}

void scans() {
    testing = "ssm_conv and ssd";
    struct Case {
        Mixer m;
        int sequences, n;
    };
    for (const auto& [m, sequences, n] : {Case{{2, 16, 4, 1, 4}, 1, 5}, Case{{2, 7, 33, 2, 2}, 2, 70}, Case{{1, 64, 40, 1, 4}, 1, 130},
                                          Case{{1, 68, 36, 1, 1}, 2, 64}, Case{{2, 12, 8, 1, 8}, 1, 600},
                                          Case{{4, 64, 32, 2, 4}, 3, 65}, Case{{2, 64, 128, 1, 4}, 1, 200},
                                          Case{{3, 96, 128, 1, 4}, 2, 63}, Case{{4, 5, 7, 2, 2}, 2, 200}, Case{{2, 96, 40, 2, 4}, 1, 1},
                                          Case{{1, 5, 128, 1, 4}, 1, 129}, Case{{1, 130, 68, 1, 4}, 1, 65}}) {
        const MixerParameters p(m);
        const u32 spans = blocks(n, 64), tokens = sequences * n;
        const size_t all = size_t(m.inner()) * m.state;
        const Array<float> history = values(sequences * (m.taps - 1) * m.channels()), state = values(sequences * all);
        const Array<float> in = values(size_t(tokens) * m.projected(), 2), y(tokens * m.inner()), xbc(tokens * m.channels());
        const Array<float> dt(tokens * m.heads), own(sequences * spans * all), decay(sequences * spans * m.heads);
        std::vector<double> h(history.at, history.at + history.count), s(state.at, state.at + state.count), want;
        for (u32 t = 0; t < tokens; t++) {
            const int sequence = t / n;
            p.token(m, in + size_t(t) * m.projected(), h.data() + sequence * (m.taps - 1) * m.channels(), s.data() + sequence * all, want);
        }
        const Ssm shape = m.shape();
        const u32 wide = blocks(m.width, 64), q = u32(sequences);
        simt::launch({blocks(m.channels() + m.heads, 128), q * blocks(n, 16), 1}, {128, 1, 1},
                     [&] { conv::ssm_conv(shape, in, n, p.weight, p.bias, p.dt_bias, history, xbc, dt); });
        simt::launch({blocks(m.channels(), 128), q, 1}, {128, 1, 1}, [&] { conv::ssm_history(shape, in, n, history); });
        simt::launch({q * spans, u32(m.heads), wide * blocks(m.state, 64)}, {128, 1, 1},
                     [&] { ssd::ssd_states(shape, xbc, dt, n, p.a, own, decay); });
        simt::launch({blocks(all, 256), q, 1}, {256, 1, 1}, [&] { ssd::ssd_scan(shape, spans, own, decay, state); });
        simt::launch({q * spans, u32(m.heads), wide}, {128, 1, 1},
                     [&] { ssd::ssd_out(shape, xbc, dt, n, p.a, p.d, own, in, y); });
        all_close(y, want, 2e-4);
        all_close(state, s, 2e-4);
        for (size_t i = 0; i < h.size(); i++) close(history[i], h[i], 0);
    }

    testing = "ssd, fewer tokens";
    // Tokens whose dt is zero change nothing, and those past the end are as many of them: all bits are the same.
    for (const Mixer& m : {Mixer{2, 64, 32, 1, 4}, Mixer{2, 7, 33, 2, 4}}) {
        const MixerParameters p(m);
        const u32 n = 128, few = 101, wide = blocks(m.width, 64);
        const size_t all = 2 * size_t(m.inner()) * m.state;
        const Array<float> in = values(n * m.projected(), 2), xbc = values(n * m.channels()), dt = values(n * m.heads);
        for (u32 i = 0; i < n * m.heads; i++) dt[i] = i < few * m.heads ? std::fabs(dt[i]) : 0;
        const Array<float> own(all), decay(2 * m.heads), y(n * m.inner()), own_of_few(all), decay_of_few(2 * m.heads), y_of_few(n * m.inner());
        auto run = [&](u32 n, float* own, float* decay, float* y) {
            const Ssm shape = m.shape();
            simt::launch({2, u32(m.heads), wide * blocks(m.state, 64)}, {128, 1, 1},
                         [&] { ssd::ssd_states(shape, xbc, dt, n, p.a, own, decay); });
            simt::launch({2, u32(m.heads), wide}, {128, 1, 1},
                         [&] { ssd::ssd_out(shape, xbc, dt, n, p.a, p.d, own, in, y); });
        };
        run(n, own, decay, y), run(few, own_of_few, decay_of_few, y_of_few);
        for (size_t i = 0; i < all; i++) close(own_of_few[i], own[i], 0);
        for (int i = 0; i < 2 * m.heads; i++) close(decay_of_few[i], decay[i], 0);
        for (size_t i = 0; i < size_t(few) * m.inner(); i++) close(y_of_few[i], y[i], 0);
    }
}

#include "codes.h"
#include "mamba.h"

}  // namespace

int main(int count, char** names) {
    const std::pair<const char*, void (*)()> tests[] = {
        {"elements", elements}, {"products", products},           {"products_of_halves", products_of_halves},
        {"products_of_rows", products_of_rows},
        {"products_of_integers", products_of_integers},
        {"products_of_few", products_of_few},
        {"encoder", encoder_attention}, {"mlp", mlps},            {"whole_attention", whole_attention}, {"chunk_memory", chunk_memories}, {"hsa", hsa_attention},   {"landmarks", landmarks}, {"codes", landmark_codes},
        {"selections", selections},     {"choices", highest_logits}, {"steps", steps},
        {"scans", scans},             {"mamba", mamba_blocks},
    };
    for (const auto& [name, test] : tests)
        if (count < 2 || !std::strcmp(names[1], name)) test(), std::printf("%s: ok\n", name);
}
