#include "views/experiment_runs_view.h"

#include <QButtonGroup>
#include <QContextMenuEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>
#include <utility>

#include "sessions/record_names.h"
#include "views/elided_label.h"
#include "views/empty_page.h"
#include "views/experiment_chart.h"
#include "views/format.h"
#include "views/segments.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kRowHeight = 25;
constexpr int kDetailHeight = 84;
constexpr std::pair<int, int> kWidths[] = {
    {ExperimentRunsModel::kItem, 46},         {ExperimentRunsModel::kVerdict, 70}, {ExperimentRunsModel::kPrompt, 260},
    {ExperimentRunsModel::kExpected, 150},    {ExperimentRunsModel::kAnswer, 170}, {ExperimentRunsModel::kThinking, 52},
    {ExperimentRunsModel::kAnswerTokens, 92}, {ExperimentRunsModel::kEnd, 90},     {ExperimentRunsModel::kLatency, 76}};

}  // namespace

ExperimentRunsView::ExperimentRunsView(ExperimentSelection& selection, QWidget* parent)
    : QWidget(parent),
      m_selection(selection),
      m_model(new ExperimentRunsModel(this)),
      m_title(new ElidedLabel(this)),
      m_filters(new QButtonGroup(this)),
      m_table(new QTableView(this)),
      m_detail(new QPlainTextEdit(this)),
      m_ask(new QPushButton(tr("Ask it in the chat"), this)),
      m_replay(new QPushButton(tr("Open its replay"), this)),
      m_pages(new QStackedWidget(this)),
      m_empty(new EmptyPage({.icon = u"table"_s,
                             .title = tr("No cell is selected"),
                             .text = tr("Click a point of a chart, a cell of the map or a row of the results: its "
                                        "runs are listed here.")},
                            this)) {
    setObjectName(u"experiment_runs"_s);
    m_title->setObjectName(u"experiment_runs_title"_s);
    m_title->setFont(textFont(font_size::kTable, QFont::DemiBold));
    m_table->setObjectName(u"experiment_runs_table"_s);
    m_table->setAccessibleName(tr("Runs"));
    m_table->setModel(m_model);
    m_table->setAlternatingRowColors(true);
    m_table->setShowGrid(false);
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->setTabKeyNavigation(false);
    m_table->setContextMenuPolicy(Qt::NoContextMenu);
    m_table->setWordWrap(false);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(kRowHeight);
    m_table->horizontalHeader()->setHighlightSections(false);
    for (const auto& [column, width] : kWidths) m_table->setColumnWidth(column, width);
    m_detail->setObjectName(u"experiment_run_text"_s);
    m_detail->setAccessibleName(tr("The selected run"));
    m_detail->setReadOnly(true);
    m_detail->setTabChangesFocus(true);
    m_detail->setFixedHeight(kDetailHeight);
    m_ask->setObjectName(u"experiment_run_ask"_s);
    m_replay->setObjectName(u"experiment_run_replay"_s);
    m_replay->setEnabled(false);
    m_replay->setToolTip(
        tr("An experiment keeps answers and counts of its runs and not their routing; asked in the chat, a run is "
           "recorded as a session with the same tokens"));

    auto* filters = new QWidget(this);
    auto* filter_row = new QHBoxLayout(filters);
    filter_row->setContentsMargins(0, 0, 0, 0);
    const std::pair<QString, QString> kinds[] = {{tr("all"), tr("Show all runs of the cell")},
                                                 {tr("wrong"), tr("Show the runs with a wrong answer")},
                                                 {tr("right"), tr("Show the runs with the right answer")}};
    addSegments(*m_filters, *filter_row, u"run_filter_"_s, kinds);
    auto* head = new QHBoxLayout;
    head->setSpacing(8);
    head->addWidget(m_title, 1);
    head->addWidget(filters);
    head->addWidget(m_ask);
    head->addWidget(m_replay);
    auto* list = new QWidget(this);
    auto* column = new QVBoxLayout(list);
    column->setContentsMargins(8, 6, 8, 6);
    column->setSpacing(6);
    column->addLayout(head);
    column->addWidget(m_table, 1);
    column->addWidget(m_detail);
    m_pages->addWidget(m_empty);
    m_pages->addWidget(list);
    auto* all = new QVBoxLayout(this);
    all->setContentsMargins(0, 0, 0, 0);
    all->addWidget(m_pages);
    setFocusProxy(m_table);

    connect(&m_selection, &ExperimentSelection::changed, this, &ExperimentRunsView::refresh);
    connect(&m_selection, &ExperimentSelection::cellChanged, this, &ExperimentRunsView::refresh);
    connect(m_filters, &QButtonGroup::idClicked, this, &ExperimentRunsView::refresh);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, &ExperimentRunsView::showRun);
    connect(m_ask, &QPushButton::clicked, this, [this] {
        const QModelIndex row = m_table->currentIndex();
        if (!row.isValid()) return;
        const RunKey key = m_model->run(row.row()).key;
        Q_EMIT askAsked(key.cell, key.item);
    });
    updateButtons();
}

