#include "views/comparison_metrics.h"

#include <QObject>
#include <algorithm>
#include <cassert>
#include <cmath>

#include "views/difference_map.h"
#include "views/exportable_view.h"
#include "views/format.h"
#include "views/lane_style.h"
#include "views/lanes_layout.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double known(double value) {
    return value < 0.0 ? kNaN : value;
}

std::vector<MetricColumn> makeColumns(const QString& base) {
    const auto tr = [](const char* text) { return QObject::tr(text); };
    const QString alone = tr("ms, without other lanes");
    return {
        {Metric::kFirstDivergence, u"first_divergence"_s, tr("First ≠ %1").arg(base), tr("token, free run"),
         tr("First generated token that differs from lane %1's at its place, in the free runs").arg(base),
         Better::kMore, true},
        {Metric::kNll, u"nll"_s, tr("NLL"), tr("nats/token, Δ [95 %]"),
         tr("Mean negative log-likelihood of lane %1's tokens under the lane, teacher-forced; the interval is a paired "
            "bootstrap over tokens")
             .arg(base),
         Better::kLess, false},
        {Metric::kDivergence, u"kl"_s, tr("KL to %1").arg(base), tr("nats/token"),
         tr("Mean divergence of the next-token distributions from lane %1's, teacher-forced").arg(base), Better::kLess,
         true},
        {Metric::kSameTop, u"top1_share"_s, tr("Top-1 = %1").arg(base), tr("% of tokens"),
         tr("Tokens for which the likeliest next token is lane %1's likeliest, teacher-forced").arg(base),
         Better::kMore, true},
        {Metric::kOverlap, u"jaccard"_s, tr("Overlap with %1").arg(base), tr("Jaccard of sets"),
         tr("Experts that both lanes ran, of those that either ran: mean over layers and rows, teacher-forced"),
         Better::kMore, true},
        {Metric::kExperts, u"experts_per_layer"_s, tr("Experts"), tr("per token, layer"),
         tr("Experts that ran per generated token and layer"), Better::kLess, false},
        {Metric::kExpertBytes, u"expert_bytes_per_token"_s, tr("Expert weights"), tr("read/token"),
         tr("Bytes of expert weights read per generated token, for the lane alone"), Better::kLess, false},
        {Metric::kLoadCv, u"load_cv"_s, tr("CV of load"), tr("floor"),
         tr("Coefficient of variation of the experts' load, mean of layers; below it the floor: what an ideal random "
            "router shows over as few rows"),
         Better::kLess, false},
        {Metric::kDropped, u"dropped"_s, tr("Dropped"), tr("selections"),
         tr("Selections that did not run for lack of capacity, prompt and generated"), Better::kNeither, false},
        {Metric::kVirtual, u"virtual"_s, tr("Virtual"), tr("selections"),
         tr("Selections of virtual experts, which cost nothing, prompt and generated"), Better::kNeither, false},
        {Metric::kThinking, u"thinking_tokens"_s, tr("N"), tr("tokens, free run"),
         tr("Tokens inside the think block of the free run, and the budget B"), Better::kNeither, false},
        {Metric::kTtft, u"ttft_ms"_s, tr("TTFT"), tr("ms, shared steps"),
         tr("From the start of the run to the lane's first token; steps are shared with the other lanes"),
         Better::kLess, false},
        {Metric::kTpot, u"tpot_ms"_s, tr("TPOT"), tr("ms, shared steps"),
         tr("Time per generated token of the free run; steps are shared with the other lanes"), Better::kLess, false},
        {Metric::kLatency, u"latency_ms"_s, tr("Latency"), tr("ms, shared steps"),
         tr("From the start of the run to the lane's last token; steps are shared with the other lanes"), Better::kLess,
         false},
        {Metric::kAloneTpot, u"alone_tpot_ms"_s, tr("TPOT alone"), alone,
         tr("Time per token when the lane runs without the others"), Better::kLess, false},
        {Metric::kAloneSpeed, u"alone_tokens_per_s"_s, tr("Speed alone"), tr("tok/s"),
         tr("Tokens a second when the lane runs without the others"), Better::kMore, false},
    };
}

