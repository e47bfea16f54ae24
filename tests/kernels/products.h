// Weights of every type, and the products with them. A part of main.cpp, inside its namespace.
#pragma once

// ---- weights -----------------------------------------------------------------------------------------------------------

struct Matrix {
    Array<u8> q{1}, scales{1}, more{1};
    Array<u32> bits{1};
    std::vector<double> dense;
    Weight weight{};
};

Matrix matrix(Type type, u32 rows, u32 cols) {
    const size_t count = size_t(rows) * cols;
    Matrix m;
    m.dense.resize(count);
    if (type == TF32 || type == TF16 || type == TBF16) {
        new (&m.q) Array<u8>(count * (type == TF32 ? 4 : 2) + 16);
        for (size_t i = 0; i < count; i++) {
            const float v = uniform();
            const u16 half = type == TF16 ? f32_to_f16(v) : u16(__float_as_uint(v) >> 16);
            if (type == TF32) reinterpret_cast<float*>(m.q.at)[i] = v;
            if (type != TF32) reinterpret_cast<u16*>(m.q.at)[i] = half;
            m.dense[i] = type == TF32 ? v : type == TF16 ? f16_to_f32(half) : bf16_to_f32(half);
        }
    } else {
        new (&m.q) Array<u8>(type == TQ8_0 ? count : count / 2);
        new (&m.scales) Array<u8>(count / 32 * 2);
        new (&m.more) Array<u8>(count / 256 * 4 + 4);
        new (&m.bits) Array<u32>(count / 16 + 2);
        const bool larger = type == TQ4_K || type == TQ6_K;
        for (size_t block = 0; block < count / 32; block++) {
            const u16 scale = f32_to_f16(0.01f * (2 + uniform())), minimum = f32_to_f16(0.02f * (2 + uniform()));
            u16* const factors = reinterpret_cast<u16*>(m.more.at) + (type == TQ4_K ? block / 8 * 2 : block / 8);
            if (larger && block % 8 == 0) factors[0] = scale;
            if (type == TQ4_K && block % 8 == 0) factors[1] = minimum;
            if (larger) m.scales[2 * block] = u8(random_bits() % 64), m.scales[2 * block + 1] = u8(random_bits() % 64);
            else reinterpret_cast<u16*>(m.scales.at)[block] = scale;
            if (type == TQ6_K) m.bits[2 * block] = m.bits[2 * block + 1] = 0;
            for (int i = 0; i < 32; i++) {
                const int v = type == TQ8_0 ? int(random_bits() % 255) - 127 : int(random_bits() % (type == TQ6_K ? 64 : 16));
                if (type == TQ8_0) {
                    m.q[block * 32 + i] = u8(v);
                } else {
                    u8& byte = m.q[block * 16 + i % 16];
                    byte = i < 16 ? u8(v & 15) : u8(byte | (v & 15) << 4);
                }
                if (type == TQ6_K) m.bits[2 * block + i / 16] |= u32(v >> 4) << (i % 4 * 8 + i / 4 % 4 * 2);
                double& value = m.dense[block * 32 + i];
                value = f16_to_f32(scale) * double(type == TQ8_0 ? v : v - 8);
                if (type == TQ4_K)
                    value = f16_to_f32(factors[0]) * double(m.scales[2 * block] * v) - f16_to_f32(factors[1]) * double(m.scales[2 * block + 1]);
                if (type == TQ6_K) value = f16_to_f32(factors[0]) * double(i8(m.scales[2 * block + i / 16]) * (v - 32));
            }
        }
    }
    m.weight = {m.q, m.scales, m.more, m.bits, rows, cols};
    return m;
}

std::vector<double> product_of(const Matrix& m, const std::vector<double>& x, u32 n) {
    const u32 rows = m.weight.rows, cols = m.weight.cols;
    std::vector<double> y(size_t(n) * rows, 0.0);
    for (u32 i = 0; i < n; i++)
        for (u32 r = 0; r < rows; r++)
            for (u32 k = 0; k < cols; k++) y[size_t(i) * rows + r] += x[size_t(i) * cols + k] * m.dense[size_t(r) * cols + k];
    return y;
}

// Norms each `width` values of x, rows of `cols`.
void norm_parts(std::vector<double>& x, const float* norm, u32 cols, u32 width) {
    for (size_t part = 0; part < x.size(); part += width) {
        double squares = 0;
        for (size_t i = part; i < part + width; i++) squares += x[i] * x[i];
        for (size_t i = part; i < part + width; i++) x[i] *= norm[i % cols] / std::sqrt(squares / width + 1e-5);
    }
}

