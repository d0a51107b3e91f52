#include "views/experiment_results_view.h"

#include <QContextMenuEvent>
#include <QHeaderView>
#include <QSortFilterProxyModel>
#include <QTableView>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "views/models/experiment_results_model.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kRowHeight = 25;
constexpr int kWidestPolicy = 330;

/// What is absent comes last, however the column is sorted.
class AbsentLast : public QSortFilterProxyModel {
public:
    using QSortFilterProxyModel::QSortFilterProxyModel;

protected:
    bool lessThan(const QModelIndex& left, const QModelIndex& right) const override {
        const QVariant a = left.data(ExperimentResultsModel::kSortRole);
        const QVariant b = right.data(ExperimentResultsModel::kSortRole);
        if (a.typeId() != QMetaType::Double) return a.toString() < b.toString();
        const bool no_a = std::isnan(a.toDouble());
        const bool no_b = std::isnan(b.toDouble());
        if (no_a || no_b) return no_a != no_b && no_b == (sortOrder() == Qt::AscendingOrder);
        return a.toDouble() < b.toDouble();
    }
};

}  // namespace

ExperimentResultsView::ExperimentResultsView(ExperimentSelection& selection, QWidget* parent)
    : QWidget(parent),
      m_selection(selection),
      m_model(new ExperimentResultsModel(this)),
      m_sorted(new AbsentLast(this)),
      m_table(new QTableView(this)) {
    setObjectName(u"experiment_results"_s);
    m_sorted->setSourceModel(m_model);
    m_table->setObjectName(u"experiment_results_table"_s);
    m_table->setAccessibleName(tr("Results"));
    m_table->setModel(m_sorted);
    m_table->setSortingEnabled(true);
    m_table->horizontalHeader()->setSortIndicator(-1, Qt::AscendingOrder);
    m_table->horizontalHeader()->setSortIndicatorClearable(true);
    m_table->setAlternatingRowColors(true);
    m_table->setShowGrid(false);
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_table->setTabKeyNavigation(false);
    m_table->setHorizontalScrollMode(QAbstractItemView::ScrollPerPixel);
    m_table->setContextMenuPolicy(Qt::NoContextMenu);
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setDefaultSectionSize(kRowHeight);
    m_table->horizontalHeader()->setHighlightSections(false);
    m_table->setIconSize({12, 12});
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(m_table);
    setFocusProxy(m_table);
    connect(m_table->selectionModel(), &QItemSelectionModel::currentRowChanged, this, [this](const QModelIndex& row) {
        if (m_showing || !row.isValid()) return;
        m_choosing = true;  // further rows may be selected with it
        m_selection.setCell(static_cast<std::size_t>(m_sorted->mapToSource(row).row()));
        m_choosing = false;
    });
    connect(m_table, &QTableView::activated, this, &ExperimentResultsView::runsAsked);
    connect(&m_selection, &ExperimentSelection::changed, this, &ExperimentResultsView::refresh);
    connect(&m_selection, &ExperimentSelection::cellChanged, this, &ExperimentResultsView::showSelection);
}

void ExperimentResultsView::refresh() {
    const ExperimentPointer& experiment = m_selection.experiment();
    m_showing = true;
    m_model->show(experiment);
    m_showing = false;
    const auto frame = experiment == nullptr ? nullptr : experiment->frame;
    if (frame == m_frame) return;
    m_frame = frame;
    for (int column = 0; column < ExperimentResultsModel::kColumns; ++column)
        m_table->setColumnHidden(column, !m_model->isTold(column));
    // Numbers come later than the columns: room for them.
    const QFontMetrics mono(monoFont(font_size::kCaption));
    const QFontMetrics head(textFont(font_size::kCaption));
    for (int column = 0; column < ExperimentResultsModel::kColumns; ++column) {
        const int title = head.horizontalAdvance(m_model->headerData(column, Qt::Horizontal).toString()) + 30;
        int width = std::max(title, mono.horizontalAdvance(u"0000.00 ms"_s) + 16);
        if (column == ExperimentResultsModel::kAccuracy) width = mono.horizontalAdvance(u"100.0 [100.0, 100.0]"_s) + 16;
        if (column == ExperimentResultsModel::kPerplexity)
            width = mono.horizontalAdvance(u"100.00 [100.00, 100.00]"_s) + 16;
        if (column == ExperimentResultsModel::kNllChange)
            width = mono.horizontalAdvance(u"−0.0000 [−0.0000, −0.0000]"_s) + 16;
        if (column == ExperimentResultsModel::kLoad) width = mono.horizontalAdvance(u"10.00 (0.00)"_s) + 16;
        if (column > ExperimentResultsModel::kBytes) width = title;
        if (column == ExperimentResultsModel::kSeed || column == ExperimentResultsModel::kBudget) width = title + 16;
        m_table->setColumnWidth(column, width);
    }
    m_table->resizeColumnToContents(ExperimentResultsModel::kPolicy);
    m_table->setColumnWidth(ExperimentResultsModel::kPolicy,
                            std::min(kWidestPolicy, m_table->columnWidth(ExperimentResultsModel::kPolicy) + 8));
    for (const int column :
         {static_cast<int>(ExperimentResultsModel::kTask), static_cast<int>(ExperimentResultsModel::kSampling)})
        m_table->resizeColumnToContents(column);
    showSelection();
}

void ExperimentResultsView::showSelection() {
    if (m_choosing) return;
    const auto cell = m_selection.cell();
    m_showing = true;
    if (!cell || static_cast<int>(*cell) >= m_model->rowCount()) {
        m_table->clearSelection();
        m_table->setCurrentIndex({});  // so that the same row can be chosen again
    } else {
        const QModelIndex row = m_sorted->mapFromSource(m_model->index(static_cast<int>(*cell), 0));
        if (m_table->currentIndex().row() != row.row() || !m_table->selectionModel()->isRowSelected(row.row(), {}))
            m_table->selectRow(row.row());
        m_table->scrollTo(row);
    }
    m_showing = false;
}

QString ExperimentResultsView::selectedText() const {
    QString text;
    const auto add = [&](const auto& field) {
        QStringList fields;
        for (int column = 0; column < ExperimentResultsModel::kColumns; ++column) {
            if (!m_table->isColumnHidden(column)) fields << field(column);
        }
        text += fields.join(u'\t') + u'\n';
    };
    add([&](int column) { return m_model->headerData(column, Qt::Horizontal).toString(); });
    QModelIndexList rows = m_table->selectionModel()->selectedRows();
    std::ranges::sort(rows, {}, &QModelIndex::row);
    for (const QModelIndex& row : rows) add([&](int column) { return row.siblingAtColumn(column).data().toString(); });
    return text;
}

void ExperimentResultsView::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

void ExperimentResultsView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    // Markers and warnings have the colours of the theme.
    if (event->type() == QEvent::PaletteChange) refresh();
}

QString ExperimentResultsView::viewName() const {
    return u"experiment-results"_s;
}

QString ExperimentResultsView::viewTitle() const {
    return tr("Results of the experiment");
}

QImage ExperimentResultsView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString ExperimentResultsView::csv() const {
    const ExperimentPointer& experiment = m_selection.experiment();
    if (experiment == nullptr || experiment->frame == nullptr) return {};
    QString text = QString::fromStdString(resultsCsv(experiment->frame->experiment, experiment->results));
    return text.replace(u"\r\n"_s, u"\n"_s);
}

}  // namespace mixoscope