/// One lane's numbers, of the source that the table shows.
struct LaneNumbers {
    const ComparedLane& lane;
    bool forced;
    const RoutingCounts& generated() const { return forced ? lane.forced_generated : lane.free_generated; }
    const RoutingCounts& prompt() const { return forced ? lane.forced_prompt : lane.free_prompt; }
    const LaneBalance& balance() const { return forced ? lane.forced_balance : lane.free_balance; }
    RoutingCounts all() const {
        RoutingCounts sum = prompt();
        sum += generated();
        return sum;
    }
    bool judged() const { return forced && lane.quality.tokens > 0; }
};

bool hasEnded(const ComparedLane& lane) {
    return !lane.free.turns.empty() && lane.free.turns.back().stop_reason != StopReason::kNone;
}

double valueOf(const LaneNumbers& numbers, Metric metric, bool is_base) {
    const ComparedLane& lane = numbers.lane;
    const bool judged = numbers.judged();
    switch (metric) {
        case Metric::kFirstDivergence:
            return is_base || lane.first_divergence < 0 ? kNaN : lane.first_divergence;
        case Metric::kNll:
            return judged ? lane.quality.nll : kNaN;
        case Metric::kDivergence:
            return judged ? lane.quality.divergence : kNaN;
        case Metric::kSameTop:
            return judged ? lane.quality.same_top_share : kNaN;
        case Metric::kOverlap:
            return judged ? lane.forced_overlap.jaccard : kNaN;
        case Metric::kExperts:
            return numbers.generated().ranPerLayer();
        case Metric::kExpertBytes:
            return numbers.generated().bytesPerToken();
        case Metric::kLoadCv:
            return numbers.balance().rows > 0 ? numbers.balance().cv : kNaN;
        case Metric::kDropped:
            return numbers.all().rows > 0 ? static_cast<double>(numbers.all().dropped) : kNaN;
        case Metric::kVirtual:
            return numbers.all().rows > 0 ? static_cast<double>(numbers.all().virtual_selections) : kNaN;
        case Metric::kThinking:
            return lane.free.turns.empty() ? kNaN : lane.free.turns.back().thinking_tokens;
        case Metric::kTtft:
            return known(lane.ttft_ms);
        case Metric::kTpot:
            return known(lane.tpot_ms);
        case Metric::kLatency:
            return known(lane.latency_ms);
        case Metric::kAloneTpot:
            return known(lane.alone_tpot_ms);
        case Metric::kAloneSpeed:
            return known(lane.aloneTokensPerSecond());
    }
    return kNaN;
}

