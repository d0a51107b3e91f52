// What every view can do besides showing: be copied or saved as an image and as CSV.
#pragma once

#include <QImage>
#include <QList>
#include <QStringList>

#include "engine/step_trace.h"

class QMenu;
class QWidget;

namespace mixoscope {

class ExportableView {
public:
    virtual ~ExportableView() = default;
    /// For file names and the command line: "heatmap".
    virtual QString viewName() const = 0;
    /// For menus: "Routing heatmap".
    virtual QString viewTitle() const = 0;
    /// As shown, with `scale` pixels a logical pixel.
    virtual QImage renderToImage(qreal scale) = 0;
    /// The values shown, header row first, plain numbers.
    virtual QString csv() const = 0;
    /// The same values as a table in a window of its own, for readers who need text.
    virtual void showTable(QWidget* parent) const;
};

/// Paints a widget with its children.
QImage renderWidget(QWidget& widget, qreal scale);
/// Copy image, Copy CSV, Export image…, Export CSV…, Show as table…. `parent` is the parent of file dialogs and
/// messages.
void addExportActions(QMenu& menu, ExportableView& view, QWidget* parent);
/// The actions that were added to the widget, such as what can be asked of the selected token.
void addOwnActions(QMenu& menu, const QWidget& widget);
/// A context menu of these: `parent`'s own actions and those of addExportActions().
void execExportMenu(ExportableView& view, QWidget* parent, QPoint global_position);
/// Saves as SVG where the name says so, else as a picture; an empty string or what went wrong, for the user.
QString saveImage(ExportableView& view, const QString& path, qreal scale);
QString saveCsv(const ExportableView& view, const QString& path);
/// A CSV field, quoted where it must be (RFC 4180).
QString csvField(const QString& text);
/// Fields as the session export spells them; csvNumber() is empty for NaN.
QString csvPhase(Phase phase);
QString csvBudget(std::int32_t budget);
QString csvNumber(double value);
/// Rows that end in a newline, fields as csvField() writes them.
QList<QStringList> parseCsv(const QString& text);

}  // namespace mixoscope
