// Every view as a drawing: an XML parser and a renderer that know nothing of the view read it back.
#include <QFile>
#include <QPainter>
#include <QSvgRenderer>
#include <QTest>
#include <QXmlStreamReader>

#include "views/exportable_view.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class SvgExport : public test::WindowTest {};

/// Texts of a drawing; empty where it is no well-formed XML.
QStringList textsOf(const QString& path) {
    QFile file(path);
    if (!file.open(QIODevice::ReadOnly)) return {};
    QXmlStreamReader xml(&file);
    QStringList texts;
    while (!xml.atEnd()) {
        if (xml.readNext() == QXmlStreamReader::StartElement && xml.name() == u"text"_s)
            texts << xml.readElementText(QXmlStreamReader::IncludeChildElements).trimmed();
    }
    return xml.hasError() ? QStringList() : texts;
}

/// Share of pixels that differ clearly.
double difference(const QImage& a, const QImage& b) {
    int differing = 0;
    for (int y = 0; y < a.height(); ++y) {
        for (int x = 0; x < a.width(); ++x) {
            const QColor first = a.pixelColor(x, y);
            const QColor second = b.pixelColor(x, y);
            const int away = std::abs(first.red() - second.red()) + std::abs(first.green() - second.green()) +
                             std::abs(first.blue() - second.blue());
            differing += away > 120 ? 1 : 0;
        }
    }
    return static_cast<double>(differing) / (a.width() * a.height());
}

TEST_F(SvgExport, DrawsEveryViewOfTheChatAsItIsOnScreen) {
    ASSERT_NO_FATAL_FAILURE(open("demo"));
    workbench->send("What is 2 + 3? /think");
    ASSERT_TRUE(test::waitFor([this] {
        return latest()->state == WorkbenchState::kReady && !latest()->lanes.empty() &&
               !latest()->lanes.front().turns.empty() && turn().stop_reason != StopReason::kNone;
    }));
    window->selection().setToken(turn().first_generated_position + 1);
    QTest::qWait(200);  // charts draw what is there
    for (const char* name :
         {"chat", "heatmap", "timeline", "tokens", "load-balance", "token-inspector", "self-checks"}) {
        SCOPED_TRACE(name);
        ExportableView* view = window->findView(QString::fromLatin1(name));
        ASSERT_NE(view, nullptr);
        const QString path = QString::fromStdString((directory.path() / (std::string(name) + ".svg")).string());
        ASSERT_EQ(saveImage(*view, path, 1.0), QString());
        const QStringList texts = textsOf(path);
        EXPECT_FALSE(texts.isEmpty()) << "letters are text, not curves or pixels";
        QSvgRenderer renderer(path);
        ASSERT_TRUE(renderer.isValid());
        const QImage picture = view->renderToImage(1.0);
        EXPECT_EQ(renderer.viewBox().size(), picture.size());
        QImage drawn(picture.size(), QImage::Format_RGB32);
        drawn.fill(Qt::magenta);
        QPainter painter(&drawn);
        renderer.render(&painter);
        painter.end();
        EXPECT_LT(difference(drawn, picture), 0.06) << "letters fall on other pixels, nothing else does";
        if (QByteArray(name) == "timeline") {
            EXPECT_TRUE(texts.contains(u"Think N / B"_s));
        }
    }
    EXPECT_NE(saveImage(*window->findView(u"heatmap"_s), u"/proc/none/heatmap.svg"_s, 1.0), QString());
}

}  // namespace
}  // namespace mixoscope
