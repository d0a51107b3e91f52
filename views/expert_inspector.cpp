#include "views/expert_inspector.h"

#include <QButtonGroup>
#include <QComboBox>
#include <QContextMenuEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QPainter>
#include <QSortFilterProxyModel>
#include <QSplitter>
#include <QStackedWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "views/chart_refresh.h"
#include "views/empty_page.h"
#include "views/expert_load_chart.h"
#include "views/format.h"
#include "views/segments.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kRowHeight = 23;

QLabel* makeNote(const QString& name, QWidget* parent) {
    auto* note = new QLabel(parent);
    note->setObjectName(name);
    note->setFont(textFont(font_size::kTable));
    note->setWordWrap(true);
    note->setContentsMargins(10, 2, 10, 6);
    return note;
}

/// A table and what is to be said of it below.
QWidget* withNote(QTableView* table, QLabel* note) {
    auto* holder = new QWidget(table->parentWidget());
    auto* column = new QVBoxLayout(holder);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(table, 1);
    column->addWidget(note);
    return holder;
}

}  // namespace

void TokenContextDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                                 const QModelIndex& index) const {
    painter->save();
    if ((option.state & QStyle::State_Selected) != 0) painter->fillRect(option.rect, colours().accent_background);
    painter->setFont(monoFont(font_size::kCaption));
    painter->setClipRect(option.rect);
    const QFontMetrics metrics = painter->fontMetrics();
    const QRect area = option.rect.adjusted(6, 0, -4, 0);
    const QString token = index.data(ExpertTokensModel::kTokenRole).toString();
    const int token_width = std::min(metrics.horizontalAdvance(token) + 4, area.width());
    // The tokens of all rows stand below each other, two fifths from the left.
    const int x = area.left() + std::min(area.width() * 2 / 5, area.width() - token_width);
    const auto draw = [&](const QRect& where, Qt::Alignment side, Qt::TextElideMode elide, const QString& text) {
        if (where.width() > 0)
            painter->drawText(where, side | Qt::AlignVCenter, metrics.elidedText(text, elide, where.width()));
    };
    painter->setPen(colours().muted_text);
    draw({area.left(), area.top(), x - area.left() - 2, area.height()}, Qt::AlignRight, Qt::ElideLeft,
         index.data(ExpertTokensModel::kBeforeRole).toString());
    const int after = x + token_width + 2;
    draw({after, area.top(), area.right() - after + 1, area.height()}, Qt::AlignLeft, Qt::ElideRight,
         index.data(ExpertTokensModel::kAfterRole).toString());
    const QRect box(x, area.top() + 2, token_width, area.height() - 4);
    painter->fillRect(box, colours().accent_background);
    painter->setPen(colours().text);
    draw(box, Qt::AlignHCenter, Qt::ElideRight, token);
    painter->restore();
}

ExpertInspector::ExpertInspector(Selection& selection, QWidget* parent)
    : QWidget(parent),
      m_selection(selection),
      m_tokens(new ExpertTokensModel(this)),
      m_pinned_tokens(new ExpertTokensModel(this)),
      m_kinds(new ShareTableModel(tr("Phase or kind of text"), this)),
      m_tasks(new ShareTableModel(tr("Task"), this)),
      m_pairs(new ShareTableModel(tr("Expert"), this)),
      m_layer(new ShareTableModel(tr("Preference"), this)) {
    setObjectName(u"expertInspector"_s);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);
    setMinimumSize(300, 220);
    auto* page = new QWidget(this);
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(makeHeader());
    column->addWidget(makePages(), 1);
    m_nothing = new EmptyPage({.icon = u"search"_s,
                               .title = tr("Nothing routed yet"),
                               .text = tr("Send a message; then double-click an expert in the heatmap to see which "
                                          "tokens it gets.")},
                              this);
    m_content = new QStackedWidget(this);
    m_content->addWidget(m_nothing);
    m_content->addWidget(page);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(m_content);
    m_timer.setSingleShot(true);
    connect(&m_timer, &QTimer::timeout, this, &ExpertInspector::refresh);
    for (const auto signal : {&Selection::layerChanged, &Selection::expertChanged, &Selection::turnChanged})
        connect(&m_selection, signal, this, &ExpertInspector::refresh);
    connect(&m_selection, &Selection::rangeChanged, this, &ExpertInspector::refresh);
    connect(&m_selection, &Selection::laneChanged, this, &ExpertInspector::refresh);
    connect(&m_selection, &Selection::tokenChanged, this, &ExpertInspector::markSelectedToken);
    refresh();
}

