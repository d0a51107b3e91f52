// The lanes of a comparison side by side: prompt, headers, texts aligned by token, a map below each.
#pragma once

#include <QTimer>
#include <QWidget>
#include <memory>
#include <vector>

#include "views/bridge.h"
#include "views/difference_map.h"
#include "views/exportable_view.h"
#include "views/lanes_layout.h"
#include "views/selection.h"

class QLabel;
class QPushButton;
class QScrollBar;
class QSplitter;

namespace mixoscope {

class DifferenceMapView;
class LaneHeader;
class LanesText;
class MessageEdit;

class LanesView : public QWidget, public ExportableView {
    Q_OBJECT

public:
    /// The selection's tokens are generated tokens, the same in all lanes.
    explicit LanesView(Selection& selection, QWidget* parent = nullptr);

    void setSnapshot(const SnapshotPointer& snapshot);
    void setMeasure(LaneMeasure measure);
    LaneMeasure measure() const { return m_measure; }

    /// Why these lanes have no prompt of their own and are neither edited nor removed; empty: they can be.
    void setFixed(const QString& reason);
    QString prompt() const;
    void setPrompt(const QString& text);
    MessageEdit& promptEdit() { return *m_prompt; }
    LanesText& text() { return *m_text; }
    LaneHeader& header(std::size_t lane) { return *m_headers[lane]; }
    DifferenceMapView& map(std::size_t lane) { return *m_map_views[lane]; }
    std::size_t laneCount() const { return m_headers.size(); }
    const LaneColumns& columns() const { return m_columns; }
    QScrollBar& sidewaysBar() { return *m_sideways; }
    /// For a dock's title: the prompt that ran and how to read the texts.
    QString caption() const;

    QString viewName() const override;
    QString viewTitle() const override;
    QImage renderToImage(qreal scale) override;
    /// The tokens of all lanes, one a row.
    QString csv() const override;

Q_SIGNALS:
    void runAsked();
    void editAsked(int lane);
    void removeAsked(int lane);

protected:
    bool event(QEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;

private:
    QString whyFixed() const;
    QWidget* makePromptRow();
    void fitLaneCount(std::size_t lanes);
    void orderTabs();
    void placeColumns();
    void showLanes();
    void showMaps();
    void showEmptyState();
    void showError();

    Selection& m_selection;
    SnapshotPointer m_snapshot;
    std::shared_ptr<const ComparisonSnapshot> m_comparison;
    LaneMeasure m_measure = LaneMeasure::kLoadShare;
    LaneColumns m_columns;
    DifferenceMaps m_maps;
    bool m_outdated = false;        // a snapshot came while nobody looked
    bool m_splitter_moved = false;  // by hand: its sizes stay
    QTimer m_map_timer;             // maps follow ten times a second, texts every frame

    QString m_fixed;
    QWidget* m_prompt_row = nullptr;
    MessageEdit* m_prompt = nullptr;
    QPushButton* m_last_prompt = nullptr;
    QLabel* m_error = nullptr;
    QWidget* m_header_strip = nullptr;
    QLabel* m_header_gutter = nullptr;
    QSplitter* m_splitter = nullptr;
    QScrollBar* m_scroll = nullptr;
    LanesText* m_text = nullptr;
    QWidget* m_map_strip = nullptr;
    QWidget* m_map_gutter = nullptr;
    QScrollBar* m_sideways = nullptr;
    std::vector<LaneHeader*> m_headers;
    std::vector<DifferenceMapView*> m_map_views;
};

/// The last message that the user wrote in the conversation; empty: none.
QString lastPrompt(const SnapshotPointer& snapshot);

}  // namespace mixoscope
