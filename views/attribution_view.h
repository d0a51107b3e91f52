// Expert attribution as a panel: what is measured and how far it is, the map, measure and stop.
#pragma once

#include <QWidget>

#include "views/attribution_map.h"
#include "views/bridge.h"

class QAction;
class QLabel;
class QProgressBar;
class QToolButton;

namespace mixoscope {

class AttributionView : public QWidget {
    Q_OBJECT

public:
    /// `measure` measures the selected token.
    AttributionView(Selection& selection, QAction& measure, QWidget* parent = nullptr);

    void setSnapshot(const SnapshotPointer& snapshot);
    AttributionMap& map() { return *m_map; }

Q_SIGNALS:
    void stopAsked();

private:
    void showProgress();

    SnapshotPointer m_snapshot;
    AttributionMap* m_map;
    QLabel* m_summary;
    QLabel* m_error;
    QProgressBar* m_progress;
    QToolButton* m_measure;
    QToolButton* m_stop;
};

/// The strongest of them: "layer 3, expert 17: −1.234". Empty while nothing is computed.
QString strongestAttribution(const AttributionSnapshot& attribution, const std::vector<std::int32_t>& layers);

}  // namespace mixoscope
