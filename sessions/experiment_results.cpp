#include "sessions/experiment_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "engine/error.h"
#include "probes/load.h"
#include "sessions/csv_writer.h"
#include "sessions/ratio_interval.h"
#include "sessions/record_names.h"
#include "sessions/sample_files.h"

namespace mixoscope {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double ratio(double part, double whole) {
    return whole > 0.0 ? part / whole : kNone;
}

/// The smallest value that at least `share` of the sorted values do not exceed.
double quantile(const std::vector<double>& sorted, double share) {
    const auto rank = static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return sorted[static_cast<std::size_t>(std::max<std::ptrdiff_t>(rank, 1) - 1)];
}

Spread spreadOf(std::vector<double> values) {
    if (values.empty()) return {.mean = kNone, .p10 = kNone, .median = kNone, .p90 = kNone};
    std::ranges::sort(values);
    return {.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()),
            .p10 = quantile(values, 0.1),
            .median = quantile(values, 0.5),
            .p90 = quantile(values, 0.9)};
}

/// Whether a run was right, by task and item; judged runs only.
using Judgements = std::map<std::pair<std::size_t, std::size_t>, bool>;

void measureLoad(const RunMeasures& total, std::int64_t layers, CellResult& result) {
    result.load_cv = result.load_cv_floor = kNone;
    if (total.rows == 0 || layers == 0) return;
    const std::size_t experts = total.load.size() / static_cast<std::size_t>(layers);
    double cv = 0.0;
    double floor = 0.0;
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer) {
        LayerLoad load;
        load.selections.assign(total.load.begin() + static_cast<std::ptrdiff_t>(layer * experts),
                               total.load.begin() + static_cast<std::ptrdiff_t>((layer + 1) * experts));
        load.rows = total.rows;
        const BalanceMeasures measures = measureBalance(load);
        cv += measures.cv;
        floor += measures.cv_floor;
    }
    result.load_cv = cv / static_cast<double>(layers);
    result.load_cv_floor = floor / static_cast<double>(layers);
}

void writeChoices(CsvWriter& csv, const Experiment& experiment, const ExperimentCell& cell) {
    csv.field(taskName(experiment, cell)).field(experiment.policies[cell.policy]);
    if (scoresText(experiment, cell)) {
        csv.field("").field("").field("").field("").field(cell.lanes);
        return;
    }
    csv.field(samplingText(experiment.samplings[cell.sampling]))
        .field(modeName(static_cast<std::int64_t>(cell.mode)))
        .field(budgetText(cell.budget))
        .field(std::to_string(cell.seed))
        .field(cell.lanes);
}

}  // namespace

/// Sums over the runs of one result.
struct ExperimentTally::Gathered {
    std::map<std::size_t, WeightedSum> scored;  // by item, windows of a text only: NLL and tokens
    Judgements correct;
    std::vector<double> thinking;
    std::vector<double> answer;
    std::vector<double> tpot_ms;  // of one token there is no time per token
    std::vector<double> tokens_per_s;
    double ttft_ms = 0.0;
    double latency_ms = 0.0;
    RunMeasures total;
    CellResult counted;  // what needs no more than counting

    void add(const RunResult& run) {
        ++counted.runs;
        if (run.measures.generated_ms > 0.0)
            tokens_per_s.push_back(1000.0 * static_cast<double>(run.measures.rows) / run.measures.generated_ms);
        latency_ms += run.latency_ms;
        total.rows += run.measures.rows;
        total.ran += run.measures.ran;
        total.dropped += run.measures.dropped;
        total.virtual_selections += run.measures.virtual_selections;
        total.prompt_selections += run.measures.prompt_selections;
        total.prompt_dropped += run.measures.prompt_dropped;
        total.generated_ms += run.measures.generated_ms;
        total.load.resize(std::max(total.load.size(), run.measures.load.size()));
        for (std::size_t i = 0; i < run.measures.load.size(); ++i) total.load[i] += run.measures.load[i];
        counted.forced_stops += run.measures.closed_by_budget ? 1 : 0;
        counted.mode_errors += run.followed_mode ? 0 : 1;
        counted.leaks += run.measures.stray_tags > 0 ? 1 : 0;
        const bool ended = run.stop_reason == StopReason::kEndOfTurn || run.stop_reason == StopReason::kForcedEnd;
        counted.unfinished += ended ? 0 : 1;
    }
    void addAnswer(const RunResult& run, std::size_t task) {
        if (run.judged) correct[{task, run.key.item}] = run.correct;
        thinking.push_back(run.thinking_tokens);
        answer.push_back(run.answer_tokens);
        ttft_ms += run.ttft_ms;
        if (run.tpot_ms > 0.0) tpot_ms.push_back(run.tpot_ms);
    }
    void addScore(const RunResult& run) {
        counted.scored_tokens += run.measures.scored_tokens;
        scored[run.key.item] = {.value = run.measures.nll, .weight = static_cast<double>(run.measures.scored_tokens)};
    }
};

