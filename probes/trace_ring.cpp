#include "probes/trace_ring.h"

#include <semaphore.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <type_traits>
#include <vector>

namespace mixoscope {

namespace {

using Word = std::uint64_t;
static_assert(std::atomic<Word>::is_always_lock_free);

constexpr std::size_t wordsFor(std::size_t bytes) {
    return (bytes + sizeof(Word) - 1) / sizeof(Word);
}

enum class RecordKind : std::uint32_t { kRow, kEvent };

/// Head of a row's record; the four arrays follow, each starting at a word.
struct RowHead {
    std::int64_t serial;
    Step step;
    LaneId lane;
    std::int32_t rows_in_step;
    std::int64_t step_end_us;
    std::int32_t step_us;
    TokenTrace token;
    TokenTrace next;
    std::uint32_t ids;
    std::uint32_t weights;
    std::uint32_t router;
    std::uint32_t distributions;
};
static_assert(std::is_trivially_copyable_v<RowHead> && std::is_trivially_copyable_v<LaneEvent> &&
              std::is_trivially_copyable_v<RouterFacts>);

struct ShapeCounts {
    std::size_t selections;
    std::size_t layers;
    std::size_t distribution_values;

    explicit ShapeCounts(const TraceShape& shape)
        : selections(static_cast<std::size_t>(shape.moe_layers) * static_cast<std::size_t>(shape.slots)),
          layers(static_cast<std::size_t>(shape.moe_layers)),
          distribution_values(shape.distributions
                                  ? static_cast<std::size_t>(shape.moe_layers) * static_cast<std::size_t>(shape.experts)
                                  : 0) {}
    std::size_t recordWords() const {
        const std::size_t row = wordsFor(sizeof(RowHead)) + wordsFor(selections * sizeof(std::int16_t)) +
                                wordsFor(selections * sizeof(float)) + wordsFor(layers * sizeof(RouterFacts)) +
                                wordsFor(distribution_values * sizeof(float));
        return 1 + std::max(row, wordsFor(sizeof(LaneEvent)));  // the first word is the kind
    }
};

/// Copies bytes into shared words. Each store is a release, so whoever reads a new word also sees that the slot's
/// sequence number says "being written": a seqlock without fences, which thread sanitizers do not understand.
std::atomic<Word>* storeBytes(std::atomic<Word>* to, const void* from, std::size_t bytes) {
    const auto* source = static_cast<const std::byte*>(from);
    while (bytes >= sizeof(Word)) {
        Word word = 0;
        std::memcpy(&word, source, sizeof(Word));
        to++->store(word, std::memory_order_release);
        source += sizeof(Word);
        bytes -= sizeof(Word);
    }
    if (bytes > 0) {
        Word word = 0;
        std::memcpy(&word, source, bytes);
        to++->store(word, std::memory_order_release);
    }
    return to;
}

template <typename T>
std::span<const T> firstOf(std::span<const T> values, std::size_t most) {
    return values.first(std::min(values.size(), most));
}

template <typename T>
std::span<const T> arrayAt(const Word*& words, std::size_t count) {
    const std::span<const T> values(reinterpret_cast<const T*>(words), count);
    words += wordsFor(count * sizeof(T));
    return values;
}

}  // namespace

struct TraceRing::Reader::State {
    TraceRing::Impl* ring = nullptr;
    std::atomic<std::uint64_t> cursor{0};
    std::atomic<std::int64_t> lost{0};
    std::atomic<std::size_t> peak{0};
    std::atomic<bool> waiting{false};
    std::atomic<bool> woken{false};
    sem_t bell{};
    std::vector<Word> record;  // the slot being visited, copied

    State() { sem_init(&bell, 0, 0); }
    ~State() { sem_destroy(&bell); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void wake() {
        if (waiting.exchange(false)) sem_post(&bell);
    }
};

struct TraceRing::Impl {
    TraceShape shape;
    ShapeCounts counts;
    std::size_t capacity;
    std::size_t record_words;
    std::size_t slot_words;  // sequence number and record
    std::vector<std::atomic<Word>> slots;
    std::atomic<std::uint64_t> head{0};  // records written

    struct ReaderNode {
        std::shared_ptr<Reader::State> state;
        ReaderNode* next = nullptr;
    };
    std::atomic<ReaderNode*> readers{nullptr};

    Impl(const TraceShape& trace_shape, std::size_t wanted)
        : shape(trace_shape),
          counts(trace_shape),
          capacity(std::bit_ceil(std::max<std::size_t>(wanted, 2))),
          record_words(counts.recordWords()),
          slot_words(1 + record_words),
          slots(capacity * slot_words) {}

