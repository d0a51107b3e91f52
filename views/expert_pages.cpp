// What the pages of the expert inspector show, and the same as CSV.
#include <QButtonGroup>
#include <QComboBox>
#include <QLabel>
#include <QSortFilterProxyModel>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <algorithm>
#include <cmath>
#include <limits>

#include "views/empty_page.h"
#include "views/expert_inspector.h"
#include "views/expert_load_chart.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kFewestRows = 10;  // of a preference or a pair that is called one

/// The expert that most of a group's rows go to, and the share of it.
ShareRow strongest(const LayerSpecialisation& counts, const QString& group, std::int64_t rows,
                   const auto& selections_of) {
    std::int32_t best = 0;
    for (std::int32_t expert = 1; expert < counts.experts(); ++expert) {
        if (selections_of(expert) > selections_of(best)) best = expert;
    }
    ShareRow row{.name = QObject::tr("%1 → expert %2").arg(group).arg(best),
                 .part = selections_of(best),
                 .whole = rows,
                 .expert = best,
                 .tip = {}};
    row.share = static_cast<double>(row.part) / static_cast<double>(rows);
    row.chance = largestOfRandomSelections(rows, counts.meanSelections(), counts.experts()) / static_cast<double>(rows);
    row.tip = QObject::tr(
                  "Of %1 rows (%2) expert %3 got %4; the most preferred of %5 experts would get about %6 of them "
                  "by chance alone\nDouble click selects the expert")
                  .arg(format::count(rows), group)
                  .arg(best)
                  .arg(format::count(row.part))
                  .arg(counts.experts())
                  .arg(format::probability(row.chance));
    return row;
}

}  // namespace

QString tokenClassName(TokenClass kind) {
    switch (kind) {
        case TokenClass::kDigit:
            return QObject::tr("digits");
        case TokenClass::kWord:
            return QObject::tr("words");
        case TokenClass::kPunctuation:
            return QObject::tr("punctuation");
        case TokenClass::kSpace:
            return QObject::tr("space");
        case TokenClass::kSpecial:
            return QObject::tr("special tokens");
        case TokenClass::kOther:
            break;
    }
    return QObject::tr("other text");
}

const History& ExpertInspector::history() const {
    return shownHistory(findLane(m_snapshot, m_selection.lane()), m_selection.turn());
}

const ExpertData& ExpertInspector::pinnedData() const {
    return m_pin && m_pin->layer == m_selection.layer() ? m_data : m_pinned_data;
}

QString ExpertInspector::nameOf(std::int32_t layer, std::int32_t expert) const {
    return tr("expert %1, layer %2").arg(expert).arg(modelLayer(m_snapshot, layer));
}

void ExpertInspector::refresh() {
    const History& shown = history();
    const std::int32_t layer = m_selection.layer();
    const bool routed = shown.rowCount() > 0 && layer < shown.shape().moe_layers;
    m_content->setCurrentIndex(routed ? 1 : 0);
    if (!routed) {
        // Another conversation may have the same tokens at the same steps, routed otherwise.
        m_data = ExpertData();
        m_pinned_data = ExpertData();
        return;
    }
    if (m_pin && (m_pin->layer >= shown.shape().moe_layers || m_pin->expert >= shown.shape().experts)) m_pin.reset();
    m_data.update(shown, layer, m_selection.range());
    if (m_pin && m_pin->layer != layer) m_pinned_data.update(shown, m_pin->layer, m_selection.range());
    refreshHeader();
    const bool needs_expert = m_page != Page::kLayer;
    if (needs_expert && !hasExpert()) {
        m_no_expert->setState({.icon = u"search"_s,
                               .title = tr("No expert selected"),
                               .text = tr("Double-click an expert in the heatmap, or step through them with the "
                                          "arrows above.")});
        m_pages->setCurrentWidget(m_no_expert);
        return;
    }
    m_pages->setCurrentIndex(static_cast<int>(m_page));
    switch (m_page) {
        case Page::kTokens:
            return refreshTokens();
        case Page::kLoad:
            return refreshLoad();
        case Page::kKinds:
            return refreshKinds();
        case Page::kTasks:
            return refreshTasks();
        case Page::kPairs:
            return refreshPairs();
        case Page::kLayer:
            return refreshLayer();
    }
}