namespace {

/// Bytes of expert weights per generated row.
double bytesPerRow(const RunMeasures& total, const ExperimentFacts& facts) {
    if (total.rows == 0 || facts.moe_layers == 0 ||
        facts.expert_bytes.size() != static_cast<std::size_t>(facts.moe_layers) ||
        total.load.size() != facts.loadCounts())
        return kNone;
    double bytes = 0.0;
    for (std::size_t i = 0; i < total.load.size(); ++i)
        bytes += static_cast<double>(total.load[i]) *
                 static_cast<double>(facts.expert_bytes[i / static_cast<std::size_t>(facts.experts)]);
    return bytes / static_cast<double>(total.rows);
}

/// The results of the first policy with everything else equal.
std::vector<std::size_t> baselinesOf(const ExperimentFrame& frame) {
    const auto place = [](const ExperimentCell& cell) {
        return std::tuple(cell.task, cell.sampling, cell.mode, cell.budget, cell.seed, cell.lanes);
    };
    std::map<decltype(place(ExperimentCell())), std::size_t> first;
    for (std::size_t result = 0; result < frame.resultCount(); ++result) {
        if (const ExperimentCell cell = frame.choice(result); cell.policy == 0) first[place(cell)] = result;
    }
    std::vector<std::size_t> baselines;
    for (std::size_t result = 0; result < frame.resultCount(); ++result)
        baselines.push_back(first.at(place(frame.choice(result))));
    return baselines;
}

void compare(const Judgements& baseline, const Judgements& other, CellResult& result) {
    std::int64_t only_baseline = 0;
    std::int64_t only_this = 0;
    for (const auto& [item, right] : other) {
        const auto same = baseline.find(item);
        if (same == baseline.end() || same->second == right) continue;
        ++(right ? only_this : only_baseline);
    }
    result.only_baseline = only_baseline;
    result.only_this = only_this;
    result.p_value = mcNemarTest(only_baseline, only_this);
}

MeanWithInterval perplexityOf(const std::map<std::size_t, WeightedSum>& scored) {
    std::vector<WeightedSum> windows;
    for (const auto& [item, window] : scored) windows.push_back(window);
    const MeanWithInterval nll = ratioWithInterval(windows);
    return {.mean = std::exp(nll.mean), .low = std::exp(nll.low), .high = std::exp(nll.high)};
}

MeanWithInterval nllChange(const std::map<std::size_t, WeightedSum>& baseline,
                           const std::map<std::size_t, WeightedSum>& other) {
    std::vector<WeightedSum> changes;
    for (const auto& [item, window] : other) {
        const auto same = baseline.find(item);
        if (same != baseline.end())
            changes.push_back({.value = window.value - same->second.value, .weight = window.weight});
    }
    return ratioWithInterval(changes);
}

}  // namespace

ExperimentTally::ExperimentTally(std::shared_ptr<const ExperimentFrame> frame)
    : m_frame(std::move(frame)),
      m_gathered(m_frame->resultCount()),
      m_baseline(baselinesOf(*m_frame)),
      m_changed(m_frame->resultCount(), true),
      m_results(m_frame->resultCount()),
      m_task_loads(m_frame->experiment.policies.size() * m_frame->experiment.tasks.size()) {}

