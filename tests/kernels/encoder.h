// The fused kernels of the chunk encoder. A part of main.cpp, inside its namespace.
#pragma once

std::vector<double> normed_rows(const float* x, const float* norm, u32 n, u32 cols) {
    std::vector<double> rows(x, x + size_t(n) * cols);
    norm_parts(rows, norm, cols, cols);
    return rows;
}

const u16* halves_of(const Matrix& m) { return reinterpret_cast<const u16*>(m.q.at); }

void mlps() {
    testing = "mlp";
    struct Case {
        Type type;
        u32 n, cols, width;
        float most;  // of the norm: what is between the products grows with its square
        void (*kernel)(mlp::Mlp, float*, u32);
    };
    const Case cases[] = {
        {TF16, 70, 128, 320, 1, mlp::mlp_f16},   {TF16, 1, 128, 24, 1e3f, mlp::mlp_f16}, {TF16, 65, 40, 88, 1e-4f, mlp::mlp_f16},
        {TBF16, 64, 128, 72, 1, mlp::mlp_bf16}, {TF16, 33, 8, 8, 1, mlp::mlp_f16},      {TBF16, 7, 104, 40, 100, mlp::mlp_bf16},
    };
    for (const Case& c : cases) {
        const Matrix gate = matrix(c.type, c.width, c.cols), up = matrix(c.type, c.width, c.cols), down = matrix(c.type, c.cols, c.width);
        const Array<float> x = values(size_t(c.n) * c.cols, 3), norm = values(c.cols, c.most), before = values(x.count);
        std::copy(x.at, x.at + x.count, before.at);
        const auto seen = normed_rows(x, norm, c.n, c.cols);
        auto between = product_of(gate, seen, c.n);
        const auto ups = product_of(up, seen, c.n);
        for (size_t i = 0; i < between.size(); i++) between[i] = silu64(between[i]) * ups[i];
        auto want = product_of(down, between, c.n);
        const double share = c.type == TF16 ? 3e-6 : 1e-4, most = largest(want);
        simt::launch({blocks(c.n, 64), 1, 1}, {256, 1, 1}, [&] {
            c.kernel({halves_of(gate), halves_of(up), halves_of(down), norm, 1e-5f, c.cols, c.width}, x, c.n);
        });
        for (size_t i = 0; i < want.size(); i++) close(x[i], before[i] + want[i], share * most + 1e-6);
    }
}

// Attention inside chunks, of q (chunks, rows, heads, d), k and v (chunks, rows, kv_heads, d).
std::vector<double> attention64(const encoder::Encoder& s, u32 chunks, const std::array<std::vector<double>, 3>& qkv,
                                const float* q_norm, const float* k_norm) {
    const auto& [q, k, v] = qkv;
    const u32 rows = s.rows, heads = s.heads, kv_heads = s.kv_heads, d = s.d;
    auto rotated = [&](const double* row, const float* norm, u32 position) {
        double squares = 0;
        for (u32 e = 0; e < d; e++) squares += row[e] * row[e];
        auto at = [&](u32 e) { return row[e] * norm[e] / std::sqrt(squares / d + 1e-5); };
        std::vector<double> result(d);
        for (u32 e = 0; e < d / 2; e++) {
            const double angle = position * std::pow(1e4, -2.0 * e / d), a = at(e), b = at(e + d / 2);
            result[e] = a * std::cos(angle) - b * std::sin(angle);
            result[e + d / 2] = b * std::cos(angle) + a * std::sin(angle);
        }
        return result;
    };
    std::vector<double> out(q.size(), 0.0);
    for (u32 c = 0; c < chunks; c++)
        for (u32 h = 0; h < heads; h++) {
            auto kv = [&](u32 row) { return (size_t(c * rows + row) * kv_heads + h / (heads / kv_heads)) * d; };
            std::vector<std::vector<double>> keys;
            for (u32 j = 0; j < rows; j++) keys.push_back(rotated(&k[kv(j)], k_norm, j));
            for (u32 i = 0; i < rows; i++) {
                const size_t at = (size_t(c * rows + i) * heads + h) * d;
                const auto query = rotated(&q[at], q_norm, i);
                std::vector<double> weights(rows);
                double sum = 0;
                for (u32 j = 0; j < rows; j++) {
                    double score = 0;
                    for (u32 e = 0; e < d; e++) score += query[e] * keys[j][e];
                    sum += weights[j] = std::exp(score / std::sqrt(d));
                }
                for (u32 j = 0; j < rows; j++)
                    for (u32 e = 0; e < d; e++) out[at + e] += weights[j] / sum * v[kv(j) + e];
            }
        }
    return out;
}