QWidget* ExpertInspector::makeHeader() {
    auto* holder = new QWidget(this);
    m_name = new QLabel(holder);
    m_name->setObjectName(u"inspectedExpert"_s);
    m_name->setProperty("role", u"token"_s);
    m_name->setFont(monoFont());
    m_place = new QLabel(holder);
    m_place->setFont(monoFont(font_size::kCaption));
    const auto step = [&](const QString& name, const QString& icon, const QString& tip, int by) {
        auto* button = new QToolButton(holder);
        button->setObjectName(name);
        button->setProperty("role", u"stepper"_s);
        button->setIcon(themedIcon(icon));
        button->setToolTip(tip);
        button->setAccessibleName(tip);
        button->setAutoRepeat(true);
        button->setFocusPolicy(Qt::StrongFocus);
        connect(button, &QToolButton::clicked, this, [this, by] { stepExpert(by); });
        return button;
    };
    m_pin_button = new QToolButton(holder);
    m_pin_button->setObjectName(u"pinExpert"_s);
    m_pin_button->setText(tr("Pin"));
    m_pin_button->setCheckable(true);
    m_pin_button->setFocusPolicy(Qt::StrongFocus);
    connect(m_pin_button, &QToolButton::clicked, this, &ExpertInspector::setPinned);
    auto* first = new QHBoxLayout;
    first->setSpacing(8);
    first->addWidget(m_name);
    first->addWidget(m_place);
    first->addStretch(1);
    first->addWidget(step(u"previousExpert"_s, u"chevron-left"_s, tr("Go to the previous expert"), -1));
    first->addWidget(step(u"nextExpert"_s, u"chevron-right"_s, tr("Go to the next expert"), 1));
    first->addWidget(m_pin_button);
    const auto facts = [&](const QString& name) {
        auto* label = new QLabel(holder);
        label->setObjectName(name);
        label->setFont(textFont(font_size::kTable));
        label->setWordWrap(true);
        label->setProperty("role", u"muted"_s);
        return label;
    };
    m_facts = facts(u"expertFacts"_s);
    m_pinned_facts = facts(u"pinnedFacts"_s);

    auto* segments = new QHBoxLayout;
    m_page_buttons = new QButtonGroup(this);
    const std::pair<QString, QString> names[] = {
        {tr("Tokens"), tr("List the tokens that the expert got")},
        {tr("Load"), tr("Show the expert's load over time")},
        {tr("Kinds"), tr("Show which phases and kinds of text the expert gets (domain specialisation)")},
        {tr("Tasks"), tr("Show which tasks of an experiment the expert gets")},
        {tr("Pairs"), tr("Show which experts run together with this one (co-activation, all pairs)")},
        {tr("Layer"), tr("Show how specialised the experts of this layer are")},
    };
    addSegments(*m_page_buttons, *segments, u"expertPage"_s, names);
    segments->addStretch(1);
    connect(m_page_buttons, &QButtonGroup::idClicked, this, [this](int id) { setPage(static_cast<Page>(id)); });
    auto* column = new QVBoxLayout(holder);
    column->setContentsMargins(10, 8, 10, 8);
    column->setSpacing(6);
    column->addLayout(first);
    column->addWidget(m_facts);
    column->addWidget(m_pinned_facts);
    column->addLayout(segments);
    return holder;
}

