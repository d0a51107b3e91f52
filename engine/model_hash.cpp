#include "engine/model_hash.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <vector>

namespace mixoscope {

namespace {

/// 64 bits of state, mixed a word at a time with the finaliser of MurmurHash3 (public domain, A. Appleby): for telling
/// files apart, not for safety against someone who looks for collisions.
class Hasher {
public:
    void addWord(std::uint64_t word) { m_state = mixed(m_state ^ mixed(word + kStep * ++m_words)); }
    void add(std::span<const std::byte> bytes) {
        addWord(bytes.size());
        while (!bytes.empty()) {
            std::uint64_t word = 0;
            const std::size_t count = std::min(bytes.size(), sizeof word);
            std::memcpy(&word, bytes.data(), count);
            addWord(word);
            bytes = bytes.subspan(count);
        }
    }
    void add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }
    void add(std::span<const float> values) { add(std::as_bytes(values)); }
    std::string text() const {
        std::array<char, 17> digits{};
        std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(m_state));
        return digits.data();
    }

private:
    static constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15;
    static constexpr std::uint64_t mixed(std::uint64_t value) {
        value = (value ^ value >> 33U) * 0xFF51AFD7ED558CCD;
        value = (value ^ value >> 33U) * 0xC4CEB9FE1A85EC53;
        return value ^ value >> 33U;
    }
    std::uint64_t m_state = 0;
    std::uint64_t m_words = 0;
};

void addShape(Hasher& hasher, const kernels::Matrix& matrix) {
    hasher.addWord(static_cast<std::uint64_t>(matrix.type));
    hasher.addWord(static_cast<std::uint64_t>(matrix.rows));
    hasher.addWord(static_cast<std::uint64_t>(matrix.columns));
}

std::span<const std::byte> bytesOf(const kernels::Matrix& matrix) {
    return {static_cast<const std::byte*>(matrix.data), matrix.empty() ? 0 : static_cast<std::size_t>(matrix.bytes())};
}

void addSamples(Hasher& hasher, const kernels::Matrix& matrix) {
    constexpr std::size_t kSample = 64;
    addShape(hasher, matrix);
    const std::span<const std::byte> bytes = bytesOf(matrix);
    if (bytes.size() <= 3 * kSample) {
        hasher.add(bytes);
        return;
    }
    hasher.add(bytes.first(kSample));
    hasher.add(bytes.subspan(bytes.size() / 2, kSample));
    hasher.add(bytes.last(kSample));
}

void addConfig(Hasher& hasher, const ModelConfig& config) {
    hasher.add(config.architecture);
    for (const std::int64_t number :
         {config.vocab_size, config.hidden_size, config.num_hidden_layers, config.num_attention_heads,
          config.num_key_value_heads, config.head_dim, config.num_experts, config.num_experts_per_tok,
          config.moe_intermediate_size, config.decoder_sparse_step, std::int64_t{config.norm_topk_prob}})
        hasher.addWord(static_cast<std::uint64_t>(number));
    hasher.addWord(std::bit_cast<std::uint64_t>(config.rope.theta));
}

}  // namespace

std::string modelHash(const Model& model) {
    Hasher hasher;
    addConfig(hasher, model.config);
    addSamples(hasher, model.weights.embed_tokens);
    addSamples(hasher, model.weights.lm_head);
    hasher.add(std::span<const float>(model.weights.final_norm));
    for (const LayerWeights& layer : model.weights.layers) {
        hasher.add(std::span<const float>(layer.input_norm));
        hasher.add(std::span<const float>(layer.post_attention_norm));
        addShape(hasher, layer.router);
        hasher.add(bytesOf(layer.router));
        for (const kernels::Matrix& matrix : {layer.q_proj, layer.k_proj, layer.v_proj, layer.o_proj})
            addSamples(hasher, matrix);
        for (const kernels::ExpertMatrices& expert : layer.experts) {
            addSamples(hasher, expert.gate);
            addSamples(hasher, expert.up);
            addSamples(hasher, expert.down);
        }
    }
    return hasher.text();
}

namespace {

/// Never destroyed: a model that lives as long as the program is forgotten after everything else.
std::mutex& rememberedMutex() {
    static auto& mutex = *new std::mutex;
    return mutex;
}

std::map<const Model*, std::string>& rememberedHashes() {
    static auto& hashes = *new std::map<const Model*, std::string>;
    return hashes;
}

}  // namespace

std::string rememberedModelHash(const Model& model) {
    const std::lock_guard lock(rememberedMutex());
    const auto [entry, is_new] = rememberedHashes().try_emplace(&model);
    if (is_new) entry->second = modelHash(model);
    return entry->second;
}

void forgetModelHash(const Model& model) noexcept {
    const std::lock_guard lock(rememberedMutex());
    rememberedHashes().erase(&model);
}

std::string contentHash(std::span<const std::byte> bytes) {
    Hasher hasher;
    hasher.add(bytes);
    return hasher.text();
}

std::string fileHash(const std::filesystem::path& file) {
    constexpr std::uint64_t kWhole = std::uint64_t{16} << 20;
    constexpr std::uint64_t kPiece = 4096;
    constexpr std::uint64_t kPieces = 64;
    std::error_code failure;
    const std::uint64_t size = std::filesystem::file_size(file, failure);
    std::ifstream stream(file, std::ios::binary);
    if (failure || !stream) return {};
    Hasher hasher;
    hasher.addWord(size);
    const bool whole = size <= kWhole;
    std::vector<char> bytes(static_cast<std::size_t>(whole ? size : kPiece));
    for (std::uint64_t piece = 0; piece < (whole ? 1 : kPieces); ++piece) {
        if (!whole) stream.seekg(static_cast<std::streamoff>((size - kPiece) / (kPieces - 1) * piece));
        // The last piece is the file's end, whatever the division left.
        if (!whole && piece + 1 == kPieces) stream.seekg(-static_cast<std::streamoff>(kPiece), std::ios::end);
        if (!bytes.empty() && !stream.read(bytes.data(), std::ssize(bytes))) return {};
        hasher.add(std::as_bytes(std::span(bytes)));
    }
    return hasher.text();
}

}  // namespace mixoscope
