#include "views/heatmap_view.h"

#include <QBoxLayout>
#include <QButtonGroup>
#include <QComboBox>
#include <QDialog>
#include <QKeyEvent>
#include <QLabel>
#include <QMenu>
#include <QScrollBar>
#include <QTableView>
#include <QToolButton>
#include <algorithm>
#include <cmath>

#include "views/models/heatmap_table_model.h"
#include "views/segments.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

}  // namespace

HeatmapView::HeatmapView(Selection& selection, QWidget* parent)
    : QWidget(parent), m_selection(selection), m_canvas(new HeatmapCanvas(selection, this)) {
    setObjectName(u"heatmapView"_s);
    m_control_rows = new QBoxLayout(QBoxLayout::LeftToRight);
    m_control_rows->setContentsMargins(10, 8, 10, 4);
    m_control_rows->setSpacing(8);
    m_control_rows->addWidget(makeProjectionSwitch(), 0, Qt::AlignLeft);
    auto* controls = new QHBoxLayout;
    controls->setSpacing(8);
    m_control_rows->addLayout(controls, 1);
    m_values = new QComboBox(this);
    m_values->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    m_values->setObjectName(u"heatmapValue"_s);
    m_values->setAccessibleName(tr("Value shown"));
    m_values->setToolTip(tr("Choose what the colour shows"));
    controls->addWidget(m_values);
    m_scopes = new QComboBox(this);
    m_scopes->setObjectName(u"heatmapScope"_s);
    m_scopes->setAccessibleName(tr("Rows covered"));
    m_scopes->setToolTip(tr("Choose which rows Layer × expert covers"));
    m_scopes->addItem(tr("selected token"), static_cast<int>(LayerExpertScope::kToken));
    m_scopes->addItem(tr("selected range"), static_cast<int>(LayerExpertScope::kRange));
    m_scopes->addItem(tr("all rows"), static_cast<int>(LayerExpertScope::kAll));
    controls->addWidget(m_scopes);
    m_layer_stepper = makeLayerStepper();
    controls->addWidget(m_layer_stepper);
    m_follow = new QToolButton(this);
    m_follow->setObjectName(u"heatmapFollow"_s);
    m_follow->setText(tr("Follow"));
    m_follow->setIcon(themedIcon(u"follow"_s));
    m_follow->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_follow->setCheckable(true);
    m_follow->setChecked(true);
    m_follow->setToolTip(tr("Keep the newest token in view (F)"));
    controls->addWidget(m_follow);
    controls->addStretch(1);

    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addLayout(m_control_rows);
    m_rows = new QScrollBar(Qt::Vertical, this);
    m_rows->setObjectName(u"heatmapRows"_s);
    m_rows->setAccessibleName(tr("Rows in sight"));
    m_rows->setToolTip(tr("Scroll through the rows (Ctrl+wheel)"));
    auto* body = new QHBoxLayout;
    body->setSpacing(0);
    body->addWidget(m_canvas, 1);
    body->addWidget(m_rows);
    column->addLayout(body, 1);
    setMinimumSize(340, 260);
    setAutoFillBackground(true);
    setBackgroundRole(QPalette::Base);

    fillValues();
    connect(m_values, &QComboBox::activated, this,
            [this](int index) { m_canvas->setValue(static_cast<HeatmapValue>(m_values->itemData(index).toInt())); });
    connect(m_scopes, &QComboBox::activated, this, [this](int index) {
        m_canvas->setScope(static_cast<LayerExpertScope>(m_scopes->itemData(index).toInt()));
        fillValues();
    });
    connect(m_follow, &QToolButton::toggled, m_canvas, &HeatmapCanvas::setFollow);
    connect(m_canvas, &HeatmapCanvas::followChanged, m_follow, &QToolButton::setChecked);
    connect(m_canvas, &HeatmapCanvas::contextMenuWanted, this, &HeatmapView::showMenu);
    connect(m_canvas, &HeatmapCanvas::rowsMoved, this, &HeatmapView::syncRows);
    connect(m_rows, &QScrollBar::valueChanged, m_canvas, &HeatmapCanvas::setTopRow);
    connect(&m_selection, &Selection::layerChanged, this, &HeatmapView::syncControls);
    syncControls();
}

QWidget* HeatmapView::makeProjectionSwitch() {
    auto* holder = new QWidget(this);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(0, 0, 0, 0);
    m_projections = new QButtonGroup(this);
    const std::pair<QString, QString> names[] = {
        {tr("Expert × token"), tr("Show the experts of one layer for every token")},
        {tr("Layer × expert"), tr("Show all layers for the selected token or range")},
        {tr("Layer × token"), tr("Show entropy or margin of every layer and token")},
    };
    addSegments(*m_projections, *row, u"projection"_s, names);
    m_projections->setExclusive(true);
    connect(m_projections, &QButtonGroup::idClicked, this,
            [this](int id) { setProjection(static_cast<Projection>(id)); });
    return holder;
}