QTableView* ExpertInspector::makeTokenTable(const QString& name, const QString& title, ExpertTokensModel& model) {
    auto* table = new QTableView(this);
    auto* sorted = new QSortFilterProxyModel(table);
    sorted->setSortRole(ExpertTokensModel::kSortRole);
    sorted->setSourceModel(&model);
    table->setObjectName(name);
    table->setAccessibleName(title);
    table->setModel(sorted);
    table->setItemDelegateForColumn(ExpertTokensModel::kContext, new TokenContextDelegate(table));
    table->setShowGrid(false);
    table->setTabKeyNavigation(false);  // arrows go through the rows, Tab goes on to the next panel
    table->setSelectionBehavior(QAbstractItemView::SelectRows);
    table->setSelectionMode(QAbstractItemView::SingleSelection);
    table->setSortingEnabled(true);
    table->sortByColumn(ExpertTokensModel::kPosition, Qt::AscendingOrder);
    table->verticalHeader()->hide();
    table->verticalHeader()->setDefaultSectionSize(kRowHeight);
    table->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    QHeaderView* header = table->horizontalHeader();
    header->setHighlightSections(false);
    header->setMinimumSectionSize(30);
    header->setSectionResizeMode(QHeaderView::Fixed);
    header->setSectionResizeMode(ExpertTokensModel::kContext, QHeaderView::Stretch);
    const std::pair<int, int> widths[] = {{ExpertTokensModel::kPosition, 76},
                                          {ExpertTokensModel::kPhase, 62},
                                          {ExpertTokensModel::kRank, 48},
                                          {ExpertTokensModel::kWeight, 60}};
    for (const auto& [column, width] : widths) header->resizeSection(column, width);
    const auto select = [this, sorted, &model](const QModelIndex& index) {
        const int row = sorted->mapToSource(index).row();
        if (row >= 0) m_selection.setToken(model.hits()[static_cast<std::size_t>(row)].position);
    };
    connect(table, &QTableView::clicked, this, select);
    connect(table->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [table, select](const QModelIndex& now) {
                if (now.isValid() && table->hasFocus()) select(now);
            });
    return table;
}

QTableView* ExpertInspector::makeShareTable(const QString& name, const QString& title, ShareTableModel& model) {
    auto* table = new QTableView(this);
    table->setObjectName(name);
    table->setAccessibleName(title);
    table->setModel(&model);
    table->setItemDelegateForColumn(ShareTableModel::kBar, new ShareBarDelegate(table));
    table->setShowGrid(false);
    table->setTabKeyNavigation(false);  // arrows go through the rows, Tab goes on to the next panel
    table->setSelectionBehavior(QAbstractItemView::SelectRows);
    table->setSelectionMode(QAbstractItemView::SingleSelection);
    table->verticalHeader()->hide();
    table->verticalHeader()->setDefaultSectionSize(kRowHeight);
    table->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    QHeaderView* header = table->horizontalHeader();
    header->setHighlightSections(false);
    header->setMinimumSectionSize(30);
    header->setSectionResizeMode(QHeaderView::ResizeToContents);
    header->setSectionResizeMode(ShareTableModel::kBar, QHeaderView::Stretch);
    connect(table, &QTableView::activated, this, [this, &model](const QModelIndex& index) {
        const std::int32_t expert = model.rows()[static_cast<std::size_t>(index.row())].expert;
        if (expert >= 0) m_selection.setExpert(expert);
    });
    return table;
}