void ExpertInspector::refreshHeader() {
    const auto factsOf = [](const ExpertData& data, std::int32_t expert) {
        const LayerSpecialisation& counts = data.counts();
        return tr("%1 of %2 rows, share %3 (even %4) · first choice of %5 · mean weight %6")
            .arg(format::count(counts.selections(expert)), format::count(counts.rows()),
                 format::probability(counts.share(expert)), format::probability(counts.shareChance()),
                 format::count(counts.firstChoices(expert)), format::probability(data.meanWeight(expert)));
    };
    const std::int32_t expert = m_selection.expert();
    m_name->setText(hasExpert() ? tr("Expert %1").arg(expert)
                                : tr("Layer %1").arg(modelLayer(m_snapshot, m_selection.layer())));
    QString place = hasExpert() ? tr("layer %1").arg(modelLayer(m_snapshot, m_selection.layer())) : QString();
    if (!m_selection.range().isEmpty())
        place += tr("%1 selected rows %2")
                     .arg(place.isEmpty() ? QString() : u" ·"_s,
                          format::range(m_selection.range().first, m_selection.range().last - 1));
    m_place->setText(place);
    m_facts->setText(hasExpert() ? factsOf(m_data, expert)
                                 : tr("%1 rows · %2 experts · %3 a row")
                                       .arg(format::count(m_data.counts().rows()))
                                       .arg(m_data.counts().experts())
                                       .arg(format::fixed(m_data.counts().meanSelections(), 2)));
    m_pinned_facts->setVisible(m_pin.has_value());
    if (m_pin)
        m_pinned_facts->setText(tr("<span style='color:%1'>■</span> pinned: %2 · %3")
                                    .arg(colours().series[2].name(), nameOf(m_pin->layer, m_pin->expert),
                                         factsOf(pinnedData(), m_pin->expert)));
    m_pin_button->setEnabled(hasExpert() || m_pin.has_value());
    m_pin_button->setChecked(m_pin.has_value());
    m_pin_button->setText(m_pin ? tr("Unpin") : tr("Pin"));
    m_pin_button->setToolTip(m_pin         ? tr("Stop comparing with %1").arg(nameOf(m_pin->layer, m_pin->expert))
                             : hasExpert() ? tr("Keep this expert beside the ones that you select next")
                                           : tr("Select an expert first"));
}

void ExpertInspector::refreshTokens() {
    m_tokens->show(history(), m_data.hits(m_selection.expert()));
    m_pinned_caption->parentWidget()->setVisible(m_pin.has_value());
    if (m_pin) {
        m_pinned_caption->setText(tr("Pinned: %1").arg(nameOf(m_pin->layer, m_pin->expert)));
        m_pinned_tokens->show(history(), pinnedData().hits(m_pin->expert));
    }
    if (m_data.hits(m_selection.expert()).empty() && !m_pin) {
        m_no_expert->setState(
            {.icon = u"search"_s,
             .title = tr("No token"),
             .text = tr("Expert %1 got none of the %2 rows in layer %3. Step to another one with the arrows above.")
                         .arg(m_selection.expert())
                         .arg(format::count(m_data.counts().rows()))
                         .arg(modelLayer(m_snapshot, m_selection.layer()))});
        m_pages->setCurrentWidget(m_no_expert);
    }
    markSelectedToken();
}

void ExpertInspector::markSelectedToken() {
    if (m_page != Page::kTokens) return;
    for (QTableView* table : {m_token_table, m_pinned_table}) {
        const auto& model = table == m_token_table ? *m_tokens : *m_pinned_tokens;
        const auto* sorted = static_cast<QSortFilterProxyModel*>(table->model());
        const auto hit = std::ranges::lower_bound(model.hits(), m_selection.token(), {}, &ExpertHit::position);
        if (hit == model.hits().end() || hit->position != m_selection.token()) {
            table->clearSelection();
            table->selectionModel()->clearCurrentIndex();
            continue;
        }
        const int row = static_cast<int>(hit - model.hits().begin());
        const QModelIndex index = sorted->mapFromSource(model.index(row, 0));
        if (table->currentIndex().row() != index.row()) table->setCurrentIndex(index);
    }
}

