#include "views/experiment_selection.h"

#include <algorithm>

#include "views/format.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

bool sameExperiment(const ExperimentFrame* a, const ExperimentFrame* b) {
    if (a == nullptr || b == nullptr) return a == b;
    return a->cells == b->cells && a->experiment.name == b->experiment.name &&
           a->experiment.policies == b->experiment.policies;
}

}  // namespace

std::vector<ExperimentPlace> experimentPlaces(const Experiment& experiment) {
    std::vector<ExperimentPlace> places;
    const auto has = [&](ThinkingMode mode) {
        return std::ranges::find(experiment.modes, mode) != experiment.modes.end();
    };
    if (has(ThinkingMode::kNoThink)) places.push_back({ThinkingMode::kNoThink, kUnlimitedBudget});
    if (!has(ThinkingMode::kThink)) return places;
    std::vector<std::int32_t> budgets = experiment.budgets;
    std::ranges::sort(budgets);
    for (const std::int32_t budget : budgets) places.push_back({ThinkingMode::kThink, budget});
    return places;
}

QString placeOnAxis(const ExperimentPlace& place) {
    return place.mode == ThinkingMode::kNoThink ? QObject::tr("no think") : format::budgetOnAxis(place.budget);
}

QString placeText(const ExperimentPlace& place) {
    return place.mode == ThinkingMode::kNoThink ? QObject::tr("no think")
                                                : u"B "_s + format::budgetOnAxis(place.budget);
}

std::int32_t policyTag(std::size_t policy) {
    return policy == 0 ? 0 : static_cast<std::int32_t>(1 + (policy - 1) % ExperimentSelection::kPageSize);
}

void ExperimentSelection::setExperiment(const ExperimentPointer& experiment) {
    const bool same = sameExperiment(frame(), experiment == nullptr ? nullptr : experiment->frame.get());
    m_experiment = experiment;
    if (!same) {
        m_task = m_sampling = m_seed = m_lanes = m_page = 0;
        m_cell.reset();
    }
    makeSlice();
    Q_EMIT changed();
    if (!same) Q_EMIT cellChanged();
}

void ExperimentSelection::makeSlice() {
    m_slice = {};
    if (frame() == nullptr) return;
    const Experiment& experiment = frame()->experiment;
    m_slice.places = experimentPlaces(experiment);
    m_slice.policies = experiment.policies.size();
    m_slice.cells.resize(m_slice.policies * m_slice.places.size());
    // The cells of a text have no place on an axis of budgets.
    if (scoresText(experiment, choice(0, m_slice.places.front()))) return;
    for (std::size_t index = 0; index < frame()->resultCount(); ++index) {
        const ExperimentCell cell = frame()->choice(index);
        if (cell != choice(cell.policy, {cell.mode, cell.budget})) continue;
        const auto place = std::ranges::find(m_slice.places, ExperimentPlace{cell.mode, cell.budget});
        if (place == m_slice.places.end()) continue;
        m_slice.cells[cell.policy * m_slice.places.size() + static_cast<std::size_t>(place - m_slice.places.begin())] =
            index;
    }
}

ExperimentCell ExperimentSelection::choice(std::size_t policy, const ExperimentPlace& place) const {
    const Experiment& experiment = frame()->experiment;
    // Greedy decoding has one seed.
    const std::size_t seed = experiment.samplings[m_sampling].greedy ? 0 : m_seed;
    return {.task = m_task < experiment.tasks.size() ? m_task : ExperimentCell::kAllTasks,
            .policy = policy,
            .sampling = m_sampling,
            .mode = place.mode,
            .budget = place.budget,
            .seed = experiment.seeds[seed],
            .lanes = experiment.lanes[m_lanes]};
}

std::size_t ExperimentSelection::shownPlace() const {
    if (m_cell) {
        const auto found = std::ranges::find(m_slice.cells, m_cell);
        if (found != m_slice.cells.end())
            return static_cast<std::size_t>(found - m_slice.cells.begin()) % m_slice.places.size();
    }
    return m_slice.places.size() - 1;
}

void ExperimentSelection::show(std::size_t& choice, std::size_t value) {
    if (choice == value || frame() == nullptr) return;
    choice = value;
    makeSlice();
    const bool kept = m_cell && std::ranges::find(m_slice.cells, m_cell) != m_slice.cells.end();
    if (!kept) m_cell.reset();
    Q_EMIT changed();
    if (!kept) Q_EMIT cellChanged();
}

void ExperimentSelection::setTask(std::size_t task) {
    show(m_task, task);
}

void ExperimentSelection::setSampling(std::size_t sampling) {
    show(m_sampling, sampling);
}

void ExperimentSelection::setSeed(std::size_t seed) {
    show(m_seed, seed);
}

void ExperimentSelection::setLanes(std::size_t lanes) {
    show(m_lanes, lanes);
}

void ExperimentSelection::setPage(std::size_t page) {
    show(m_page, page);
}

std::size_t ExperimentSelection::pageCount() const {
    return m_slice.policies <= 1 ? 1 : (m_slice.policies - 1 + kPageSize - 1) / kPageSize;
}

std::vector<std::size_t> ExperimentSelection::shownPolicies() const {
    std::vector<std::size_t> policies;
    if (m_slice.policies == 0) return policies;
    policies.push_back(0);
    const std::size_t first = 1 + m_page * kPageSize;
    for (std::size_t policy = first; policy < std::min(first + kPageSize, m_slice.policies); ++policy)
        policies.push_back(policy);
    return policies;
}

void ExperimentSelection::setCell(std::optional<std::size_t> cell) {
    if (cell == m_cell || frame() == nullptr) return;
    m_cell = cell;
    if (cell) {
        const ExperimentCell shown = frame()->choice(*cell);
        const auto& seeds = frame()->experiment.seeds;
        const auto seed = static_cast<std::size_t>(std::ranges::find(seeds, shown.seed) - seeds.begin());
        const bool greedy = frame()->experiment.samplings[shown.sampling].greedy;
        const std::size_t page = shown.policy == 0 ? m_page : (shown.policy - 1) / kPageSize;
        const std::size_t task = std::min(shown.task, frame()->experiment.tasks.size());
        const auto& sizes = frame()->experiment.lanes;
        const auto lanes = static_cast<std::size_t>(std::ranges::find(sizes, shown.lanes) - sizes.begin());
        const bool other = task != m_task || shown.sampling != m_sampling || (!greedy && seed != m_seed) ||
                           lanes != m_lanes || page != m_page;
        m_task = task;
        m_lanes = lanes;
        m_sampling = shown.sampling;
        if (!greedy) m_seed = seed;
        m_page = page;
        if (other) {
            makeSlice();
            Q_EMIT changed();
        }
    }
    Q_EMIT cellChanged();
}

void ExperimentSelection::moveCell(int policies, int places) {
    if (m_slice.cells.empty()) return;
    const auto found = std::ranges::find(m_slice.cells, m_cell);
    if (!m_cell || found == m_slice.cells.end()) return setCell(m_slice.cells.front());
    const auto at = static_cast<int>(found - m_slice.cells.begin());
    const auto wide = static_cast<int>(m_slice.places.size());
    const int policy = std::clamp(at / wide + policies, 0, static_cast<int>(m_slice.policies) - 1);
    const int place = std::clamp(at % wide + places, 0, wide - 1);
    if (const auto cell = m_slice.at(static_cast<std::size_t>(policy), static_cast<std::size_t>(place))) setCell(cell);
}

}  // namespace mixoscope