void add_to_rows(std::vector<double>& y, const float* bias, u32 rows) {
    for (size_t i = 0; i < y.size(); i++) y[i] += bias[i % rows];
}

// What `launch(accumulate)` leaves in y: first the product, then twice of it.
template <class Launch>
void stored_and_added(const float* y, std::vector<double> want, double share, Launch launch) {
    for (u32 accumulate : {0, 1}) {
        launch(accumulate);
        all_close(y, want, share);
        for (double& v : want) v *= 2;
    }
}

// Launches a kernel whose blocks have tiles of results.
template <class Kernel>
void launch_tiles(u32 tile, u32 rows, u32 n, Kernel kernel) {
    simt::launch({blocks(rows, tile), blocks(n, tile), 1}, {tile == 64 ? 128u : 256u, 1, 1}, kernel);
}

using Split = void (*)(const float*, const float*, float, u32, u32, u16*, u16*, float*, float*);

// x (n, cols) as `split` leaves it.
struct Halves {
    Array<u16> hi, lo;
    Array<float> units, sums;
    Halves(Split split, const float* x, const float* norm, u32 n, u32 cols, bool with_sums)
        : hi(size_t(n) * cols), lo(size_t(n) * cols), units(n), sums(size_t(n) * cols / 32) {
        const bool any = split == split_f16_any || split == split_bf16_any;
        simt::launch({any ? n : blocks(n, 4), 1, 1}, any ? Index{256, 1, 1} : Index{32, 4, 1},
                     [&] { split(x, norm, 1e-5f, n, cols, hi, lo, units, with_sums ? sums.at : nullptr); });
    }
};

void products() {
    testing = "matmul";
    struct Case {
        Type type;
        u32 tile, n, rows, cols;
        void (*kernel)(Weight, const float*, u32, const float*, float*, u32);
    };
    const Case cases[] = {
        {TF32, 64, 5, 70, 33, product::matmul_f32_64},     {TF16, 64, 65, 3, 64, product::matmul_f16_64},
        {TBF16, 64, 1, 64, 40, product::matmul_bf16_64},   {TQ8_0, 64, 9, 66, 96, product::matmul_q8_0_64},
        {TQ4_0, 64, 64, 17, 32, product::matmul_q4_0_64},  {TF16, 128, 130, 129, 80, product::matmul_f16_128},
        {TF32, 128, 7, 130, 7, product::matmul_f32_128},   {TQ4_K, 64, 3, 70, 256, product::matmul_q4_k_64},
        {TQ6_K, 64, 5, 3, 512, product::matmul_q6_k_64},
    };
    for (const Case& c : cases) {
        const Matrix m = matrix(c.type, c.rows, c.cols);
        const Array<float> x = values(size_t(c.n) * c.cols, 3), y(size_t(c.n) * c.rows), bias = values(c.rows);
        auto want = product_of(m, {x.at, x.at + x.count}, c.n);
        add_to_rows(want, bias, c.rows);
        // Without rounding to the nearest the parts of f32 hold 16 bits.
        stored_and_added(y, want, 1e-4, [&](u32 accumulate) {
            launch_tiles(c.tile, c.rows, c.n, [&] { c.kernel(m.weight, x, c.n, bias, y, accumulate); });
        });
    }
}

// Rows of x differ by many powers of two: each has a unit of its own.
void products_of_halves() {
    testing = "split and matmul_halves";
    struct Case {
        Type type;
        u32 tile, n, rows, cols;
        Split split;
        void (*kernel)(Weight, const u16*, const u16*, const float*, u32, const float*, float*, u32);
    };
    const Case cases[] = {
        {TF16, 64, 5, 70, 40, split_f16_512, product::matmul_halves_f16_64},
        {TF16, 128, 130, 129, 200, split_f16_any, product::matmul_halves_f16_128},
        {TF16, 64, 65, 1, 8, split_f16_512, product::matmul_halves_f16_64},
        {TBF16, 64, 7, 66, 1032, split_bf16_2048, product::matmul_halves_bf16_64},
        {TBF16, 128, 9, 130, 96, split_bf16_any, product::matmul_halves_bf16_128},
    };
    for (const Case& c : cases) {
        const Matrix m = matrix(c.type, c.rows, c.cols);
        const Array<float> norm = values(c.cols), y(size_t(c.n) * c.rows);
        for (bool normed : {false, true}) {
            const Array<float> x = values(size_t(c.n) * c.cols, 3);
            std::vector<double> seen(x.at, x.at + x.count);
            if (normed) norm_parts(seen, norm, c.cols, c.cols);
            for (size_t i = 0; !normed && i < x.count; i++) x.at[i] *= std::exp2(int(i / c.cols % 7) * 12 - 40);
            const Halves halves(c.split, x, normed ? norm.at : nullptr, c.n, c.cols, false);
            auto want = product_of(m, seen, c.n);
            for (u32 accumulate : {0, 1}) {
                launch_tiles(c.tile, c.rows, c.n,
                             [&] { c.kernel(m.weight, halves.hi, halves.lo, halves.units, c.n, nullptr, y, accumulate); });
                Array<float> scaled(y.count);
                for (size_t i = 0; i < y.count; i++)
                    scaled.at[i] = normed ? y.at[i] : std::ldexp(y.at[i], 40 - int(i / c.rows % 7) * 12);
                all_close(scaled, want, c.type == TF16 ? 1e-6 : 1e-4);
                for (double& v : want) v *= 2;
            }
        }
    }
}