void ExpertInspector::refreshLoad() {
    const std::int32_t window = rollingWindow(m_data.positions().size());
    ExpertLoadChart::Line pinned;
    if (m_pin) pinned = {nameOf(m_pin->layer, m_pin->expert), rollingShare(pinnedData(), m_pin->expert, window)};
    m_load->show(
        {nameOf(m_selection.layer(), m_selection.expert()), rollingShare(m_data, m_selection.expert(), window)},
        std::move(pinned), m_data.counts().shareChance(), window);
}

void ExpertInspector::refreshKinds() {
    const LayerSpecialisation& counts = m_data.counts();
    const std::int32_t expert = m_selection.expert();
    std::vector<ShareRow> rows;
    const auto add = [&](const QString& name, auto kind) {
        rows.push_back({.name = name,
                        .part = counts.selections(expert, kind),
                        .whole = counts.rows(kind),
                        .share = counts.share(expert, kind),
                        .chance = counts.rows(kind) == 0 ? kNoValue : counts.shareChance(),
                        .other = m_pin ? pinnedData().counts().share(m_pin->expert, kind) : kNoValue,
                        .tip = tr("%1: the expert got %2 of %3 rows; by chance k / N = %4")
                                   .arg(name, format::count(counts.selections(expert, kind)),
                                        format::count(counts.rows(kind)), format::probability(counts.shareChance()))});
    };
    for (const Phase phase : {Phase::kPrompt, Phase::kThinking, Phase::kAnswer}) add(phaseName(phase), phase);
    for (int kind = 0; kind < kTokenClassCount; ++kind)
        add(tokenClassName(static_cast<TokenClass>(kind)), static_cast<TokenClass>(kind));
    m_kinds->show(std::move(rows));
    showPinnedShares(u"expertKinds"_s, m_pin.has_value());
}

void ExpertInspector::showPinnedShares(const QString& table, bool visible) {
    findChild<QTableView*>(table)->setColumnHidden(ShareTableModel::kOther, !visible);
}

EmptyState ExpertInspector::tasksMissing() const {
    const QString icon = u"search"_s;
    if (m_experiment == nullptr || m_experiment->frame == nullptr || m_experiment->done == 0)
        return {.icon = icon,
                .title = tr("No task has run yet"),
                .text = tr("A conversation's tokens belong to no task. Run an experiment, or open the results of one, "
                           "in the experiments' workspace (Ctrl+3): its runs tell which tasks an expert gets.")};
    const ExperimentFacts& facts = m_experiment->frame->facts;
    const TraceShape& shape = history().shape();
    const bool same_model = m_experiment->model == nullptr || m_snapshot->model == nullptr ||
                            m_experiment->model->directory == m_snapshot->model->directory;
    if (same_model && facts.moe_layers == shape.moe_layers && facts.experts == shape.experts) return {};
    return {.icon = icon,
            .title = tr("The experiment is of another model"),
            .text = tr("It ran on %1; here %2 is shown.")
                        .arg(QString::fromStdString(m_experiment->frame->experiment.model),
                             m_snapshot->model ? QString::fromStdString(m_snapshot->model->name) : tr("a recording"))};
}

void ExpertInspector::refreshTaskPolicies() {
    QStringList policies;
    for (const std::string& policy : m_experiment->frame->experiment.policies)
        policies << QString::fromStdString(policy);
    QStringList listed;
    for (int i = 0; i < m_task_policy->count(); ++i) listed << m_task_policy->itemText(i);
    if (policies == listed) return;
    m_task_policy->clear();
    m_task_policy->addItems(policies);
}

