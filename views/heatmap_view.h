// The routing heatmap with its controls: projection, value, scope, layer stepper, Follow.
#pragma once

#include <QWidget>

#include "views/exportable_view.h"
#include "views/heatmap_canvas.h"

class QBoxLayout;
class QButtonGroup;
class QComboBox;
class QLabel;
class QScrollBar;
class QToolButton;

namespace mixoscope {

class HeatmapView : public QWidget, public ExportableView {
    Q_OBJECT

public:
    explicit HeatmapView(Selection& selection, QWidget* parent = nullptr);

    void setSnapshot(const SnapshotPointer& snapshot);
    void setProjection(Projection projection);
    HeatmapCanvas& canvas() { return *m_canvas; }

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    QString csv() const override;
    /// The matrix of the cells shown now.
    void showTable(QWidget* parent) const override;

public Q_SLOTS:
    void stepLayer(int by);

protected:
    void keyPressEvent(QKeyEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;

private:
    QWidget* makeProjectionSwitch();
    QWidget* makeLayerStepper();
    void fillValues();
    void offerProjections();
    void syncControls();
    void syncRows();
    void showMenu(QPoint global_position);

    Selection& m_selection;
    HeatmapCanvas* m_canvas;
    QBoxLayout* m_control_rows;  // one row where there is room, else two
    QButtonGroup* m_projections;
    QComboBox* m_values;
    QComboBox* m_scopes;
    QWidget* m_layer_stepper;
    QToolButton* m_previous_layer;
    QToolButton* m_next_layer;
    QLabel* m_layer_label;
    QToolButton* m_follow;
    QScrollBar* m_rows;  // hidden while all rows fit
    bool m_has_distributions = false;
    bool m_has_weights = true;
    QString m_projection_tip;  // of Layer × token while it can be chosen
};

}  // namespace mixoscope
