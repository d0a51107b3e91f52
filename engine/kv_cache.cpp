#include "engine/kv_cache.h"

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "engine/error.h"

namespace mixoscope {

namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, and the widest SIMD register

std::int64_t floatsPerLayerPage(std::int64_t kv_heads, std::int64_t head_dim) {
    return kv_heads * kernels::kKvPageTokens * head_dim;
}

class HostKvMemory final : public KvMemory {
public:
    explicit HostKvMemory(std::int64_t bytes) {
        const std::size_t aligned = (static_cast<std::size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
        m_data.reset(static_cast<float*>(std::aligned_alloc(kAlignment, aligned)));
        if (m_data) return;
        throw Error({.what = "Not enough memory for the KV cache",
                     .found = std::to_string(bytes / (1024 * 1024)) + " MiB needed",
                     .advice = "Choose a shorter context or fewer lanes"});
    }
    float* data() const override { return m_data.get(); }
    void copy(const float* from, float* to, std::int64_t floats) override {
        std::memcpy(to, from, static_cast<std::size_t>(floats) * sizeof(float));
    }

private:
    struct Free {
        void operator()(float* data) const { std::free(data); }
    };
    std::unique_ptr<float[], Free> m_data;
};

}  // namespace

std::int64_t kvPageBytes(const ModelConfig& config) {
    return config.num_hidden_layers * 2 * floatsPerLayerPage(config.num_key_value_heads, config.head_dim) *
           static_cast<std::int64_t>(sizeof(float));
}

std::int64_t kvCacheBytes(const ModelConfig& config, std::int64_t pages) {
    std::int64_t bytes = 0;
    if (__builtin_mul_overflow(kvPageBytes(config), pages, &bytes)) {
        throw Error({.what = "The KV cache is too large", .found = std::to_string(pages) + " pages"});
    }
    return bytes;
}

KvCache::KvCache(const ModelConfig& config, std::int64_t pages)
    : KvCache(config, pages, std::make_unique<HostKvMemory>(kvCacheBytes(config, pages))) {}

KvCache::KvCache(const ModelConfig& config, std::int64_t pages, std::unique_ptr<KvMemory> memory)
    : m_layers(config.num_hidden_layers),
      m_kv_heads(config.num_key_value_heads),
      m_head_dim(config.head_dim),
      m_memory(std::move(memory)) {
    assert(pages > 0);
    m_references.assign(static_cast<std::size_t>(pages), 0);
    m_free.reserve(static_cast<std::size_t>(pages));
    for (std::int64_t page = pages - 1; page >= 0; --page) m_free.push_back(static_cast<std::int32_t>(page));
}

kernels::KvLayer KvCache::layer(std::int64_t layer) const {
    assert(layer >= 0 && layer < m_layers);
    const std::int64_t part = pageCount() * floatsPerLayerPage(m_kv_heads, m_head_dim);
    float* keys = m_memory->data() + layer * 2 * part;
    return {.keys = keys, .values = keys + part, .kv_heads = m_kv_heads, .head_dim = m_head_dim};
}

std::int32_t KvCache::take() {
    assert(!m_free.empty());
    const std::int32_t page = m_free.back();
    m_free.pop_back();
    m_references[static_cast<std::size_t>(page)] = 1;
    return page;
}

void KvCache::share(std::int32_t page) {
    assert(references(page) > 0);
    ++m_references[static_cast<std::size_t>(page)];
}

void KvCache::release(std::int32_t page) {
    assert(references(page) > 0);
    if (--m_references[static_cast<std::size_t>(page)] == 0) m_free.push_back(page);
}

void KvCache::copyPage(std::int32_t from, std::int32_t to, std::int64_t slots) {
    const std::int64_t floats = slots * m_head_dim;
    for (std::int64_t index = 0; index < m_layers; ++index) {
        const kernels::KvLayer kv = layer(index);
        for (std::int64_t head = 0; head < m_kv_heads; ++head) {
            m_memory->copy(kv.keys + kv.offset(from, head, 0), kv.keys + kv.offset(to, head, 0), floats);
            m_memory->copy(kv.values + kv.offset(from, head, 0), kv.values + kv.offset(to, head, 0), floats);
        }
    }
}

KvSequence::KvSequence(KvCache& cache) : m_cache(&cache) {
    m_pages.reserve(static_cast<std::size_t>(cache.pageCount()));
}

KvSequence::~KvSequence() {
    truncate(0);
}

KvSequence::KvSequence(KvSequence&& other) noexcept
    : m_cache(other.m_cache), m_length(std::exchange(other.m_length, 0)), m_pages(std::exchange(other.m_pages, {})) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
    std::swap(m_cache, other.m_cache);
    std::swap(m_length, other.m_length);
    std::swap(m_pages, other.m_pages);
    return *this;
}

bool KvSequence::extend(std::int64_t tokens) {
    assert(tokens >= 0);
    if (tokens == 0) return true;
    const std::int64_t used = m_length % kernels::kKvPageTokens;  // positions of the last page that are taken
    const bool copies = used != 0 && m_cache->references(m_pages.back()) > 1;
    const std::int64_t missing = kvPagesFor(m_length + tokens) - static_cast<std::int64_t>(m_pages.size());
    if (missing + (copies ? 1 : 0) > m_cache->freePages()) return false;
    if (copies) {
        const std::int32_t own = m_cache->take();
        m_cache->copyPage(m_pages.back(), own, used);
        m_cache->release(m_pages.back());
        m_pages.back() = own;
    }
    for (std::int64_t page = 0; page < missing; ++page) m_pages.push_back(m_cache->take());
    m_length += tokens;
    return true;
}

void KvSequence::truncate(std::int64_t length) {
    assert(length >= 0 && length <= m_length);
    while (static_cast<std::int64_t>(m_pages.size()) > kvPagesFor(length)) {
        m_cache->release(m_pages.back());
        m_pages.pop_back();
    }
    m_length = length;
}

KvSequence KvSequence::fork(std::int64_t length) const {
    assert(length >= 0 && length <= m_length);
    KvSequence other(*m_cache);
    for (std::int64_t page = 0; page < kvPagesFor(length); ++page) {
        const std::int32_t id = m_pages[static_cast<std::size_t>(page)];
        m_cache->share(id);
        other.m_pages.push_back(id);
    }
    other.m_length = length;
    return other;
}

}  // namespace mixoscope
