#include "views/exportable_view.h"

#include <gtest/gtest.h>

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QDialog>
#include <QFile>
#include <QMenu>
#include <QTableView>
#include <QTemporaryDir>
#include <QWidget>
#include <limits>

#include "engine/lane_settings.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class TwoCells : public ExportableView {
public:
    QString viewName() const override { return u"two-cells"_s; }
    QString viewTitle() const override { return u"Two cells"_s; }
    QImage renderToImage(qreal scale) override {
        QImage image(static_cast<int>(20 * scale), static_cast<int>(10 * scale), QImage::Format_RGB32);
        image.fill(Qt::red);
        return image;
    }
    QString csv() const override { return u"token,weight\n\"a,b\",0.5\n"_s; }
};

void triggerAction(QMenu& menu, const QString& text) {
    for (QAction* action : menu.actions()) {
        if (action->text() == text) return action->trigger();
    }
    FAIL() << "no action " << text.toStdString();
}

TEST(ExportableView, MenuCopiesPictureAndCsvAndShowsTheTable) {
    TwoCells view;
    QWidget parent;
    QMenu menu;
    addExportActions(menu, view, &parent);
    triggerAction(menu, u"Copy CSV"_s);
    EXPECT_EQ(QApplication::clipboard()->text(), view.csv());
    triggerAction(menu, u"Copy image"_s);
    EXPECT_EQ(QApplication::clipboard()->image().size(), QSize(40, 20)) << "sharp: two pixels a logical pixel";
    EXPECT_EQ(QApplication::clipboard()->image().pixelColor(3, 3), QColor(Qt::red));
    triggerAction(menu, u"Show as table…"_s);
    auto* table = parent.findChild<QTableView*>();
    ASSERT_NE(table, nullptr);
    EXPECT_EQ(table->model()->rowCount(), 1);
    EXPECT_EQ(table->model()->index(0, 0).data().toString(), u"a,b"_s);
    EXPECT_EQ(table->model()->headerData(1, Qt::Horizontal).toString(), u"weight"_s);
}

TEST(ExportableView, FilesHoldWhatIsShownOrAMessageSaysWhyNot) {
    TwoCells view;
    const QTemporaryDir directory;
    EXPECT_TRUE(saveCsv(view, directory.filePath(u"cells.csv"_s)).isEmpty());
    QFile csv(directory.filePath(u"cells.csv"_s));
    ASSERT_TRUE(csv.open(QIODevice::ReadOnly));
    EXPECT_EQ(QString::fromUtf8(csv.readAll()), view.csv());
    EXPECT_TRUE(saveImage(view, directory.filePath(u"cells.png"_s), 3.0).isEmpty());
    EXPECT_EQ(QImage(directory.filePath(u"cells.png"_s)).size(), QSize(60, 30));
    const QString nowhere = directory.filePath(u"absent/cells"_s);
    EXPECT_TRUE(saveCsv(view, nowhere + u".csv"_s).contains(nowhere));
    EXPECT_TRUE(saveImage(view, nowhere + u".png"_s, 1.0).contains(nowhere));
}

TEST(Csv, QuotedFieldsReadBackAsTheyWere) {
    const QStringList fields{u"plain"_s, u"a,b"_s, u"say \"x\""_s, u"two\nlines"_s, u""_s, u"cr\r"_s};
    QStringList written;
    for (const QString& field : fields) written << csvField(field);
    EXPECT_EQ(written[0], u"plain"_s);
    EXPECT_EQ(written[2], u"\"say \"\"x\"\"\""_s);
    const auto rows = parseCsv(written.join(u',') + u'\n');
    ASSERT_EQ(rows.size(), 1);
    EXPECT_EQ(rows[0], fields);
}

TEST(Csv, SpellsPhasesBudgetsAndMissingNumbersPlainly) {
    EXPECT_EQ(csvPhase(Phase::kThinking), u"thinking"_s);
    EXPECT_EQ(csvBudget(kUnlimitedBudget), u"unlimited"_s);
    EXPECT_EQ(csvBudget(2048), u"2048"_s);
    EXPECT_EQ(csvNumber(0.25), u"0.25"_s);
    EXPECT_TRUE(csvNumber(std::numeric_limits<double>::quiet_NaN()).isEmpty());
}

}  // namespace
}  // namespace mixoscope
