// What of an experiment is shown and selected, shared by all its views: a task (or all), sampling, seed and batch size,
// as many policies as a chart can tell apart, and one cell.
#pragma once

#include <QObject>
#include <QString>
#include <cstdint>
#include <optional>
#include <vector>

#include "sessions/experiment_snapshot.h"

namespace mixoscope {

/// A place on the axis of budgets: without thinking, or thinking up to a budget.
struct ExperimentPlace {
    ThinkingMode mode = ThinkingMode::kThink;
    std::int32_t budget = kUnlimitedBudget;

    bool operator==(const ExperimentPlace&) const = default;
};
/// In the order of the axis: without thinking first, then the budgets, unlimited last.
std::vector<ExperimentPlace> experimentPlaces(const Experiment& experiment);
/// "no think", "0", "256", "∞".
QString placeOnAxis(const ExperimentPlace& place);
/// "no think", "B 256".
QString placeText(const ExperimentPlace& place);

/// The results of one task, sampling, seed and batch size: policies × places. A text has none.
struct ExperimentSlice {
    std::vector<ExperimentPlace> places;
    std::size_t policies = 0;
    std::vector<std::optional<std::size_t>> cells;  // (policies, places) index into ExperimentSnapshot::results

    std::optional<std::size_t> at(std::size_t policy, std::size_t place) const {
        return cells[policy * places.size() + place];
    }
};

/// A policy's colour and marker (laneColour): those of the first eight differ, and those of the first and any page of
/// further ones.
std::int32_t policyTag(std::size_t policy);

class ExperimentSelection : public QObject {
    Q_OBJECT

public:
    static constexpr std::size_t kPageSize = 7;  // policies beside the first

    using QObject::QObject;

    /// The experiment that is shown; another one begins with its first task and no cell.
    void setExperiment(const ExperimentPointer& experiment);
    const ExperimentPointer& experiment() const { return m_experiment; }
    /// Null: none.
    const ExperimentFrame* frame() const { return m_experiment == nullptr ? nullptr : m_experiment->frame.get(); }

    /// Index into Experiment::tasks; their number: all that are asked, together.
    std::size_t task() const { return m_task; }
    std::size_t sampling() const { return m_sampling; }
    std::size_t seed() const { return m_seed; }    // index into Experiment::seeds
    std::size_t lanes() const { return m_lanes; }  // index into Experiment::lanes
    std::size_t page() const { return m_page; }
    std::size_t pageCount() const;
    void setTask(std::size_t task);
    void setSampling(std::size_t sampling);
    void setSeed(std::size_t seed);
    void setLanes(std::size_t lanes);
    void setPage(std::size_t page);
    const ExperimentSlice& slice() const { return m_slice; }
    /// Of what is shown, the choice of a policy and place.
    ExperimentCell choice(std::size_t policy, const ExperimentPlace& place) const;
    /// For charts of one place: that of the selected cell, else the last one.
    std::size_t shownPlace() const;
    /// Policies that charts show: the first and those of the page.
    std::vector<std::size_t> shownPolicies() const;

    std::optional<std::size_t> cell() const { return m_cell; }
    /// Also shows its task, sampling, seed, batch size and policy.
    void setCell(std::optional<std::size_t> cell);
    /// To the neighbour in the slice; to its first cell if none is selected.
    void moveCell(int policies, int places);

Q_SIGNALS:
    /// What is shown, or how far it has got.
    void changed();
    void cellChanged();

private:
    void makeSlice();
    void show(std::size_t& choice, std::size_t value);

    ExperimentPointer m_experiment;
    ExperimentSlice m_slice;
    std::size_t m_task = 0;
    std::size_t m_sampling = 0;
    std::size_t m_seed = 0;
    std::size_t m_lanes = 0;
    std::size_t m_page = 0;
    std::optional<std::size_t> m_cell;
};

}  // namespace mixoscope