void ExpertInspector::refreshTasks() {
    if (const EmptyState missing = tasksMissing(); !missing.title.isEmpty()) {
        m_tasks->show({});
        m_no_expert->setState(missing);
        m_pages->setCurrentWidget(m_no_expert);
        return;
    }
    refreshTaskPolicies();
    const ExperimentFrame& frame = *m_experiment->frame;
    const std::vector<ExperimentTask>& tasks = frame.experiment.tasks;
    const auto experts = static_cast<std::size_t>(frame.facts.experts);
    const auto selectionsOf = [&](const TaskLoad& load, std::int32_t layer, std::int32_t expert) {
        return load.selections[static_cast<std::size_t>(layer) * experts + static_cast<std::size_t>(expert)];
    };
    std::vector<ShareRow> rows;
    for (std::size_t task = 0; task < tasks.size(); ++task) {
        const auto policy = static_cast<std::size_t>(m_task_policy->currentIndex());
        const TaskLoad& load = *m_experiment->task_loads[policy * tasks.size() + task];
        ShareRow row{.name = QString::fromStdString(tasks[task].name), .whole = load.rows, .tip = {}};
        if (load.rows > 0) {
            const auto share = [&](std::int32_t layer, std::int32_t expert) {
                return static_cast<double>(selectionsOf(load, layer, expert)) / static_cast<double>(load.rows);
            };
            row.part = selectionsOf(load, m_selection.layer(), m_selection.expert());
            row.share = share(m_selection.layer(), m_selection.expert());
            row.chance = 0.0;
            for (std::int32_t expert = 0; expert < frame.facts.experts; ++expert)
                row.chance += share(m_selection.layer(), expert) / static_cast<double>(experts);
            if (m_pin) row.other = share(m_pin->layer, m_pin->expert);
            row.tip =
                tr("%1: the expert got %2 of %3 generated rows; by chance k / N = %4")
                    .arg(row.name, format::count(row.part), format::count(row.whole), format::probability(row.chance));
        }
        rows.push_back(std::move(row));
    }
    m_tasks->show(std::move(rows));
    showPinnedShares(u"expertTasks"_s, m_pin.has_value());
    m_tasks_note->setText(
        tr("Generated tokens of %1 finished runs of the experiment %2 on %3, over all its modes, budgets, "
           "seeds and batch sizes; not of the conversation that is shown.")
            .arg(format::count(m_experiment->done), QString::fromStdString(frame.experiment.name),
                 QString::fromStdString(frame.experiment.model)));
}

void ExpertInspector::refreshPairs() {
    const LayerSpecialisation& counts = m_data.counts();
    const std::int32_t expert = m_selection.expert();
    const bool beside = m_pin && m_pin->layer == m_selection.layer();
    std::vector<ShareRow> rows;
    for (std::int32_t other = 0; other < counts.experts(); ++other) {
        if (other == expert || counts.together(expert, other) == 0) continue;
        rows.push_back(
            {.name = QString::number(other),
             .part = counts.together(expert, other),
             .whole = counts.selections(expert),
             .share = counts.coactivation(expert, other),
             .chance = counts.coactivationChance(),
             .other = beside && other != m_pin->expert ? counts.coactivation(m_pin->expert, other) : kNoValue,
             .expert = other,
             .tip = tr("Of the rows of expert %1, expert %2 ran in %3 too (N_ab / N_a, all pairs); by chance "
                       "(k − 1) / (N − 1) = %4\nDouble click selects expert %2")
                        .arg(expert)
                        .arg(other)
                        .arg(format::count(counts.together(expert, other)),
                             format::probability(counts.coactivationChance()))});
    }
    std::ranges::stable_sort(rows, std::greater{}, &ShareRow::part);
    m_pairs->show(std::move(rows));
    showPinnedShares(u"expertPairs"_s, beside);
}

