#include "views/exportable_view.h"

#include <QApplication>
#include <QClipboard>
#include <QDialog>
#include <QFileDialog>
#include <QMenu>
#include <QMessageBox>
#include <QSaveFile>
#include <QStandardItemModel>
#include <QTableView>
#include <QVBoxLayout>
#include <QWidget>
#include <cmath>

#include "engine/lane_settings.h"
#include "engine/unrecorded.h"
#include "views/svg_drawing.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr qreal kExportScale = 2.0;  // sharp in print and on high-density screens

bool saveSvg(ExportableView& view, const QString& path) {
    auto* widget = dynamic_cast<QWidget*>(&view);
    if (widget == nullptr) return false;
    view.renderToImage(1.0);  // brings charts up to date
    QSaveFile file(path);
    const QByteArray svg = svgOf(*widget, view.viewTitle());
    return file.open(QIODevice::WriteOnly) && file.write(svg) == svg.size() && file.commit();
}

void reportFailure(const QString& message, QWidget* parent) {
    if (!message.isEmpty()) QMessageBox::warning(parent, QObject::tr("Not saved"), message);
}

}  // namespace

QImage renderWidget(QWidget& widget, qreal scale) {
    // Labels and charts lay themselves out when events are handled: what was set a moment ago would be cut off.
    QCoreApplication::sendPostedEvents(nullptr, QEvent::LayoutRequest);
    const QSize size(static_cast<int>(std::lround(widget.width() * scale)),
                     static_cast<int>(std::lround(widget.height() * scale)));
    QImage image(size, QImage::Format_RGB32);
    image.setDevicePixelRatio(scale);
    image.fill(widget.palette().color(QPalette::Window));
    widget.render(&image);
    return image;
}

QString saveImage(ExportableView& view, const QString& path, qreal scale) {
    const bool saved =
        path.endsWith(u".svg"_s, Qt::CaseInsensitive) ? saveSvg(view, path) : view.renderToImage(scale).save(path);
    if (saved) return {};
    return QObject::tr(
               "%1 cannot be written. Choose a folder that you may write to and a name that ends in .png or .svg.")
        .arg(path);
}

QString saveCsv(const ExportableView& view, const QString& path) {
    QSaveFile file(path);
    const bool written = file.open(QIODevice::WriteOnly) && file.write(view.csv().toUtf8()) >= 0 && file.commit();
    return written ? QString() : QObject::tr("%1 cannot be written: %2").arg(path, file.errorString());
}

void addExportActions(QMenu& menu, ExportableView& view, QWidget* parent) {
    menu.addAction(QObject::tr("Copy image"), parent,
                   [&view] { QApplication::clipboard()->setImage(view.renderToImage(kExportScale)); });
    menu.addAction(QObject::tr("Copy CSV"), parent, [&view] { QApplication::clipboard()->setText(view.csv()); });
    menu.addAction(QObject::tr("Export image…"), parent, [&view, parent] {
        const QString path =
            QFileDialog::getSaveFileName(parent, QObject::tr("Export image"), view.viewName() + u".png"_s,
                                         QObject::tr("PNG image (*.png);;SVG drawing (*.svg)"));
        if (!path.isEmpty()) reportFailure(saveImage(view, path, kExportScale), parent);
    });
    menu.addAction(QObject::tr("Export CSV…"), parent, [&view, parent] {
        const QString path =
            QFileDialog::getSaveFileName(parent, QObject::tr("Export CSV"), view.viewName() + u".csv"_s,
                                         QObject::tr("Comma-separated values (*.csv)"));
        if (!path.isEmpty()) reportFailure(saveCsv(view, path), parent);
    });
    menu.addSeparator();
    menu.addAction(QObject::tr("Show as table…"), parent, [&view, parent] { view.showTable(parent); });
}

void addOwnActions(QMenu& menu, const QWidget& widget) {
    if (widget.actions().isEmpty()) return;
    menu.setToolTipsVisible(true);  // a disabled one says why
    menu.addActions(widget.actions());
    menu.addSeparator();
}

void execExportMenu(ExportableView& view, QWidget* parent, QPoint global_position) {
    QMenu menu(parent);
    addOwnActions(menu, *parent);
    addExportActions(menu, view, parent);
    menu.exec(global_position);
}

void ExportableView::showTable(QWidget* parent) const {
    const ExportableView& view = *this;
    auto* dialog = new QDialog(parent);
    dialog->setObjectName(u"tableTwin"_s);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(QObject::tr("%1 as a table").arg(view.viewTitle()));
    auto* table = new QTableView(dialog);
    table->setAccessibleName(view.viewTitle());
    table->setTabKeyNavigation(false);
    auto* model = new QStandardItemModel(table);
    const auto rows = parseCsv(view.csv());
    if (!rows.isEmpty()) model->setHorizontalHeaderLabels(rows.front());
    for (qsizetype row = 1; row < rows.size(); ++row) {
        QList<QStandardItem*> items;
        for (const QString& field : rows[row]) {
            items << new QStandardItem(field);
            items.back()->setEditable(false);
        }
        model->appendRow(items);
    }
    table->setModel(model);
    auto* layout = new QVBoxLayout(dialog);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->addWidget(table);
    dialog->resize(760, 520);
    dialog->show();
}

QList<QStringList> parseCsv(const QString& text) {
    QList<QStringList> rows;
    QStringList row;
    QString field;
    bool quoted = false;
    for (qsizetype i = 0; i < text.size(); ++i) {
        const QChar c = text[i];
        if (quoted) {
            if (c != u'"') {
                field += c;
            } else if (i + 1 < text.size() && text[i + 1] == u'"') {
                field += text[++i];
            } else {
                quoted = false;
            }
        } else if (c == u'"') {
            quoted = true;
        } else if (c == u',' || c == u'\n') {
            row << field;
            field.clear();
            if (c == u'\n') {
                rows << row;
                row.clear();
            }
        } else {
            field += c;
        }
    }
    return rows;
}

QString csvPhase(Phase phase) {
    switch (phase) {
        case Phase::kPrompt:
            return u"prompt"_s;
        case Phase::kThinking:
            return u"thinking"_s;
        case Phase::kAnswer:
            return u"answer"_s;
    }
    return {};
}

QString csvBudget(std::int32_t budget) {
    if (budget == kUnknownBudget) return {};
    return budget == kUnlimitedBudget ? u"unlimited"_s : QString::number(budget);
}

QString csvNumber(double value) {
    return std::isnan(value) ? QString() : QString::number(value, 'g', 7);
}

QString csvField(const QString& text) {
    if (!text.contains(u',') && !text.contains(u'"') && !text.contains(u'\n') && !text.contains(u'\r')) return text;
    QString quoted = text;
    quoted.replace(u'"', u"\"\""_s);
    return u'"' + quoted + u'"';
}

}  // namespace mixoscope