/// Milliseconds as a plain number.
QString plainMilliseconds(double value) {
    return format::fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

/// Without a unit that stands in the header.
QString textOf(Metric metric, double value) {
    if (std::isnan(value)) return format::kAbsent;
    switch (metric) {
        case Metric::kNll:
        case Metric::kDivergence:
            return format::fixed(value, 3);
        case Metric::kSameTop:
            return format::percent(value);
        case Metric::kOverlap:
        case Metric::kExperts:
        case Metric::kLoadCv:
            return format::fixed(value, 2);
        case Metric::kExpertBytes:
            return format::bytes(std::llround(value));
        case Metric::kTtft:
        case Metric::kTpot:
        case Metric::kLatency:
        case Metric::kAloneTpot:
            return plainMilliseconds(value);
        case Metric::kAloneSpeed:
            return format::fixed(value, value < 99.95 ? 1 : 0);
        case Metric::kFirstDivergence:
        case Metric::kDropped:
        case Metric::kVirtual:
        case Metric::kThinking:
            return format::count(std::llround(value));
    }
    return {};
}

QString signedText(Metric metric, double difference) {
    const QString magnitude = textOf(metric, std::abs(difference));
    // What rounds to nothing has no sign.
    if (magnitude == textOf(metric, 0.0)) return u"±0"_s;
    return (difference < 0.0 ? u"\u2212"_s : u"+"_s) + magnitude;
}

Verdict verdictOf(Better better, double difference) {
    if (better == Better::kNeither || difference == 0.0 || std::isnan(difference)) return Verdict::kNone;
    return (difference < 0.0) == (better == Better::kLess) ? Verdict::kBetter : Verdict::kWorse;
}

QString whyAbsent(const LaneNumbers& numbers, Metric metric, bool is_base) {
    switch (metric) {
        case Metric::kFirstDivergence:
            if (is_base) return QObject::tr("The baseline: the other lanes are compared with it");
            if (numbers.lane.free.turns.empty()) return QObject::tr("Not run yet");
            return hasEnded(numbers.lane) ? QObject::tr("Every token is the baseline's")
                                          : QObject::tr("No token differs so far");
        case Metric::kNll:
        case Metric::kDivergence:
        case Metric::kSameTop:
        case Metric::kOverlap:
            return QObject::tr("Not measured: choose “teacher-forced” as quality and run, or Lanes > Measure quality");
        case Metric::kAloneTpot:
        case Metric::kAloneSpeed:
            return QObject::tr("Not measured: Lanes > Measure each lane's speed alone");
        default:
            return numbers.lane.free.turns.empty() ? QObject::tr("Not run yet") : QObject::tr("Too few tokens so far");
    }
}

/// The second line, which most columns use for the difference to the baseline.
void addRemark(MetricCell& cell, const MetricColumn& column, const LaneNumbers& numbers, double base, bool is_base) {
    const ComparedLane& lane = numbers.lane;
    switch (column.metric) {
        case Metric::kFirstDivergence:
        case Metric::kDivergence:
        case Metric::kSameTop:
        case Metric::kOverlap:
            return;
        case Metric::kNll: {
            const MeanWithInterval& change = lane.quality.nll_change;
            if (is_base || !numbers.judged()) return;
            cell.remark = signedText(column.metric, change.mean);
            if (std::isnan(change.low)) return;
            cell.remark += u" [%1, %2]"_s.arg(format::fixed(change.low, 3), format::fixed(change.high, 3));
            // An interval that holds 0 says neither.
            if (change.low > 0.0 || change.high < 0.0) cell.verdict = verdictOf(column.better, change.mean);
            return;
        }
        case Metric::kLoadCv:
            cell.remark = QObject::tr("floor %1").arg(format::balance(numbers.balance().cv_floor));
            return;
        case Metric::kDropped:
            if (cell.value > 0.0)
                cell.remark = QObject::tr("%1 of prompt").arg(format::percent(numbers.prompt().droppedShare()));
            return;
        case Metric::kVirtual:
            if (cell.value > 0.0) cell.remark = format::percent(numbers.all().virtualShare());
            return;
        case Metric::kThinking:
            cell.remark = QObject::tr("of %1").arg(format::budget(lane.free.turns.back().budget_at_end));
            return;
        case Metric::kExperts:
        case Metric::kExpertBytes:
        case Metric::kTtft:
        case Metric::kTpot:
        case Metric::kLatency:
        case Metric::kAloneTpot:
        case Metric::kAloneSpeed:
            if (is_base || std::isnan(base)) return;
            cell.remark = signedText(column.metric, cell.value - base);
            cell.verdict = cell.remark == u"±0"_s ? Verdict::kNone : verdictOf(column.better, cell.value - base);
            return;
    }
}

/// Marks the best values of a column as they are shown: what looks equal is equal.
void markBest(MetricTable& table, std::size_t column) {
    const MetricColumn& facts = table.columns[column];
    if (facts.better == Better::kNeither) return;
    const double sign = facts.better == Better::kLess ? -1.0 : 1.0;
    double best = -std::numeric_limits<double>::infinity();
    double worst = std::numeric_limits<double>::infinity();
    const std::size_t from = facts.against_base ? 1 : 0;
    for (std::size_t row = from; row < table.rows.size(); ++row) {
        const double value = table.rows[row].cells[column].value;
        if (std::isnan(value)) continue;
        best = std::max(best, sign * value);
        worst = std::min(worst, sign * value);
    }
    if (!(best > worst) || textOf(facts.metric, sign * best) == textOf(facts.metric, sign * worst)) return;
    const QString text = textOf(facts.metric, sign * best);
    for (std::size_t row = from; row < table.rows.size(); ++row) {
        MetricCell& cell = table.rows[row].cells[column];
        cell.best = !std::isnan(cell.value) && cell.text == text;
    }
}

}  // namespace

