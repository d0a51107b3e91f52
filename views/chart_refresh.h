// How often views whose layout costs milliseconds follow what runs.
#pragma once

namespace mixoscope {

/// Milliseconds from a change until such a view shows it; ten times a second are smooth enough for bars.
inline constexpr int kChartRefreshMs = 100;

}  // namespace mixoscope
