#include "views/log_view.h"

#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

LogView::LogView(WorkbenchBridge& bridge, QWidget* parent) : QPlainTextEdit(parent) {
    setObjectName(u"log_view"_s);
    setAccessibleName(tr("Log"));
    setReadOnly(true);
    setFrameShape(QFrame::NoFrame);
    setFont(monoFont(font_size::kTable));
    setPlaceholderText(tr("Nothing has been opened yet.\nEvery step of opening a model is written here."));
    document()->setDocumentMargin(10);
    connect(&bridge, &WorkbenchBridge::snapshotChanged, this, &LogView::takeSnapshot);
    takeSnapshot(bridge.latest());
}

void LogView::takeSnapshot(const SnapshotPointer& snapshot) {
    std::vector<std::string> lines = snapshot->log;
    for (const auto* error : {&snapshot->load_error, &snapshot->turn_error}) {
        if (error->has_value()) lines.push_back("ERROR  " + std::string(Error(**error).what()));
    }
    if (lines == m_shown) return;
    m_shown = std::move(lines);
    QStringList text;
    for (const std::string& line : m_shown) text << format::plainText(line);
    setPlainText(text.join(u'\n'));
}

QString LogView::csv() const {
    QString text = u"line,text\n"_s;
    for (std::size_t i = 0; i < m_shown.size(); ++i) {
        text += QString::number(i) + u',' + csvField(format::plainText(m_shown[i])) + u'\n';
    }
    return text;
}

}  // namespace mixoscope
