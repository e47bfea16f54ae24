// Codes of landmarks, and what they say of products: part of main.cpp.

// What a tile of one head says: the landmark that its codes stand for, and lengths.
struct Tile {
    const u8* at;
    u32 directions;
    const float* lengths() const { return reinterpret_cast<const float*>(at + 32 * directions); }
    double value(const float* basis, u32 width, u32 c, u32 k) const {
        const float *rows = basis + width, *scales = rows + directions * width;
        double value = basis[k];
        for (u32 j = 0; j < directions; j++)
            value += double((signed char)at[j * 32 + c]) * scales[j] * rows[j * width + k];
        return value;
    }
};

// Codes made in two parts say no less than every product, and the lists have the highest bounds.
void landmark_codes() {
    testing = "codes";
    using retrieval::Found;
    struct Case {
        u32 heads, width, directions, count, before, n, parts, top;
        bool half, ties = false;
    };
    for (const Case& c : {Case{1, 64, 8, 300, 70, 1, 3, 32, true}, {2, 67, 8, 100, 0, 3, 1, 64, true}, {1, 128, 24, 1, 0, 1, 2, 32, true},
                          {1, 65, 9, 33, 32, 2, 9, 64, false}, {3, 64, 8, 64, 31, 1, 1, 5, false}, {1, 64, 8, 200, 100, 2, 2, 32, true, true},
                          {2, 100, 17, 31, 1, 1, 4, 1, true}}) {
        const u32 row = c.heads * c.width, basis = c.width + c.directions * c.width + c.directions;
        const u32 head_bytes = 32 * (c.directions + 4) + 16, tiles = blocks(c.count, 32);
        const Array<float> full = values(size_t(c.count) * row), bases(c.heads * basis), q = values(c.n * row);
        const Array<u16> half(full.count);
        for (size_t i = 0; i < full.count; i++) {
            // About the mean; one that codes cannot express.
            full[i] = c.ties && i >= row ? full[i % row] : 2 + (i / row == 17 ? 1e4f : 0.3f) * full[i];
            half[i] = f32_to_f16(full[i]);
            if (c.half) full[i] = f16_to_f32(half[i]);
        }
        for (u32 h = 0; h < c.heads; h++) {
            float *mean = bases.at + h * basis, *rows = mean + c.width, *scales = rows + c.directions * c.width;
            for (u32 k = 0; k < c.width; k++) mean[k] = 2;
            std::fill(rows, scales, 0.0f);
            // Different axes, and of the last one nothing.
            for (u32 j = 0; j < c.directions; j++) rows[j * c.width + 3 * j] = 1, scales[j] = j + 1 < c.directions ? 0.01f : 0.0f;
        }
        const Array<u8> codes(size_t(tiles) * c.heads * head_bytes);
        std::memset(codes.at, 0x7f, codes.count);
        auto encode = [&](u32 first, u32 count) {
            const u8* from = c.half ? reinterpret_cast<const u8*>(half.at + size_t(first) * row) : reinterpret_cast<const u8*>(full.at + size_t(first) * row);
            if (count)
                simt::launch({(first + count + 31) / 32 - first / 32, c.heads, 1}, {256, 1, 1}, [&] {
                    retrieval::encode_codes(from, c.half, count, c.heads, c.width, c.directions, bases, first, codes);
                });
        };
        encode(0, c.before), encode(c.before, c.count - c.before);
        auto tile = [&](u32 i, u32 h) { return Tile{codes.at + (size_t(i / 32) * c.heads + h) * head_bytes, c.directions}; };
        for (u32 i = 0; i < c.count; i++)
            for (u32 h = 0; h < c.heads; h++) {
                const Tile t = tile(i, h);
                const float* lengths = t.lengths();
                const float* rows = bases.at + h * basis + c.width;
                double squares = 0, along = 0, rest[1024];
                for (u32 k = 0; k < c.width; k++) {
                    rest[k] = full[size_t(i) * row + h * c.width + k] - t.value(bases.at + h * basis, c.width, i % 32, k);
                    squares += rest[k] * rest[k];
                }
                for (u32 j = 0; j < c.directions; j++) {
                    double sum = 0;
                    for (u32 k = 0; k < c.width; k++) sum += rows[j * c.width + k] * rest[k];
                    along += sum * sum;
                }
                if (i == 17 && !c.ties) {
                    close(lengths[i % 32] == INFINITY, 1, 0);
                    continue;
                }
                close(lengths[i % 32], std::sqrt(squares), 1e-5);
                close(lengths[32] >= std::sqrt(along) - 1e-6, 1, 0);
                close(lengths[32] < 0.5 * std::sqrt(c.directions) + 2, 1, 0);
            }

        std::vector<u32> visible(c.n);
        for (u32 i = 0; i < c.n; i++) visible[i] = i + 1 == c.n ? c.count : c.count * i / c.n;
        const float scale = 0.5f;
        const Array<float> queries(c.n * c.heads * (4 + c.directions));
        for (u32 r = 0; r < c.n * c.heads; r++) {
            const float *x = q + r * c.width, *mean = bases + r % c.heads * basis, *rows = mean + c.width, *scales = rows + c.directions * c.width;
            float* query = queries.at + r * (4 + c.directions);
            double along = 0, all = 0, product = 0;
            for (u32 k = 0; k < c.width; k++) all += double(x[k]) * x[k], product += double(x[k]) * mean[k];
            for (u32 j = 0; j < c.directions; j++) {
                double t = 0;
                for (u32 k = 0; k < c.width; k++) t += double(rows[j * c.width + k]) * x[k];
                along += t * t, query[4 + j] = float(t * scales[j]);
            }
            query[0] = float(product), query[1] = float(std::sqrt(along)) * 1.000001f;
            query[2] = float(std::sqrt(all - along)) * 1.000001f, query[3] = 1e-5f * float(std::sqrt(all));
        }
        std::vector<Found> lists(c.n * c.heads * c.parts * c.top), best(c.n * c.heads * c.top);
        simt::launch({c.parts, c.heads, c.n}, {256, 1, 1}, [&] {
            retrieval::bound_codes(queries, c.n == 1 ? nullptr : visible.data(), c.count, c.heads, c.directions, codes, c.count, scale, c.top, lists.data());
        });
        simt::launch({c.n * c.heads, 1, 1}, {256, 1, 1}, [&] { retrieval::best_of(lists.data(), c.parts, c.top, best.data()); });
        // The whole, and from some tile on: what reaches a bound in the middle of each row's.
        std::vector<float> least(c.n * c.heads);
        std::vector<u32> expected(tiles), unsure(tiles);
        for (u32 r = 0; r < c.n * c.heads; r++) {
            const float* query = queries.at + r * (4 + c.directions);
            std::vector<std::pair<double, u32>> bounds;
            for (u32 i = 0; i < visible[r / c.heads]; i++) {
                const Tile t = tile(i, r % c.heads);
                const float* lengths = t.lengths();
                double bound = query[0], product = 0;
                for (u32 j = 0; j < c.directions; j++) bound += double(query[4 + j]) * (signed char)t.at[j * 32 + i % 32];
                bound += double(query[1]) * lengths[32] + double(query[3]) * lengths[33] + double(query[2]) * lengths[i % 32];
                for (u32 k = 0; k < c.width; k++) product += double(q[r * c.width + k]) * full[size_t(i) * row + r % c.heads * c.width + k];
                close(bound >= product, 1, 0);
                bounds.push_back({-bound * scale, i});
            }
            std::sort(bounds.begin(), bounds.end());
            least[r] = bounds.empty() ? -INFINITY : float(-bounds[bounds.size() / 2].first);
            for (auto& [minus, i] : bounds) {
                const bool near = std::fabs(-minus - least[r]) < 1e-4;
                (near ? unsure : expected)[i / 32] |= u32(near || -minus >= least[r]) << i % 32;
            }
            for (u32 k = 0; k < c.top; k++) {
                const Found found = best[r * c.top + k];
                if (k >= bounds.size()) {
                    close(found.id == retrieval::NONE, 1, 0);
                    continue;
                }
                if (std::isinf(bounds[k].first)) {
                    close(found.id, bounds[k].second, 0);
                    continue;
                }
                close(found.score, -bounds[k].first, 1e-4);
                close(found.id < visible[r / c.heads], 1, 0);
                // Of those that are equal the first ones.
                if (c.ties) close(found.id, k, 0);
            }
        }
        for (u32 first : {0u, tiles / 2}) {
            std::vector<u32> within(tiles - first, ~0u);
            simt::launch({2, 1, 1}, {256, 1, 1}, [&] {
                retrieval::codes_within(queries, c.n == 1 ? nullptr : visible.data(), c.count, least.data(), c.n, c.heads, c.directions, codes, first, c.count, scale, within.data());
            });
            for (u32 i = first; i < tiles; i++) close(((within[i - first] ^ expected[i]) & ~unsure[i]) | (within[i - first] & ~(expected[i] | unsure[i])), 0, 0);
        }
    }
}
