// The table of a comparison: a row a lane, a column a measure, with the difference to the baseline and what is best.
// Data only.
#pragma once

#include <QString>
#include <QStringList>
#include <limits>
#include <vector>

#include "sessions/comparison_snapshot.h"

namespace mixoscope {

enum class Metric : std::uint8_t {
    kFirstDivergence,
    kNll,
    kDivergence,
    kSameTop,
    kOverlap,
    kExperts,
    kExpertBytes,
    kLoadCv,
    kDropped,
    kVirtual,
    kThinking,
    kTtft,
    kTpot,
    kLatency,
    kAloneTpot,
    kAloneSpeed,
};

enum class Better : std::uint8_t { kNeither, kLess, kMore };

struct MetricColumn {
    Metric metric = Metric::kFirstDivergence;
    QString key;    // in CSV
    QString title;  // "NLL"
    QString unit;   // below it
    QString help;   // what it is, for tooltips
    Better better = Better::kNeither;
    bool against_base = false;  // compares with the baseline, which is then left out of what is best
};

enum class Verdict : std::uint8_t { kNone, kBetter, kWorse };

struct MetricCell {
    double value = std::numeric_limits<double>::quiet_NaN();  // NaN: absent
    QString text;                                             // "–" where absent
    QString remark;                                           // second line: difference to the baseline, floor …
    Verdict verdict = Verdict::kNone;                         // of the remark
    bool best = false;
    QString why;  // of an absent value: why; else more about it
};

struct MetricRow {
    std::int32_t tag = 0;
    QString policy;
    std::vector<MetricCell> cells;  // (columns)
    MeanWithInterval nll_change;    // NaN where not measured
    double load_cv_floor = std::numeric_limits<double>::quiet_NaN();
};

struct MetricTable {
    std::vector<MetricColumn> columns;
    std::vector<MetricRow> rows;
    /// Routing and quality are of the teacher-forced pass, else routing is of the free runs and there is no quality.
    bool forced = false;
    QString source;  // "teacher-forced on the 234 tokens of lane A, executed"

    const MetricCell& at(std::size_t row, Metric metric) const;
    /// Header row first; bounds and floors are columns of their own.
    QString csv() const;
};

MetricTable metricsOf(const ComparisonSnapshot& comparison);

}  // namespace mixoscope