QWidget* ExpertInspector::makePages() {
    m_token_table = makeTokenTable(u"expertTokens"_s, tr("Tokens of the expert"), *m_tokens);
    m_pinned_table = makeTokenTable(u"pinnedTokens"_s, tr("Tokens of the pinned expert"), *m_pinned_tokens);
    auto* below = new QWidget(this);
    m_pinned_caption = new QLabel(below);
    m_pinned_caption->setFont(textFont(font_size::kTable, QFont::DemiBold));
    m_pinned_caption->setContentsMargins(10, 6, 10, 2);
    auto* below_column = new QVBoxLayout(below);
    below_column->setContentsMargins(0, 0, 0, 0);
    below_column->setSpacing(0);
    below_column->addWidget(m_pinned_caption);
    below_column->addWidget(m_pinned_table, 1);
    auto* lists = new QSplitter(Qt::Vertical, this);
    lists->setChildrenCollapsible(false);
    lists->addWidget(m_token_table);
    lists->addWidget(below);

    m_load = new ExpertLoadChart(m_selection, this);
    m_layer_note = makeNote(u"layerNote"_s, this);

    m_no_expert = new EmptyPage({.icon = u"search"_s, .title = {}, .text = {}}, this);
    m_pages = new QStackedWidget(this);
    m_pages->addWidget(lists);
    m_pages->addWidget(m_load);
    m_pages->addWidget(makeShareTable(u"expertKinds"_s, tr("Share of each kind of row that the expert got"), *m_kinds));
    m_pages->addWidget(makeTasksPage());
    m_pages->addWidget(makeShareTable(u"expertPairs"_s, tr("Experts that ran together with this one"), *m_pairs));
    m_pages->addWidget(
        withNote(makeShareTable(u"layerMeasures"_s, tr("Specialisation of the layer"), *m_layer), m_layer_note));
    m_pages->addWidget(m_no_expert);
    return m_pages;
}

QWidget* ExpertInspector::makeTasksPage() {
    m_task_policy = new QComboBox(this);
    m_task_policy->setObjectName(u"taskPolicy"_s);
    m_task_policy->setAccessibleName(tr("Policy whose runs are counted"));
    m_task_policy->setToolTip(tr("Choose the policy of the experiment whose runs are counted"));
    m_task_policy->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    connect(m_task_policy, &QComboBox::activated, this, &ExpertInspector::refresh);
    m_tasks_note = makeNote(u"tasksNote"_s, this);
    QWidget* page = withNote(
        makeShareTable(u"expertTasks"_s, tr("Share of each task's rows that the expert got"), *m_tasks), m_tasks_note);
    auto* row = new QHBoxLayout;
    row->setContentsMargins(10, 4, 10, 4);
    row->addWidget(m_task_policy, 1);
    static_cast<QVBoxLayout*>(page->layout())->insertLayout(0, row);
    return page;
}

void ExpertInspector::setExperiment(const ExperimentPointer& experiment) {
    m_experiment = experiment;
    if (m_page == Page::kTasks && isVisible() && !m_timer.isActive()) m_timer.start(kChartRefreshMs);
}

void ExpertInspector::setSnapshot(const SnapshotPointer& snapshot) {
    m_snapshot = snapshot;
    if (m_content->currentIndex() == 0) {
        refresh();
    } else if (isVisible() && !m_timer.isActive()) {
        m_timer.start(kChartRefreshMs);
    }
}

void ExpertInspector::setPage(Page page) {
    m_page = page;
    m_page_buttons->button(static_cast<int>(page))->setChecked(true);
    refresh();
}

void ExpertInspector::setPinned(bool pinned) {
    if (pinned && hasExpert()) {
        m_pin = Pin{.layer = m_selection.layer(), .expert = m_selection.expert()};
    } else {
        m_pin.reset();
    }
    refresh();
}

void ExpertInspector::stepExpert(int by) {
    const std::int32_t experts = history().shape().experts;
    if (experts == 0) return;
    const std::int32_t now = m_selection.expert();
    m_selection.setExpert(now < 0 ? (by > 0 ? 0 : experts - 1) : (now + by + experts) % experts);
}

void ExpertInspector::showEvent(QShowEvent* event) {
    QWidget::showEvent(event);
    refresh();
}

void ExpertInspector::contextMenuEvent(QContextMenuEvent* event) {
    execExportMenu(*this, this, event->globalPos());
}

QString ExpertInspector::viewName() const {
    return u"expert-inspector"_s;
}

QString ExpertInspector::viewTitle() const {
    return tr("Expert inspector");
}

QImage ExpertInspector::renderToImage(qreal scale) {
    refresh();
    return renderWidget(*this, scale);
}

}  // namespace mixoscope