ExperimentTally::~ExperimentTally() = default;
ExperimentTally::ExperimentTally(ExperimentTally&&) noexcept = default;

void ExperimentTally::add(const RunResult& run) {
    const ExperimentFacts& facts = m_frame->facts;
    const std::size_t counts = run.measures.load.size();
    const bool known_cell = run.key.cell < m_frame->cells.size();
    const std::int64_t items = known_cell ? m_frame->items(m_frame->cells[run.key.cell]) : 0;
    const bool known_item = items == 0 || run.key.item < static_cast<std::size_t>(items);
    const bool known_counts = facts.moe_layers == 0 || counts == facts.loadCounts();
    if (!known_cell || !known_item || !known_counts)
        throw Error({.what = "The experiment holds a run that is not part of it",
                     .where = "table runs",
                     .expected = std::to_string(m_frame->cells.size()) + " cells, " +
                                 std::to_string(facts.loadCounts()) + " counts a run",
                     .found = "cell " + std::to_string(run.key.cell) + ", item " + std::to_string(run.key.item) + ", " +
                              std::to_string(counts) + " counts"});
    const ExperimentCell& cell = m_frame->cells[run.key.cell];
    const bool text = scoresText(m_frame->experiment, cell);
    const auto count = [&](std::size_t result) {
        Gathered& gathered = m_gathered[result];
        gathered.add(run);
        if (text) {
            gathered.addScore(run);
        } else {
            gathered.addAnswer(run, cell.task);
        }
        m_changed[result] = true;
    };
    count(run.key.cell);
    if (const auto pooled = m_frame->pooledOf(run.key.cell)) count(*pooled);
    m_task_loads[taskLoadOf(run.key.cell)] = nullptr;
}

std::size_t ExperimentTally::taskLoadOf(std::size_t cell) const {
    const ExperimentCell& choice = m_frame->cells[cell];
    return choice.policy * m_frame->experiment.tasks.size() + choice.task;
}

const TaskLoads& ExperimentTally::taskLoads() {
    std::vector<std::shared_ptr<TaskLoad>> summed(m_task_loads.size());
    for (std::size_t i = 0; i < summed.size(); ++i) {
        if (m_task_loads[i] == nullptr) m_task_loads[i] = summed[i] = std::make_shared<TaskLoad>();
    }
    // Results over all tasks would count the runs once more.
    for (std::size_t cell = 0; cell < m_frame->cells.size(); ++cell) {
        TaskLoad* load = summed[taskLoadOf(cell)].get();
        if (load == nullptr) continue;
        const RunMeasures& total = m_gathered[cell].total;
        load->rows += total.rows;
        load->selections.resize(std::max(load->selections.size(), total.load.size()));
        for (std::size_t i = 0; i < total.load.size(); ++i) load->selections[i] += total.load[i];
    }
    return m_task_loads;
}

void ExperimentTally::refresh(std::size_t index) {
    const Gathered& gathered = m_gathered[index];
    const RunMeasures& total = gathered.total;
    const std::int64_t layers = m_frame->facts.moe_layers;
    CellResult result = gathered.counted;
    result.cell = m_frame->choice(index);
    result.items = m_frame->items(result.cell);
    const auto runs = static_cast<double>(result.runs);
    const auto right = std::ranges::count_if(gathered.correct, [](const auto& entry) { return entry.second; });
    result.accuracy = wilsonInterval(right, std::ssize(gathered.correct));
    result.thinking_tokens = spreadOf(gathered.thinking);
    result.answer_tokens = spreadOf(gathered.answer);
    result.ttft_ms = ratio(gathered.ttft_ms, static_cast<double>(gathered.answer.size()));  // a text has none
    result.tpot_ms = spreadOf(gathered.tpot_ms);
    result.run_tokens_per_s = spreadOf(gathered.tokens_per_s);
    result.latency_ms = ratio(gathered.latency_ms, runs);
    result.tokens_per_s = ratio(1000.0 * static_cast<double>(total.rows), total.generated_ms);
    const auto selections = static_cast<double>(total.ran + total.dropped + total.virtual_selections);
    result.active_experts = ratio(static_cast<double>(total.ran), static_cast<double>(total.rows * layers));
    result.expert_bytes = bytesPerRow(total, m_frame->facts);
    result.dropped_share = ratio(static_cast<double>(total.dropped), selections);
    result.prompt_dropped_share =
        ratio(static_cast<double>(total.prompt_dropped), static_cast<double>(total.prompt_selections));
    result.virtual_share = ratio(static_cast<double>(total.virtual_selections), selections);
    measureLoad(total, layers, result);
    const Gathered& baseline = m_gathered[m_baseline[index]];
    const bool text = scoresText(m_frame->experiment, result.cell);
    result.perplexity = perplexityOf(gathered.scored);
    result.nll_change = {.mean = kNone, .low = kNone, .high = kNone};
    if (result.cell.policy != 0 && text) result.nll_change = nllChange(baseline.scored, gathered.scored);
    if (result.cell.policy != 0 && !text) compare(baseline.correct, gathered.correct, result);
    m_results[index] = result;
}

