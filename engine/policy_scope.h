// Where a part of a policy acts: in which MoE layers, on which tokens, at which positions.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/routing_rule.h"

namespace mixoscope {

/// What a token is apart from its phase. Tags and injected tokens are marked as such once the turn has begun; the
/// tokens of a prompt are all ordinary.
enum class TokenKind : std::uint8_t { kOrdinary, kTag, kInjected };
constexpr int kTokenKindCount = 3;

/// Positions of a lane's sequence, both ends included.
struct PositionRange {
    std::int64_t first = 0;
    std::int64_t last = 0;
};

class PolicyScope {
public:
    /// Everywhere.
    PolicyScope() = default;
    /// `layers`: (MoE layers) whether it acts there, empty for all; bit p of `phases` stands for Phase p, bit k of
    /// `kinds` for TokenKind k; `positions` empty for all, else apart from each other and ascending.
    PolicyScope(std::vector<bool> layers, std::uint8_t phases, std::uint8_t kinds,
                std::vector<PositionRange> positions = {});

    bool covers(int layer, const RoutedRow& row) const {
        return coversLayer(layer) && (m_tokens >> tokenClass(row) & 1U) != 0 && coversPosition(row.position);
    }
    bool coversLayer(int layer) const { return m_layers.empty() || m_layers[static_cast<std::size_t>(layer)]; }
    bool coversAllTokens() const { return m_tokens == kAllTokens; }
    bool coversPosition(std::int64_t position) const;
    bool coversAllPositions() const { return m_positions.empty(); }
    const std::vector<PositionRange>& positions() const { return m_positions; }
    /// Bit i stands for phase i / kTokenKindCount and kind i % kTokenKindCount.
    std::uint16_t tokens() const { return m_tokens; }

    static constexpr int kTokenClasses = kPhaseCount * kTokenKindCount;
    static constexpr std::uint16_t kAllTokens = (1U << kTokenClasses) - 1U;

private:
    static int tokenClass(const RoutedRow& row) {
        TokenKind kind = TokenKind::kOrdinary;
        if ((row.token_flags & token_flag::kInjected) != 0) {
            kind = TokenKind::kInjected;
        } else if ((row.token_flags & token_flag::kTag) != 0) {
            kind = TokenKind::kTag;
        }
        return static_cast<int>(row.phase) * kTokenKindCount + static_cast<int>(kind);
    }

    std::vector<bool> m_layers;
    std::uint16_t m_tokens = kAllTokens;
    std::vector<PositionRange> m_positions;
};

}  // namespace mixoscope