void whole_attention() {
    testing = "attention_whole";
    struct Case {
        Type type;
        u32 chunks, rows, kv_heads;
        void (*kernel)(encoder::Encoder, encoder::Layer, float*);
    };
    using namespace encoder;
    const Case cases[] = {
        {TF16, 2, 65, 4, attention_whole_f16}, {TF16, 1, 1, 4, attention_whole_f16},  {TF16, 3, 80, 1, attention_whole_f16},
        {TF16, 1, 64, 4, attention_whole_f16}, {TBF16, 1, 65, 4, attention_whole_bf16}, {TBF16, 2, 23, 2, attention_whole_bf16},
    };
    for (const Case& c : cases) {
        const u32 n = c.chunks * c.rows, cols = 128, narrow = 32 * c.kv_heads, warps = 2 * blocks(c.rows, 16);
        const Matrix q = matrix(c.type, cols, cols), k = matrix(c.type, narrow, cols), v = matrix(c.type, narrow, cols);
        const Matrix output = matrix(c.type, cols, cols);
        const Array<float> q_bias = values(cols), k_bias = values(narrow), v_bias = values(narrow), norm = values(cols);
        const Array<float> q_norm = values(32, 2), k_norm = values(32, 2), x = values(n * cols, 3), before(n * cols);
        std::copy(x.at, x.at + x.count, before.at);
        const Encoder shape = {c.rows, 4, c.kv_heads, 32, 1e4f, 1e-5f};
        const auto seen = normed_rows(x, norm, n, cols);
        auto biased = [&](const Matrix& w, const float* bias) {
            auto y = product_of(w, seen, n);
            add_to_rows(y, bias, w.weight.rows);
            return y;
        };
        const auto read = attention64(shape, c.chunks, {biased(q, q_bias), biased(k, k_bias), biased(v, v_bias)}, q_norm, k_norm);
        const auto want = product_of(output, read, n);
        simt::launch({c.chunks, 1, 1}, {32 * warps, 1, 1}, [&] {
            c.kernel(shape, {halves_of(q), halves_of(k), halves_of(v), halves_of(output), q_bias, k_bias, v_bias, norm, q_norm, k_norm, 1e-5f}, x);
        });
        const double tolerance = 1e-4 * largest(want);
        for (size_t i = 0; i < want.size(); i++) close(x[i], before[i] + want[i], tolerance);
    }
}

void chunk_memories() {
    testing = "chunk_memory";
    struct Case {
        Type type;
        u32 chunks, rows, cols, width, landmark;
        bool k_norm;
        void (*kernel)(chunk::Memory, const float*, u32, u32);
    };
    using namespace chunk;
    const Case cases[] = {
        {TF16, 3, 65, 128, 32, 128, true, chunk_memory_f16},   {TF16, 1, 1, 128, 64, 4, false, chunk_memory_f16},
        {TF16, 70, 2, 40, 64, 68, true, chunk_memory_f16},     {TBF16, 2, 17, 128, 32, 36, true, chunk_memory_bf16},
        {TBF16, 1, 65, 8, 32, 128, false, chunk_memory_bf16},
    };
    for (const Case& c : cases) {
        const u32 n = c.chunks * c.rows;
        const Matrix k = matrix(c.type, c.width, c.cols), v = matrix(c.type, c.width, c.cols), landmark = matrix(c.type, c.landmark, c.cols);
        const Array<float> x = values(n * c.cols, 3), norm = values(c.cols), k_norm = values(32);
        const Array<float> keys(n * c.width), values_of(n * c.width), landmarks(c.chunks * c.landmark);
        const auto seen = normed_rows(x, norm, n, c.cols);
        std::vector<double> ends;
        for (u32 i = 0; i < c.chunks; i++) {
            const auto end = seen.begin() + (i + 1) * c.rows * c.cols;
            ends.insert(ends.end(), end - c.cols, end);
        }
        auto want = product_of(k, seen, n);
        if (c.k_norm) norm_parts(want, k_norm, 32, 32);
        simt::launch({blocks(n, 64) + blocks(c.chunks, 64), 1, 1}, {128, 1, 1}, [&] {
            c.kernel({halves_of(k), halves_of(v), halves_of(landmark), norm, c.k_norm ? k_norm.at : nullptr, keys, values_of, landmarks,
                      1e-5f, c.cols, c.width, c.landmark}, x, c.chunks, c.rows);
        });
        const double share = c.type == TF16 ? 2e-6 : 1e-4;
        all_close(keys, want, share);
        all_close(values_of, product_of(v, seen, n), share);
        all_close(landmarks, product_of(landmark, ends, c.chunks), share);
    }
}