const std::vector<CellResult>& ExperimentTally::results() {
    for (std::size_t cell = 0; cell < m_results.size(); ++cell) {
        if (m_changed[cell] || m_changed[m_baseline[cell]]) refresh(cell);
    }
    m_changed.assign(m_changed.size(), false);
    return m_results;
}

std::vector<CellResult> experimentResults(const Sweep& sweep, const ExperimentStore& store) {
    ExperimentTally tally(std::make_shared<ExperimentFrame>(frameOf(sweep)));
    store.forRuns([&](const RunResult& run) { tally.add(run); });
    return tally.results();
}

namespace {

constexpr std::string_view kResultColumns =
    "task,policy,sampling,mode,budget,seed,lanes,items,runs,correct,judged,accuracy,accuracy_low,"
    "accuracy_high,only_baseline,only_this,p_value,thinking_tokens,thinking_median,thinking_p90,"
    "answer_tokens,ttft_ms,tpot_ms,tpot_p10_ms,tpot_median_ms,tpot_p90_ms,latency_ms,tokens_per_s,tokens_per_s_p10,"
    "tokens_per_s_p90,active_experts,expert_bytes_per_token,"
    "prompt_dropped_share,dropped_share,"
    "virtual_share,load_cv,load_cv_floor,forced_stops,mode_errors,leaks,unfinished,"
    "scored_tokens,perplexity,perplexity_low,perplexity_high,nll_change,nll_change_low,nll_change_high";
constexpr std::string_view kRunColumns =
    "task,policy,sampling,mode,budget,seed,lanes,item,kind,judged,correct,answer,reference,prompt_tokens,"
    "thinking_tokens,answer_tokens,injected_tokens,stop_reason,ttft_ms,tpot_ms,latency_ms,followed_mode,"
    "stray_tags,scored_tokens,nll";

constexpr std::string_view kTaskLoadColumns = "policy,task,moe_layer,expert,selections,rows,share";

void writeTaskLoads(CsvWriter& csv, const ExperimentFrame& frame, const TaskLoads& loads) {
    const std::size_t tasks = frame.experiment.tasks.size();
    const auto experts = static_cast<std::size_t>(frame.facts.experts);
    for (std::size_t i = 0; i < loads.size(); ++i) {
        const TaskLoad& load = *loads[i];
        for (std::size_t at = 0; at < load.selections.size() && experts > 0; ++at) {
            csv.field(frame.experiment.policies[i / tasks]).field(frame.experiment.tasks[i % tasks].name);
            csv.field(static_cast<std::int64_t>(at / experts)).field(static_cast<std::int64_t>(at % experts));
            csv.field(load.selections[at]).field(load.rows);
            csv.field(ratio(static_cast<double>(load.selections[at]), static_cast<double>(load.rows)));
            csv.endRow();
        }
    }
}

void writeResults(CsvWriter& csv, const Experiment& experiment, const std::vector<CellResult>& results) {
    for (const CellResult& result : results) {
        writeChoices(csv, experiment, result.cell);
        const auto optional = [&](const auto& value) { value ? csv.field(*value) : csv.field(kNone); };
        csv.field(result.items).field(result.runs).field(result.accuracy.successes).field(result.accuracy.trials);
        csv.field(result.accuracy.share).field(result.accuracy.low).field(result.accuracy.high);
        optional(result.only_baseline);
        optional(result.only_this);
        optional(result.p_value);
        csv.field(result.thinking_tokens.mean).field(result.thinking_tokens.median).field(result.thinking_tokens.p90);
        csv.field(result.answer_tokens.mean).field(result.ttft_ms);
        csv.field(result.tpot_ms.mean).field(result.tpot_ms.p10).field(result.tpot_ms.median).field(result.tpot_ms.p90);
        csv.field(result.latency_ms).field(result.tokens_per_s);
        csv.field(result.run_tokens_per_s.p10)
            .field(result.run_tokens_per_s.p90)
            .field(result.active_experts)
            .field(result.expert_bytes);
        csv.field(result.prompt_dropped_share).field(result.dropped_share).field(result.virtual_share);
        csv.field(result.load_cv).field(result.load_cv_floor);
        csv.field(result.forced_stops).field(result.mode_errors).field(result.leaks).field(result.unfinished);
        if (scoresText(experiment, result.cell)) {
            csv.field(result.scored_tokens);
        } else {
            csv.field(kNone);
        }
        for (const MeanWithInterval& measure : {result.perplexity, result.nll_change})
            csv.field(measure.mean).field(measure.low).field(measure.high);
        csv.endRow();
    }
}

void writeRun(CsvWriter& csv, const ExperimentFrame& frame, const RunResult& run) {
    const ExperimentCell& cell = frame.cells[run.key.cell];
    const TaskItem* known = frame.item(cell, run.key.item);
    const TaskItem item = known == nullptr ? TaskItem() : *known;
    writeChoices(csv, frame.experiment, cell);
    csv.field(static_cast<std::int64_t>(run.key.item)).field(item.kind).field(static_cast<std::int64_t>(run.judged));
    csv.field(static_cast<std::int64_t>(run.correct)).field(run.answer).field(item.reference);
    csv.field(run.prompt_tokens).field(run.thinking_tokens).field(run.answer_tokens).field(run.injected_tokens);
    csv.field(stopReasonName(run.stop_reason)).field(run.ttft_ms).field(run.tpot_ms).field(run.latency_ms);
    csv.field(static_cast<std::int64_t>(run.followed_mode)).field(run.measures.stray_tags);
    csv.field(run.measures.scored_tokens).field(run.measures.scored_tokens > 0 ? run.measures.nll : kNone);
    csv.endRow();
}

}  // namespace