// Up to three products of whole rows, by one or two blocks a tile of tokens.
void products_of_rows() {
    testing = "matmul_rows";
    struct Case {
        Type type;
        u32 n, cols, count, groups;
        u32 rows[3];
        void (*kernel)(product::Products, u32, const float*, const float*, float, u32, u32, u32);
        // Two that become one: silu(first) · second.
        bool gated = false;
    };
    const Case cases[] = {
        {TF16, 5, 40, 1, 1, {70}, product::matmul_rows_f16_128},
        {TF16, 70, 128, 2, 2, {136, 136}, product::swiglu_rows_f16_128, true},
        {TBF16, 5, 72, 2, 1, {35, 35}, product::swiglu_rows_bf16_128, true},
        {TF16, 66, 248, 2, 3, {130, 130}, product::swiglu_rows_f16_256, true},
        {TF16, 130, 128, 3, 2, {65, 1, 64}, product::matmul_rows_f16_128},
        {TF16, 64, 200, 2, 4, {129, 66}, product::matmul_rows_f16_256},
        {TF16, 65, 320, 1, 2, {128}, product::matmul_rows_f16_320},
        {TBF16, 7, 8, 3, 1, {0, 3, 67}, product::matmul_rows_bf16_128},
        {TBF16, 66, 264, 2, 1, {64, 10}, product::matmul_rows_bf16_320},
    };
    for (const Case& c : cases) {
        const Array<float> x = values(size_t(c.n) * c.cols, 3), norm = values(c.cols);
        for (bool normed : {false, true}) {
            std::vector<double> seen(x.at, x.at + x.count);
            if (normed) norm_parts(seen, norm, c.cols, c.cols);
            std::vector<Matrix> all;
            std::vector<Array<float>> biases, results;
            std::vector<std::vector<double>> wants;
            product::Products products{};
            u32 tiles = 0;
            products.count = c.count;
            for (u32 i = 0; i < c.count; i++) {
                all.push_back(matrix(c.type, c.rows[i], c.cols));
                biases.push_back(values(c.rows[i]));
                results.push_back(Array<float>(size_t(c.n) * c.rows[i]));
                wants.push_back(product_of(all[i], seen, c.n));
                // The second has no bias.
                if (i != 1 && !c.gated) add_to_rows(wants[i], biases[i], c.rows[i]);
                products.w[i] = reinterpret_cast<const u16*>(all[i].q.at);
                products.bias[i] = i == 1 || c.gated ? nullptr : biases[i].at;
                products.y[i] = results[i];
                products.rows[i] = c.rows[i];
                if (i == 0 || !c.gated) tiles += blocks(c.rows[i], 64);
            }
            for (size_t k = 0; c.gated && k < wants[0].size(); k++) wants[0][k] = silu64(wants[0][k]) * wants[1][k];
            for (u32 accumulate : {0, 1}) {
                simt::launch({c.groups, blocks(c.n, 64), 1}, {32, 8, 1}, [&] {
                    c.kernel(products, tiles, x, normed ? norm.at : nullptr, 1e-5f, c.n, c.cols, accumulate);
                });
                for (u32 i = 0; i < (c.gated ? 1 : c.count); i++) {
                    all_close(results[i], wants[i], c.type == TF16 ? c.gated ? 2e-6 : 1e-6 : 1e-4);
                    for (double& v : wants[i]) v *= 2;
                }
            }
        }
    }
}

