// What the last opening of a model did, a line a step.
#pragma once

#include <QPlainTextEdit>

#include "views/bridge.h"
#include "views/exportable_view.h"

namespace mixoscope {

class LogView : public QPlainTextEdit, public ExportableView {
    Q_OBJECT

public:
    explicit LogView(WorkbenchBridge& bridge, QWidget* parent = nullptr);

    QString viewName() const override { return QStringLiteral("log"); }
    QString viewTitle() const override { return tr("Log"); }
    QImage renderToImage(qreal scale) override { return renderWidget(*this, scale); }
    QString csv() const override;

private:
    void takeSnapshot(const SnapshotPointer& snapshot);

    std::vector<std::string> m_shown;
};

}  // namespace mixoscope