QWidget* HeatmapView::makeLayerStepper() {
    auto* holder = new QWidget(this);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    auto* caption = new QLabel(tr("Layer"), holder);
    caption->setProperty("role", u"muted"_s);
    row->addWidget(caption);
    row->addSpacing(8);
    const auto arrow = [&](const QString& icon, const QString& name, const QString& tip) {
        auto* button = new QToolButton(holder);
        button->setProperty("role", u"stepper"_s);
        button->setIcon(themedIcon(icon));
        button->setAccessibleName(name);
        button->setToolTip(tip);
        button->setAutoRepeat(true);
        return button;
    };
    m_previous_layer =
        arrow(u"chevron-left"_s, tr("Previous layer"), tr("Go to the previous MoE layer ([ or Alt+Page Up)"));
    m_previous_layer->setObjectName(u"previousLayer"_s);
    m_next_layer = arrow(u"chevron-right"_s, tr("Next layer"), tr("Go to the next MoE layer (] or Alt+Page Down)"));
    m_next_layer->setObjectName(u"nextLayer"_s);
    m_layer_label = new QLabel(holder);
    m_layer_label->setObjectName(u"layerLabel"_s);
    m_layer_label->setFont(monoFont());
    m_layer_label->setAlignment(Qt::AlignCenter);
    m_layer_label->setMinimumWidth(QFontMetrics(monoFont()).horizontalAdvance(u"00 / 00"_s) + 12);
    row->addWidget(m_previous_layer);
    row->addWidget(m_layer_label);
    row->addWidget(m_next_layer);
    connect(m_previous_layer, &QToolButton::clicked, this, [this] { stepLayer(-1); });
    connect(m_next_layer, &QToolButton::clicked, this, [this] { stepLayer(1); });
    return holder;
}

void HeatmapView::fillValues() {
    std::vector<std::pair<HeatmapValue, QString>> choices;
    if (m_canvas->projection() == Projection::kLayerToken) {
        choices = {{HeatmapValue::kEntropy, tr("entropy")},
                   {HeatmapValue::kMargin, tr("margin")},
                   {HeatmapValue::kTopProbability, tr("top-1 probability")}};
    } else if (m_canvas->projection() == Projection::kLayerExpert && m_canvas->scope() != LayerExpertScope::kToken) {
        choices = {{HeatmapValue::kShare, tr("share of rows")}};
    } else {
        choices = {m_has_weights ? std::pair{HeatmapValue::kWeight, tr("weight")}
                                 : std::pair{HeatmapValue::kChosen, tr("chosen")}};
        if (m_has_distributions) choices.push_back({HeatmapValue::kProbability, tr("probability")});
    }
    const auto kept = std::find_if(choices.begin(), choices.end(),
                                   [this](const auto& choice) { return choice.first == m_canvas->value(); });
    const QSignalBlocker blocker(m_values);
    m_values->clear();
    for (const auto& [value, name] : choices) m_values->addItem(name, static_cast<int>(value));
    m_values->setCurrentIndex(kept == choices.end() ? 0 : static_cast<int>(kept - choices.begin()));
    m_canvas->setValue(kept == choices.end() ? choices.front().first : kept->first);
}

void HeatmapView::offerProjections() {
    QAbstractButton* by_token = m_projections->button(static_cast<int>(Projection::kLayerToken));
    if (m_projection_tip.isEmpty()) m_projection_tip = by_token->toolTip();
    by_token->setEnabled(m_has_weights);
    by_token->setToolTip(m_has_weights ? m_projection_tip : tr("Entropy, margin and probabilities were not recorded"));
    if (!m_has_weights && m_canvas->projection() == Projection::kLayerToken) setProjection(Projection::kExpertToken);
}

void HeatmapView::setProjection(Projection projection) {
    m_projections->button(static_cast<int>(projection))->setChecked(true);
    m_canvas->setProjection(projection);
    fillValues();
    syncControls();
}

void HeatmapView::setSnapshot(const SnapshotPointer& snapshot) {
    m_canvas->setSnapshot(snapshot);
    const bool distributions = m_canvas->history().shape().distributions;
    const bool weights = hasWeights(m_canvas->history());
    if (distributions != m_has_distributions || weights != m_has_weights) {
        m_has_distributions = distributions;
        m_has_weights = weights;
        offerProjections();
        fillValues();
    }
    syncControls();
}

