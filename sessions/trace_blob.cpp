#include "sessions/trace_blob.h"

#include <bit>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "sessions/crc32.h"

namespace mixoscope {

namespace {

static_assert(std::endian::native == std::endian::little, "the layout is copied as it lies in memory");

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeadBytes = 20;
constexpr std::size_t kFactsBytes = 20;
constexpr std::size_t kChecksumBytes = 4;
constexpr unsigned kFlagBits = 6;
constexpr std::uint8_t kFlagMask = (1U << kFlagBits) - 1U;
static_assert((layer_flag::kTie | layer_flag::kDropped | layer_flag::kForced | layer_flag::kOwnSum | layer_flag::kNone |
               layer_flag::kVirtual) <= kFlagMask);

template <typename T>
std::byte* put(std::byte* to, const T& value) {
    std::memcpy(to, &value, sizeof(T));
    return to + sizeof(T);
}

template <typename T>
std::byte* putAll(std::byte* to, std::span<const T> values) {
    if (!values.empty()) std::memcpy(to, values.data(), values.size_bytes());
    return to + values.size_bytes();
}

template <typename T>
const std::byte* get(const std::byte* from, T& value) {
    std::memcpy(&value, from, sizeof(T));
    return from + sizeof(T);
}

template <typename T>
const std::byte* getAll(const std::byte* from, std::size_t count, std::vector<T>& values) {
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), from, count * sizeof(T));
    return from + count * sizeof(T);
}

[[noreturn]] void fail(std::string_view where, std::string what, std::string expected, std::string found) {
    throw Error({.what = std::move(what),
                 .where = std::string(where),
                 .expected = std::move(expected),
                 .found = std::move(found),
                 .advice = {}});
}

struct Counts {
    std::uint32_t ids = 0;
    std::uint32_t weights = 0;
    std::uint32_t router = 0;
    std::uint32_t distributions = 0;

    std::size_t bytes() const {
        return kHeadBytes + std::size_t{ids} * sizeof(std::int16_t) + std::size_t{weights} * sizeof(float) +
               std::size_t{router} * kFactsBytes + std::size_t{distributions} * sizeof(float) + kChecksumBytes;
    }
};

void checkCounts(const Counts& counts, const TraceShape& shape, std::string_view where) {
    const auto layers = static_cast<std::uint64_t>(shape.moe_layers);
    const auto most = [&](std::uint32_t found, std::uint64_t limit, const char* what) {
        if (found > limit)
            fail(where, std::string("Too many ") + what, "at most " + std::to_string(limit), std::to_string(found));
    };
    most(counts.ids, layers * static_cast<std::uint64_t>(shape.slots), "expert ids");
    most(counts.weights, layers * static_cast<std::uint64_t>(shape.slots), "expert weights");
    most(counts.router, layers, "router facts");
    most(counts.distributions, shape.distributions ? layers * static_cast<std::uint64_t>(shape.experts) : 0,
         "probabilities");
}

void checkExperts(const RoutingRow& row, const TraceShape& shape, std::string_view where) {
    const std::string most = std::to_string(shape.experts - 1);
    for (const std::int16_t id : row.expert_ids)
        if ((isNotRun(id) ? notRunId(id) : id) >= shape.experts)
            fail(where, "An expert id is outside the model",
                 std::to_string(notRunId(shape.experts - 1)) + " to " + most, std::to_string(id));
    for (const RouterFacts& facts : row.router)
        if (facts.next_expert < -1 || facts.next_expert >= shape.experts)
            fail(where, "The next expert is outside the model", "-1 to " + most, std::to_string(facts.next_expert));
}

}  // namespace

std::size_t routingBytes(const TraceShape& shape) {
    const auto layers = static_cast<std::uint32_t>(shape.moe_layers);
    const std::uint32_t selections = layers * static_cast<std::uint32_t>(shape.slots);
    return Counts{.ids = selections,
                  .weights = selections,
                  .router = layers,
                  .distributions = shape.distributions ? layers * static_cast<std::uint32_t>(shape.experts) : 0}
        .bytes();
}

void encodeRouting(const StepTrace& trace, std::vector<std::byte>& bytes) {
    const Counts counts{
        static_cast<std::uint32_t>(trace.expert_ids.size()), static_cast<std::uint32_t>(trace.expert_weights.size()),
        static_cast<std::uint32_t>(trace.router.size()), static_cast<std::uint32_t>(trace.distributions.size())};
    bytes.resize(counts.bytes());
    std::byte* to = bytes.data();
    to = put(to, kVersion);
    to = put(to, std::uint8_t{0});
    to = put(to, std::uint16_t{0});
    to = put(to, counts.ids);
    to = put(to, counts.weights);
    to = put(to, counts.router);
    to = put(to, counts.distributions);
    to = putAll(to, trace.expert_ids);
    to = putAll(to, trace.expert_weights);
    for (const RouterFacts& facts : trace.router) {
        to = put(to, facts.entropy);
        to = put(to, facts.top_probability);
        to = put(to, facts.last_probability);
        to = put(to, facts.next_probability);
        to = put(to, facts.next_expert);
        to = put(to, static_cast<std::uint8_t>(facts.active & 0xFFU));
        to = put(to, static_cast<std::uint8_t>(facts.flags | (facts.active >> 8U) << kFlagBits));
    }
    to = putAll(to, trace.distributions);
    put(to, crc32(std::span(bytes).first(bytes.size() - kChecksumBytes)));
}

void decodeRouting(std::span<const std::byte> bytes, const TraceShape& shape, std::string_view where, RoutingRow& row) {
    if (bytes.size() < kHeadBytes + kChecksumBytes)
        fail(where, "The routing record is too short", "at least 24 bytes", std::to_string(bytes.size()) + " bytes");
    const auto version = static_cast<unsigned>(bytes[0]);
    if (version != kVersion) fail(where, "Unknown version of the routing record", "1", std::to_string(version));
    Counts counts;
    const std::byte* from = bytes.data() + 4;
    from = get(from, counts.ids);
    from = get(from, counts.weights);
    from = get(from, counts.router);
    from = get(from, counts.distributions);
    checkCounts(counts, shape, where);
    if (bytes.size() != counts.bytes())
        fail(where, "The routing record has a wrong size", std::to_string(counts.bytes()) + " bytes",
             std::to_string(bytes.size()) + " bytes");
    std::uint32_t stored = 0;
    get(bytes.data() + bytes.size() - kChecksumBytes, stored);
    const std::uint32_t computed = crc32(bytes.first(bytes.size() - kChecksumBytes));
    if (stored != computed)
        fail(where, "The routing record is damaged (checksum)", std::to_string(stored), std::to_string(computed));

    from = getAll(from, counts.ids, row.expert_ids);
    from = getAll(from, counts.weights, row.expert_weights);
    row.router.resize(counts.router);
    for (RouterFacts& facts : row.router) {
        from = get(from, facts.entropy);
        from = get(from, facts.top_probability);
        from = get(from, facts.last_probability);
        from = get(from, facts.next_probability);
        from = get(from, facts.next_expert);
        std::uint8_t active = 0;
        std::uint8_t flags = 0;
        from = get(from, active);
        from = get(from, flags);
        facts.active = static_cast<std::uint16_t>(active | flags >> kFlagBits << 8U);
        facts.flags = flags & kFlagMask;
    }
    getAll(from, counts.distributions, row.distributions);
    checkExperts(row, shape, where);
}

}  // namespace mixoscope