const MetricCell& MetricTable::at(std::size_t row, Metric metric) const {
    const auto column =
        std::ranges::find_if(columns, [metric](const MetricColumn& candidate) { return candidate.metric == metric; });
    assert(column != columns.end());
    return rows[row].cells[static_cast<std::size_t>(column - columns.begin())];
}

QString MetricTable::csv() const {
    QStringList header{u"lane"_s, u"policy"_s, u"routing_of"_s};
    for (const MetricColumn& column : columns) {
        header << column.key;
        if (column.metric == Metric::kNll) header << u"nll_change"_s << u"nll_change_low"_s << u"nll_change_high"_s;
        if (column.metric == Metric::kLoadCv) header << u"load_cv_floor"_s;
    }
    QString text = header.join(u',') + u'\n';
    for (const MetricRow& row : rows) {
        QStringList fields{laneLetter(row.tag), csvField(row.policy), forced ? u"teacher_forced"_s : u"free_run"_s};
        for (std::size_t column = 0; column < columns.size(); ++column) {
            fields << csvNumber(row.cells[column].value);
            if (columns[column].metric == Metric::kNll) {
                fields << csvNumber(row.nll_change.mean) << csvNumber(row.nll_change.low)
                       << csvNumber(row.nll_change.high);
            }
            if (columns[column].metric == Metric::kLoadCv) fields << csvNumber(row.load_cv_floor);
        }
        text += fields.join(u',') + u'\n';
    }
    return text;
}

MetricTable metricsOf(const ComparisonSnapshot& comparison) {
    MetricTable table;
    if (comparison.lanes.empty()) return table;
    const QString base_letter = laneLetter(comparison.lanes.front().origin.tag);
    table.columns = makeColumns(base_letter);
    table.forced = isForced(comparison);
    table.source = table.forced ? QObject::tr("teacher-forced on the %1 tokens of lane %2, executed")
                                      .arg(format::count(comparison.lanes.front().quality.tokens), base_letter)
                                : QObject::tr("free runs, executed");
    const LaneNumbers base{comparison.lanes.front(), table.forced};
    for (std::size_t i = 0; i < comparison.lanes.size(); ++i) {
        const ComparedLane& lane = comparison.lanes[i];
        const LaneNumbers numbers{lane, table.forced};
        const bool is_base = i == 0;
        MetricRow row;
        row.tag = lane.origin.tag;
        row.policy = QString::fromStdString(settingsInForce(lane).policy);
        const bool changed = !is_base && numbers.judged();
        row.nll_change = changed ? lane.quality.nll_change : MeanWithInterval{kNaN, kNaN, kNaN};
        if (numbers.balance().rows > 0) row.load_cv_floor = numbers.balance().cv_floor;
        for (const MetricColumn& column : table.columns) {
            MetricCell cell;
            cell.value = valueOf(numbers, column.metric, is_base);
            cell.text = textOf(column.metric, cell.value);
            cell.why = std::isnan(cell.value) ? whyAbsent(numbers, column.metric, is_base) : column.help;
            if (!std::isnan(cell.value)) addRemark(cell, column, numbers, valueOf(base, column.metric, true), is_base);
            row.cells.push_back(std::move(cell));
        }
        table.rows.push_back(std::move(row));
    }
    for (std::size_t column = 0; column < table.columns.size(); ++column) markBest(table, column);
    return table;
}

}  // namespace mixoscope
