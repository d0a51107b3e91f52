// The paged KV cache: a fixed pool of pages for all layers, shared between sequences by reference count and copied when
// one of them writes. Driven by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/config.h"
#include "kernels/types.h"

namespace mixoscope {

/// Bytes that one page (kernels::kKvPageTokens tokens of one sequence, keys and values of all layers) takes.
std::int64_t kvPageBytes(const ModelConfig& config);
/// Pages that hold `tokens` tokens.
constexpr std::int64_t kvPagesFor(std::int64_t tokens) {
    return (tokens + kernels::kKvPageTokens - 1) / kernels::kKvPageTokens;
}

/// Memory for all pages of a pool, of the host or of a device.
class KvMemory {
public:
    virtual ~KvMemory() = default;
    virtual float* data() const = 0;
    /// Copies values within it, ordered with the steps that read and write it.
    virtual void copy(const float* from, float* to, std::int64_t floats) = 0;
};

/// Bytes of a pool. Throws Error where that is no number.
std::int64_t kvCacheBytes(const ModelConfig& config, std::int64_t pages);

/// The pool. Its memory is reserved at once; the host's is touched page by page.
class KvCache {
public:
    /// In the host's memory. Throws Error when it cannot be had.
    KvCache(const ModelConfig& config, std::int64_t pages);
    /// In `memory` of kvCacheBytes().
    KvCache(const ModelConfig& config, std::int64_t pages, std::unique_ptr<KvMemory> memory);

    std::int64_t pageCount() const { return static_cast<std::int64_t>(m_references.size()); }
    std::int64_t freePages() const { return static_cast<std::int64_t>(m_free.size()); }
    std::int64_t layerCount() const { return m_layers; }
    kernels::KvLayer layer(std::int64_t layer) const;

    /// Holders of a page; 0: free.
    std::int32_t references(std::int32_t page) const { return m_references[static_cast<std::size_t>(page)]; }

private:
    friend class KvSequence;
    std::int32_t take();  // a free page with one reference; there must be one
    void share(std::int32_t page);
    void release(std::int32_t page);
    void copyPage(std::int32_t from, std::int32_t to, std::int64_t slots);

    std::int64_t m_layers;
    std::int64_t m_kv_heads;
    std::int64_t m_head_dim;
    std::unique_ptr<KvMemory> m_memory;      // (layers, 2, pages, kv_heads, kKvPageTokens, head_dim)
    std::vector<std::int32_t> m_references;  // (pages)
    std::vector<std::int32_t> m_free;        // a stack
};

/// One sequence's pages, in order. Gives its pages back when it goes. The cache must outlive it.
class KvSequence {
public:
    explicit KvSequence(KvCache& cache);
    ~KvSequence();
    KvSequence(KvSequence&& other) noexcept;
    KvSequence& operator=(KvSequence&& other) noexcept;
    KvSequence(const KvSequence&) = delete;
    KvSequence& operator=(const KvSequence&) = delete;

    /// Tokens that the sequence has room for and that count as written.
    std::int64_t length() const { return m_length; }
    /// Page of position p: pages()[p / kKvPageTokens]. Valid until the next extend, truncate or move.
    std::span<const std::int32_t> pages() const { return m_pages; }

    /// Makes the next `tokens` positions writable: takes pages, and copies the last one if it is shared. False, and
    /// nothing changed, when the pool has too few pages. Allocates nothing.
    [[nodiscard]] bool extend(std::int64_t tokens);
    /// Forgets all positions from `length` on.
    void truncate(std::int64_t length);
    /// A sequence that shares the first `length` positions.
    KvSequence fork(std::int64_t length) const;

private:
    KvCache* m_cache;
    std::int64_t m_length = 0;
    std::vector<std::int32_t> m_pages;
};

}  // namespace mixoscope