RunFilter ExperimentRunsView::filter() const {
    return static_cast<RunFilter>(m_filters->checkedId());
}

void ExperimentRunsView::refresh() {
    const auto cell = m_selection.cell();
    const ExperimentPointer& experiment = m_selection.experiment();
    const bool there = cell && experiment != nullptr && *cell < experiment->results.size();
    m_pages->setCurrentIndex(there ? 1 : 0);
    const auto runs = there ? runsOf(*experiment, *cell) : decltype(m_shown)();
    if (runs == m_shown && cell == m_shown_cell && filter() == m_shown_filter) return;
    const bool same_cell = cell == m_shown_cell;
    const int row = same_cell ? m_table->currentIndex().row() : -1;
    m_shown = runs;
    m_shown_cell = cell;
    m_shown_filter = filter();
    m_model->show(experiment, there ? cell : std::nullopt, filter());
    if (there) {
        const QString title = describeCell(*experiment, *cell).section(u'\n', 0, 0);
        const CellResult& result = experiment->results[*cell];
        m_title->setText(result.accuracy.trials == 0 ? tr("%1: %2 runs").arg(title, format::count(result.runs))
                                                     : tr("%1: %2 of %3 right")
                                                           .arg(title, format::count(result.accuracy.successes),
                                                                format::count(result.accuracy.trials)));
        m_title->setToolTip(m_title->text());
    }
    if (m_model->rowCount() > 0) m_table->selectRow(std::clamp(row, 0, m_model->rowCount() - 1));
    showRun();
}

void ExperimentRunsView::showRun() {
    const QModelIndex row = m_table->currentIndex();
    updateButtons();
    if (!row.isValid()) return m_detail->setPlainText({});
    const RunResult& run = m_model->run(row.row());
    const TaskItem* item = m_model->item(row.row());
    if (m_model->scoresText()) {
        const QString part =
            item == nullptr ? tr("not known, the task's file cannot be read") : format::plainText(item->prompt);
        return m_detail->setPlainText(tr("Scored: %1").arg(part) + u'\n' + tr("Found: %1").arg(scoreText(run)));
    }
    QString text = item == nullptr ? tr("Prompt: not known, the task's file cannot be read")
                                   : tr("Prompt: %1").arg(format::plainText(item->prompt));
    if (item != nullptr && !item->reference.empty())
        text += u'\n' + tr("Expected: %1").arg(format::plainText(item->reference));
    text += u'\n' + tr("Answer: %1").arg(format::plainText(run.answer).trimmed());
    QStringList facts;
    if (run.measures.closed_by_budget) facts << tr("the budget closed its thinking");
    if (!run.followed_mode) facts << tr("it did not follow the mode");
    if (run.measures.stray_tags > 0) facts << tr("%1 thinking tags where none belong").arg(run.measures.stray_tags);
    if (!facts.isEmpty()) text += u'\n' + tr("Noted: %1").arg(facts.join(u", "_s));
    m_detail->setPlainText(text);
}

void ExperimentRunsView::setAskDisabledReason(const QString& reason) {
    m_ask_reason = reason;
    updateButtons();
}

void ExperimentRunsView::updateButtons() {
    const bool chosen = m_table->currentIndex().isValid();
    const bool known = chosen && m_model->item(m_table->currentIndex().row()) != nullptr;
    const bool text = m_model->scoresText();
    m_ask->setEnabled(known && !text && m_ask_reason.isEmpty());
    m_ask->setToolTip(!chosen  ? tr("Select a run first")
                      : text   ? tr("A window of a text is scored: there is no question to ask")
                      : !known ? tr("The task's file cannot be read, so the question is not known")
                      : !m_ask_reason.isEmpty()
                          ? m_ask_reason
                          : tr("Ask this question under the same settings in a new chat: the same "
                               "tokens, with their routing"));
}

void ExperimentRunsView::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString ExperimentRunsView::viewName() const {
    return u"experiment-runs"_s;
}

QString ExperimentRunsView::viewTitle() const {
    return tr("Runs of a cell");
}

QImage ExperimentRunsView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString ExperimentRunsView::csv() const {
    QString text =
        u"task,item,judged,correct,prompt,expected,answer,thinking_tokens,answer_tokens,stop_reason,latency_ms\n"_s;
    for (int row = 0; row < m_model->rowCount(); ++row) {
        const RunResult& run = m_model->run(row);
        const TaskItem* item = m_model->item(row);
        QStringList fields{csvField(m_model->taskOf(run)),
                           QString::number(run.key.item),
                           QString::number(run.judged ? 1 : 0),
                           QString::number(run.correct ? 1 : 0),
                           csvField(item == nullptr ? QString() : format::plainText(item->prompt)),
                           csvField(item == nullptr ? QString() : format::plainText(item->reference)),
                           csvField(format::plainText(run.answer)),
                           QString::number(run.thinking_tokens),
                           QString::number(run.answer_tokens),
                           QString::fromStdString(std::string(stopReasonName(run.stop_reason))),
                           csvNumber(run.latency_ms)};
        text += fields.join(u',') + u'\n';
    }
    return text;
}

}  // namespace mixoscope