void HeatmapView::syncControls() {
    syncRows();
    const bool by_layer_and_expert = m_canvas->projection() == Projection::kLayerExpert;
    m_scopes->setVisible(by_layer_and_expert);
    m_layer_stepper->setVisible(m_canvas->projection() == Projection::kExpertToken);
    m_follow->setVisible(!by_layer_and_expert);
    const std::int32_t layers = m_canvas->history().shape().moe_layers;
    const std::int32_t layer = m_selection.layer();
    m_previous_layer->setEnabled(layers > 0 && layer > 0);
    m_next_layer->setEnabled(layer + 1 < layers);
    m_layer_label->setText(layers == 0 ? u"\u2013"_s
                                       : u"%1 / %2"_s.arg(modelLayer(m_canvas->snapshot(), layer))
                                             .arg(modelLayer(m_canvas->snapshot(), layers - 1)));
}

void HeatmapView::syncRows() {
    const int hidden = m_canvas->rowCount() - m_canvas->visibleRows();
    m_rows->setVisible(hidden > 0);
    m_rows->setPageStep(std::max(m_canvas->visibleRows(), 1));
    const QSignalBlocker blocker(m_rows);
    m_rows->setRange(0, hidden);
    m_rows->setValue(m_canvas->topRow());
}

void HeatmapView::stepLayer(int by) {
    const std::int32_t layers = m_canvas->history().shape().moe_layers;
    if (layers > 0) m_selection.setLayer(std::clamp(m_selection.layer() + by, 0, layers - 1));
}

void HeatmapView::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    m_control_rows->setDirection(width() < 650 ? QBoxLayout::TopToBottom : QBoxLayout::LeftToRight);
}

void HeatmapView::keyPressEvent(QKeyEvent* event) {
    switch (event->key()) {
        case Qt::Key_BracketLeft:
            stepLayer(-1);
            break;
        case Qt::Key_BracketRight:
            stepLayer(1);
            break;
        case Qt::Key_F:
            m_follow->toggle();
            break;
        default:
            QWidget::keyPressEvent(event);
    }
}

void HeatmapView::showMenu(QPoint global_position) {
    QMenu menu(this);
    addOwnActions(menu, *this);
    addExportActions(menu, *this, this);
    menu.addAction(tr("Reset zoom"), m_canvas, &HeatmapCanvas::resetZoom);
    menu.exec(global_position);
}

void HeatmapView::showTable(QWidget* parent) const {
    auto* dialog = new QDialog(parent);
    dialog->setObjectName(u"heatmapTableDialog"_s);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(tr("%1: %2 of %3 by %4")
                               .arg(viewTitle(), m_canvas->valueName(), m_canvas->axisTitle(Qt::Vertical),
                                    m_canvas->axisTitle(Qt::Horizontal)));
    auto* table = new QTableView(dialog);
    table->setAccessibleName(viewTitle());
    auto* model = new HeatmapTableModel(table);
    HeatmapData data = m_canvas->visibleData();
    QStringList rows;
    QStringList columns;
    for (std::int32_t row = 0; row < data.rows; ++row) rows << m_canvas->rowName(row);
    for (std::int32_t column = 0; column < data.columns; ++column) columns << m_canvas->columnName(data, column);
    model->show(std::move(data), rows, columns);
    table->setModel(model);
    table->setFont(monoFont());
    auto* layout = new QVBoxLayout(dialog);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(table);
    dialog->resize(760, 520);
    dialog->show();
}

QString HeatmapView::viewName() const {
    return u"heatmap"_s;
}

QString HeatmapView::viewTitle() const {
    return tr("Routing heatmap");
}

QImage HeatmapView::renderToImage(qreal scale) {
    return renderWidget(*this, scale);
}

QString HeatmapView::csv() const {
    const HeatmapData data = m_canvas->visibleData();
    const QString row_title = data.projection == Projection::kExpertToken ? u"expert"_s : u"layer"_s;
    const QString column_title = data.projection == Projection::kLayerExpert ? u"expert"_s : u"position"_s;
    QString text = u"%1,%2,%3\n"_s.arg(row_title, column_title, m_values->currentText().replace(u' ', u'_'));
    for (std::int32_t column = 0; column < data.columns; ++column) {
        const QString column_name = m_canvas->columnName(data, column);
        for (std::int32_t row = 0; row < data.rows; ++row) {
            const float value = data.at(row, column);
            if (std::isnan(value) || (value == 0.0F && hasTrueZero(data.value))) continue;
            text += u"%1,%2,%3\n"_s.arg(m_canvas->rowName(row), column_name, QString::number(value, 'g', 7));
        }
    }
    return text;
}

}  // namespace mixoscope
