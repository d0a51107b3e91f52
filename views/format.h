// Numbers as the window shows them: thousands with commas, a point as decimal mark, true minus, units after a space.
// File formats (CSV, JSON) never use these.
#pragma once

#include <QString>
#include <cstdint>
#include <string_view>

#include "engine/lane_settings.h"

namespace mixoscope::format {

/// What stands where there is no value.
extern const QString kAbsent;  // "–"

QString count(std::int64_t value);                // 1,024   −3
QString fixed(double value, int decimals);        // −1,234.50; NaN: absent
QString probability(double value);                // weights, probabilities, margins: 0.2274, 5.8e−4, 0
QString entropy(double value);                    // normalised entropy, two decimals
QString balance(double value);                    // CV, MaxVio, Gini
QString logProbability(double value);             // −0.1206
QString percent(double share, int decimals = 1);  // 0.004 → 0.4 %
QString milliseconds(double milliseconds);        // 2.70 ms, 38 ms, 1.25 s, 19 min 50 s
QString microseconds(std::int64_t microseconds);
QString tokensPerSecond(double value);                               // 31.4 tok/s, 370 tok/s
QString bytes(std::int64_t value);                                   // 512 B, 318 KB, 1.1 MB, 61.1 GB
QString budget(std::int32_t budget);                                 // 1,024 or "unlimited"
QString budgetOnAxis(std::int32_t budget);                           // 1,024 or ∞
QString counter(std::int32_t thinking_tokens, std::int32_t budget);  // 186 / 1,024
QString range(std::int64_t first, std::int64_t last);                // 0–55; a single number if equal
/// Replaces hyphen-minus before digits by the true minus.
QString withTrueMinus(QString number);

/// A token's bytes on one line: spaces as ·, newline ↵, tab →, other control characters and bytes that are not UTF-8
/// (part of a character) in hexadecimal: \xE2\x82.
QString tokenText(std::string_view bytes);
/// UTF-8 as it is, with U+FFFD for what is not; for text that flows.
QString plainText(std::string_view bytes);

}  // namespace mixoscope::format