void products_of_integers() {
    testing = "widen and matmul_wide";
    struct Case {
        Type type;
        u32 tile, n, rows, cols;
        Split split;
        void (*widen)(Weight, u16*, float*, float*);
        void (*kernel)(const u16*, u32, u32, product::Factors, const u16*, const u16*, const float*, u32,
                       const float*, float*, u32);
    };
    const Case cases[] = {
        {TQ8_0, 64, 65, 70, 96, split_f16_512, widen_q8_0, product::matmul_wide_64},
        {TQ4_0, 128, 130, 129, 64, split_f16_any, widen_q4_0, product::matmul_wide_128},
        {TQ4_K, 64, 7, 65, 512, split_f16_any, widen_q4_k, product::matmul_wide_less_64},
        {TQ4_K, 128, 129, 3, 256, split_f16_512, widen_q4_k, product::matmul_wide_less_128},
        {TQ6_K, 64, 5, 66, 1280, split_f16_2048, widen_q6_k, product::matmul_wide_64},
    };
    for (const Case& c : cases) {
        const Matrix m = matrix(c.type, c.rows, c.cols);
        const size_t count = size_t(c.rows) * c.cols;
        const Array<float> x = values(size_t(c.n) * c.cols, 3), y(size_t(c.n) * c.rows), bias = values(c.rows);
        const Array<u16> q(count);
        const Array<float> scale(count / 16), less(count / 32);
        const Halves halves(c.split, x, nullptr, c.n, c.cols, c.type == TQ4_K);
        simt::launch({blocks(count / 16, 256), 1, 1}, {256, 1, 1}, [&] { c.widen(m.weight, q, scale, less); });
        auto want = product_of(m, {x.at, x.at + x.count}, c.n);
        add_to_rows(want, bias, c.rows);
        stored_and_added(y, want, 2e-6, [&](u32 accumulate) {
            launch_tiles(c.tile, c.rows, c.n, [&] {
                c.kernel(q, c.rows, c.cols, {scale, less, halves.sums}, halves.hi, halves.lo, halves.units, c.n, bias, y,
                         accumulate);
            });
        });
    }
}

void products_of_few() {
    testing = "matvec";
    struct Case {
        Type type;
        u32 several, rows, cols;
        void (*kernel)(Weight, const float*, const float*, u32, float, float*, u32);
    };
    const Case cases[] = {
        {TF32, 1, 19, 4, few::matvec_f32_1},      {TF32, 2, 45, 1300, few::matvec_f32_2}, {TF32, 4, 70, 260, few::matvec_f32_4},
        {TF16, 1, 9, 2048, few::matvec_f16_1},    {TF16, 2, 33, 1024, few::matvec_f16_2}, {TBF16, 4, 65, 88, few::matvec_bf16_4},
        {TQ8_0, 1, 17, 1024, few::matvec_q8_0_1}, {TQ8_0, 4, 100, 96, few::matvec_q8_0_4},
        {TQ4_0, 2, 40, 64, few::matvec_q4_0_2},   {TQ4_0, 4, 33, 1280, few::matvec_q4_0_4},
        {TQ4_K, 2, 40, 256, few::matvec_q4_k_2},  {TQ6_K, 1, 17, 1280, few::matvec_q6_k_1},
    };
    for (const Case& c : cases)
        for (u32 width : {0u, c.cols, c.cols % 256 ? c.cols : c.cols / 2})
            for (u32 grid : {blocks(c.rows, 8 * c.several), 1u}) {
                const Matrix m = matrix(c.type, c.rows, c.cols);
                const u32 n = 2;
                const Array<float> x = values(n * c.cols, 3), norm = values(c.cols), y(n * c.rows);
                std::vector<double> seen(x.at, x.at + x.count);
                if (width) norm_parts(seen, norm, c.cols, width);
                double share = 1e-5;
                if (c.type >= TQ8_0) {
                    // Rounding to 8 bits may fall either way after another norm.
                    share = 5e-3;
                    for (u32 block = 0; block < n * c.cols; block += 32) {
                        double most = 1e-30;
                        for (u32 i = block; i < block + 32; i++) most = std::max(most, std::fabs(seen[i]));
                        for (u32 i = block; i < block + 32; i++) seen[i] = std::nearbyint(seen[i] / most * 127) * most / 127;
                    }
                }
                stored_and_added(y, product_of(m, seen, n), share, [&](u32 accumulate) {
                    simt::launch({grid, n, 1}, {256, 1, 1}, [&] {
                        c.kernel(m.weight, x, width ? norm.at : nullptr, width ? width : c.cols, 1e-5f, y, accumulate);
                    });
                });
            }
    const Matrix m = matrix(TF16, 11, 33);
    const Array<float> x = values(33), y(11);
    simt::launch({2, 1, 1}, {256, 1, 1}, [&] { few::matvec_odd_f16(m.weight, x, y, 0); });
    all_close(y, product_of(m, {x.at, x.at + 33}, 1), 1e-5);
}