    ~Impl() {
        for (ReaderNode* node = readers.load(); node != nullptr;) {
            ReaderNode* const next = node->next;
            delete node;
            node = next;
        }
    }

    std::atomic<Word>* slot(std::uint64_t index) { return &slots[(index & (capacity - 1)) * slot_words]; }

    /// Odd: record `index` is being written; even: it is complete.
    static constexpr Word writing(std::uint64_t index) { return 2 * index + 1; }
    static constexpr Word complete(std::uint64_t index) { return 2 * index + 2; }

    template <typename Fill>
    void write(RecordKind kind, Fill&& fill) {
        const std::uint64_t index = head.load(std::memory_order_relaxed);
        std::atomic<Word>* const sequence = slot(index);
        sequence->store(writing(index), std::memory_order_relaxed);
        sequence[1].store(static_cast<Word>(kind), std::memory_order_release);
        fill(sequence + 2);
        sequence->store(complete(index), std::memory_order_release);
        head.store(index + 1);  // sequentially consistent: see wait()
    }

    /// Copies record `index` out; false when it was overwritten before the copy was complete.
    bool read(std::uint64_t index, std::vector<Word>& out) {
        std::atomic<Word>* const sequence = slot(index);
        if (sequence->load(std::memory_order_acquire) != complete(index)) return false;
        for (std::size_t word = 0; word < record_words; ++word)
            out[word] = sequence[1 + word].load(std::memory_order_acquire);
        return sequence->load(std::memory_order_relaxed) == complete(index);
    }

