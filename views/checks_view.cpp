#include "views/checks_view.h"

#include <QContextMenuEvent>
#include <QHeaderView>
#include <QLabel>
#include <QStackedWidget>
#include <QTableView>
#include <QVBoxLayout>

#include "views/empty_page.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

}  // namespace

ChecksView::ChecksView(Selection& selection, QWidget* parent)
    : QWidget(parent), m_selection(selection), m_model(new ChecksModel(this)) {
    setObjectName(u"checksView"_s);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    m_chip = new QLabel(this);
    m_chip->setObjectName(u"checksChip"_s);
    m_chip->setProperty("role", u"chip-good"_s);
    m_table = new QTableView(this);
    m_table->setTabKeyNavigation(false);  // arrows go through the rows, Tab goes on to the next panel
    m_table->setObjectName(u"checksTable"_s);
    m_table->setAccessibleName(tr("Self-checks"));
    m_table->setModel(m_model);
    m_table->setShowGrid(false);
    m_table->setWordWrap(true);
    m_table->setTextElideMode(Qt::ElideRight);
    m_table->setSelectionBehavior(QAbstractItemView::SelectRows);
    m_table->setSelectionMode(QAbstractItemView::SingleSelection);
    m_table->horizontalHeader()->hide();
    m_table->verticalHeader()->hide();
    m_table->verticalHeader()->setMinimumSectionSize(25);
    m_table->verticalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    m_table->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    QHeaderView* header = m_table->horizontalHeader();
    header->setMinimumSectionSize(24);
    header->setSectionResizeMode(ChecksModel::kState, QHeaderView::Fixed);
    header->resizeSection(ChecksModel::kState, 30);
    header->setSectionResizeMode(ChecksModel::kName, QHeaderView::ResizeToContents);
    header->setSectionResizeMode(ChecksModel::kEquation, QHeaderView::Stretch);
    m_note = new QLabel(this);
    m_note->setObjectName(u"checksNote"_s);
    m_note->setProperty("role", u"caption"_s);
    m_note->setWordWrap(true);

    auto* page = new QWidget(this);
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(10, 8, 10, 8);
    column->setSpacing(6);
    column->addWidget(m_chip, 0, Qt::AlignLeft);
    column->addWidget(m_table, 1);
    column->addWidget(m_note);
    m_pages = new QStackedWidget(this);
    m_pages->addWidget(new EmptyPage({.icon = u"check"_s,
                                      .title = tr("Nothing checked yet"),
                                      .text = tr("With the first token the probes check that nothing they count is "
                                                 "missing.")},
                                     this));
    m_pages->addWidget(page);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_pages);
    connect(m_table, &QTableView::clicked, this, &ChecksView::goTo);
    connect(m_table, &QTableView::activated, this, &ChecksView::goTo);
}

void ChecksView::setSnapshot(const SnapshotPointer& snapshot) {
    const LaneSnapshot* lane = findLane(snapshot, m_selection.lane());
    m_model->setChecks(lane == nullptr ? std::vector<CheckResult>{} : lane->checks);
    m_pages->setCurrentIndex(m_model->rowCount() > 0 ? 1 : 0);
    if (lane == nullptr) return;
    const ChecksSummary summary = summarise(lane->checks);
    const QString role = summary.verdict == ChecksVerdict::kBroken ? u"chip-error"_s
                         : summary.verdict == ChecksVerdict::kHold ? u"chip-good"_s
                                                                   : u"chip-prompt"_s;
    setRole(*m_chip, role);
    const QString mark = summary.verdict == ChecksVerdict::kHold ? u"✓ "_s : QString();
    m_chip->setText(mark + summary.text);
    m_note->setText(rowsNote(*lane, snapshot->lanes.size() > 1));
}

QString ChecksView::rowsNote(const LaneSnapshot& lane, bool forked) {
    if (lane.load == nullptr || lane.load->layers() == 0) return {};
    QStringList parts;
    for (const Phase phase : {Phase::kPrompt, Phase::kThinking, Phase::kAnswer}) {
        const std::int64_t rows = lane.load->layer(phase, 0).rows;
        if (rows > 0) parts << tr("%1 %2").arg(phaseName(phase), format::count(rows));
    }
    const QString fed = tr("Selections = rows × layers × k − dropped. Rows fed: %1%2.")
                            .arg(parts.join(u" + "_s), forked ? tr(", and those of its forks") : QString());
    return tr("%1 The timeline counts tokens: the newest one is fed in the next step, and tags and injected tokens, "
              "rows of "
              "thinking here, do not count there.")
        .arg(fed);
}

void ChecksView::goTo(const QModelIndex& index) {
    const CheckResult& check = m_model->checks()[static_cast<std::size_t>(index.row())];
    if (!check.ran || check.holds) return;
    if (check.layer >= 0) m_selection.setLayer(check.layer);
    if (check.position >= 0) m_selection.setToken(check.position);
}

void ChecksView::changeEvent(QEvent* event) {
    // Also sent while the constructor sets the background, before there is a table.
    if (event->type() == QEvent::PaletteChange && m_table != nullptr) m_table->viewport()->update();
    QWidget::changeEvent(event);
}

void ChecksView::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString ChecksView::viewName() const {
    return u"self-checks"_s;
}

QString ChecksView::viewTitle() const {
    return tr("Self-checks");
}

QImage ChecksView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString ChecksView::csv() const {
    QString text = u"check,state,numbers\n"_s;
    for (const CheckResult& check : m_model->checks()) {
        const QString state = !check.ran ? u"not_run"_s : check.holds ? u"holds"_s : u"broken"_s;
        const std::string& numbers = check.ran && !check.holds ? check.violation : check.equation;
        text += u"%1,%2,%3\n"_s.arg(csvField(QString::fromStdString(check.name)), state,
                                    csvField(QString::fromStdString(numbers)));
    }
    return text;
}

}  // namespace mixoscope