std::string resultsCsv(const Experiment& experiment, const std::vector<CellResult>& results) {
    CsvWriter csv(kResultColumns);
    writeResults(csv, experiment, results);
    return csv.text();
}

void exportResults(const Sweep& sweep, const ExperimentStore& store, const std::filesystem::path& directory) {
    const auto frame = std::make_shared<const ExperimentFrame>(frameOf(sweep));
    ExperimentTally tally(frame);
    store.forRuns([&](const RunResult& run) { tally.add(run); });
    exportResults(
        *frame, tally.results(), tally.taskLoads(), [&](const auto& visit) { store.forRuns(visit); }, directory);
}

void exportResults(const ExperimentFrame& frame, const std::vector<CellResult>& results, const TaskLoads& loads,
                   const std::function<void(const std::function<void(const RunResult&)>&)>& for_runs,
                   const std::filesystem::path& directory) {
    CsvWriter table(directory / "results.csv", kResultColumns);
    writeResults(table, frame.experiment, results);
    table.close();
    CsvWriter runs(directory / "runs.csv", kRunColumns);
    SampleFiles samples(frame, directory);
    for_runs([&](const RunResult& run) {
        writeRun(runs, frame, run);
        samples.add(run);
    });
    runs.close();
    samples.close();
    CsvWriter task_load(directory / "task_load.csv", kTaskLoadColumns);
    writeTaskLoads(task_load, frame, loads);
    task_load.close();
}

}  // namespace mixoscope