    void wakeWaiting() {
        for (ReaderNode* node = readers.load(std::memory_order_acquire); node != nullptr; node = node->next)
            node->state->wake();
    }
};

namespace {

void visit(const std::vector<Word>& record, const TraceVisitor& visitor) {
    const Word* words = record.data();
    const auto kind = static_cast<RecordKind>(*words++);
    if (kind == RecordKind::kEvent) {
        LaneEvent event;
        std::memcpy(static_cast<void*>(&event), words, sizeof(event));
        if (visitor.event) visitor.event(event);
        return;
    }
    RowHead head;
    std::memcpy(static_cast<void*>(&head), words, sizeof(head));
    words += wordsFor(sizeof(RowHead));
    StepTrace trace;
    trace.serial = head.serial;
    trace.step = head.step;
    trace.lane = head.lane;
    trace.rows_in_step = head.rows_in_step;
    trace.step_end_us = head.step_end_us;
    trace.step_us = head.step_us;
    trace.token = head.token;
    trace.next = head.next;
    trace.expert_ids = arrayAt<std::int16_t>(words, head.ids);
    trace.expert_weights = arrayAt<float>(words, head.weights);
    trace.router = arrayAt<RouterFacts>(words, head.router);
    trace.distributions = arrayAt<float>(words, head.distributions);
    if (visitor.row) visitor.row(trace);
}

}  // namespace

TraceRing::TraceRing(const TraceShape& shape, std::size_t slots) : m_impl(std::make_unique<Impl>(shape, slots)) {}
TraceRing::~TraceRing() = default;

std::size_t TraceRing::slotBytes(const TraceShape& shape) {
    return (1 + ShapeCounts(shape).recordWords()) * sizeof(Word);
}

void TraceRing::onRow(const StepTrace& trace) {
    const ShapeCounts& counts = m_impl->counts;
    const auto ids = firstOf(trace.expert_ids, counts.selections);
    const auto weights = firstOf(trace.expert_weights, counts.selections);
    const auto router = firstOf(trace.router, counts.layers);
    const auto distributions = firstOf(trace.distributions, counts.distribution_values);
    RowHead head{};
    head.serial = trace.serial;
    head.step = trace.step;
    head.lane = trace.lane;
    head.rows_in_step = trace.rows_in_step;
    head.step_end_us = trace.step_end_us;
    head.step_us = trace.step_us;
    head.token = trace.token;
    head.next = trace.next;
    head.ids = static_cast<std::uint32_t>(ids.size());
    head.weights = static_cast<std::uint32_t>(weights.size());
    head.router = static_cast<std::uint32_t>(router.size());
    head.distributions = static_cast<std::uint32_t>(distributions.size());
    m_impl->write(RecordKind::kRow, [&](std::atomic<Word>* to) {
        to = storeBytes(to, &head, sizeof(head));
        to = storeBytes(to, ids.data(), ids.size_bytes());
        to = storeBytes(to, weights.data(), weights.size_bytes());
        to = storeBytes(to, router.data(), router.size_bytes());
        storeBytes(to, distributions.data(), distributions.size_bytes());
    });
}

void TraceRing::onEvent(const LaneEvent& event) {
    m_impl->write(RecordKind::kEvent, [&](std::atomic<Word>* to) { storeBytes(to, &event, sizeof(event)); });
    m_impl->wakeWaiting();
}

void TraceRing::onStepEnd(Step) {
    m_impl->wakeWaiting();
}

const TraceShape& TraceRing::shape() const {
    return m_impl->shape;
}
std::size_t TraceRing::capacity() const {
    return m_impl->capacity;
}
std::uint64_t TraceRing::written() const {
    return m_impl->head.load(std::memory_order_acquire);
}

TraceRing::Reader TraceRing::makeReader() {
    Reader reader;
    reader.m_state = std::make_shared<Reader::State>();
    reader.m_state->ring = m_impl.get();
    reader.m_state->cursor = m_impl->head.load();
    reader.m_state->record.resize(m_impl->record_words);
    auto* node = new Impl::ReaderNode{reader.m_state, m_impl->readers.load()};
    while (!m_impl->readers.compare_exchange_weak(node->next, node)) {
    }
    return reader;
}

void TraceRing::wakeAll() {
    for (auto* node = m_impl->readers.load(std::memory_order_acquire); node != nullptr; node = node->next) {
        node->state->woken = true;
        node->state->wake();
    }
}

std::size_t TraceRing::Reader::drain(const TraceVisitor& visitor, std::size_t limit) {
    State& state = *m_state;
    Impl& ring = *state.ring;
    std::size_t visited = 0;
    std::uint64_t cursor = state.cursor.load(std::memory_order_relaxed);
    while (visited < limit) {
        const std::uint64_t head = ring.head.load(std::memory_order_acquire);
        if (cursor == head) break;
        const std::uint64_t waiting = head - cursor;
        const std::size_t backlog = std::min<std::size_t>(waiting, ring.capacity);
        if (backlog > state.peak.load(std::memory_order_relaxed)) state.peak.store(backlog, std::memory_order_relaxed);
        if (waiting > ring.capacity) {
            state.lost.fetch_add(static_cast<std::int64_t>(waiting - ring.capacity), std::memory_order_relaxed);
            cursor = head - ring.capacity;
        }
        if (ring.read(cursor, state.record)) {
            visit(state.record, visitor);
            ++visited;
        } else {
            state.lost.fetch_add(1, std::memory_order_relaxed);
        }
        ++cursor;
        state.cursor.store(cursor, std::memory_order_release);
    }
    return visited;
}

void TraceRing::Reader::wait(int timeout_ms) {
    State& state = *m_state;
    state.waiting.store(true);
    // The writer stores `head` and then loads `waiting`, this stores `waiting` and then loads `head`, all sequentially
    // consistent: one of the two sees the other, so no wake-up is lost.
    const bool ready =
        state.ring->head.load() != state.cursor.load(std::memory_order_relaxed) || state.woken.exchange(false);
    if (!ready) {
        timespec until{};
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += timeout_ms / 1000;
        until.tv_nsec += static_cast<long>(timeout_ms % 1000) * 1'000'000;
        if (until.tv_nsec >= 1'000'000'000) {
            until.tv_sec += 1;
            until.tv_nsec -= 1'000'000'000;
        }
        while (sem_clockwait(&state.bell, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
        }
        state.woken.store(false);
    }
    state.waiting.store(false);
    while (sem_trywait(&state.bell) == 0) {  // a post that came too late belongs to no later wait
    }
}

std::int64_t TraceRing::Reader::lost() const {
    return m_state->lost.load(std::memory_order_relaxed);
}
std::uint64_t TraceRing::Reader::position() const {
    return m_state->cursor.load(std::memory_order_acquire);
}

std::size_t TraceRing::Reader::backlog() const {
    const std::uint64_t cursor = m_state->cursor.load(std::memory_order_acquire);  // first: the head only grows
    const std::uint64_t head = m_state->ring->head.load(std::memory_order_acquire);
    return std::min<std::size_t>(head - cursor, m_state->ring->capacity);
}

std::size_t TraceRing::Reader::peakBacklog() const {
    return m_state->peak.load(std::memory_order_relaxed);
}

}  // namespace mixoscope