void ExpertInspector::refreshLayer() {
    const LayerSpecialisation& counts = m_data.counts();
    std::vector<ShareRow> rows;
    const auto add = [&](const QString& name, auto kind) {
        if (counts.rows(kind) < kFewestRows) return;
        rows.push_back(strongest(counts, name, counts.rows(kind),
                                 [&](std::int32_t expert) { return counts.selections(expert, kind); }));
    };
    for (const Phase phase : {Phase::kPrompt, Phase::kThinking, Phase::kAnswer}) add(phaseName(phase), phase);
    for (int kind = 0; kind < kTokenClassCount; ++kind)
        add(tokenClassName(static_cast<TokenClass>(kind)), static_cast<TokenClass>(kind));
    const VocabularySpecialisation vocabulary = counts.vocabulary();
    if (vocabulary.tokens > 0) {
        rows.push_back({.name = tr("a token id → an expert"),
                        .share = vocabulary.largest_share,
                        .chance = vocabulary.chance,
                        .tip = tr("Vocabulary specialisation: mean over the %1 token ids with at least %2 occurrences "
                                  "of the largest share of first choices that one expert gets; by chance about %3")
                                   .arg(vocabulary.tokens)
                                   .arg(kFewestRows)
                                   .arg(format::probability(vocabulary.chance))});
    }
    m_layer->show(std::move(rows));
    showPinnedShares(u"layerMeasures"_s, false);
    m_layer_note->setText(
        tr("The most preferred expert of each group with at least %1 rows, beside what the most "
           "preferred one would get by chance. A token id → an expert: the mean over ids of the largest share of "
           "first choices that one expert gets.")
            .arg(kFewestRows));
}

QString ExpertInspector::tokensCsv() const {
    QString text = u"which,layer,expert,position,id,token,phase,class,rank,weight\n"_s;
    const auto add = [&](const QString& which, std::int32_t layer, std::int32_t expert, const ExpertData& data) {
        for (const ExpertHit& hit : data.hits(expert)) {
            const TokenRecord& token = history().token(hit.position);
            const QStringList fields{which,
                                     QString::number(modelLayer(m_snapshot, layer)),
                                     QString::number(expert),
                                     QString::number(hit.position),
                                     QString::number(token.trace.id),
                                     csvField(format::tokenText(token.bytes)),
                                     csvPhase(token.trace.phase),
                                     tokenClassName(tokenClass(token.trace, token.bytes)),
                                     QString::number(hit.rank + 1),
                                     csvNumber(hit.weight)};
            text += fields.join(u',') + u'\n';
        }
    };
    if (m_content->currentIndex() == 0) return text;
    if (hasExpert()) add(u"selected"_s, m_selection.layer(), m_selection.expert(), m_data);
    if (m_pin) add(u"pinned"_s, m_pin->layer, m_pin->expert, pinnedData());
    return text;
}

QString ExpertInspector::loadCsv() const {
    QString text = u"which,position,share,even_share\n"_s;
    const auto add = [&](const QString& which, const ExpertLoadChart::Line& line) {
        for (const QPointF& point : line.points)
            text += u"%1,%2,%3,%4\n"_s.arg(which).arg(point.x()).arg(csvNumber(point.y()), csvNumber(m_load->even()));
    };
    add(u"selected"_s, m_load->selected());
    add(u"pinned"_s, m_load->pinned());
    return text;
}

QString ExpertInspector::sharesCsv(const QString& first_column, const ShareTableModel& model) const {
    QString text = first_column + u",rows,of,share,chance,pinned_share\n"_s;
    for (const ShareRow& row : model.rows()) {
        const QStringList fields{csvField(row.name),   QString::number(row.part), QString::number(row.whole),
                                 csvNumber(row.share), csvNumber(row.chance),     csvNumber(row.other)};
        text += fields.join(u',') + u'\n';
    }
    return text;
}

QString ExpertInspector::csv() const {
    switch (m_page) {
        case Page::kTokens:
            return tokensCsv();
        case Page::kLoad:
            return loadCsv();
        case Page::kKinds:
            return sharesCsv(u"kind"_s, *m_kinds);
        case Page::kTasks:
            return sharesCsv(u"task"_s, *m_tasks);
        case Page::kPairs:
            return sharesCsv(u"expert"_s, *m_pairs);
        case Page::kLayer:
            break;
    }
    return sharesCsv(u"preference"_s, *m_layer);
}

}  // namespace mixoscope
