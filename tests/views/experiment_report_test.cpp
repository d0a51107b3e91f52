// The report of an experiment: one file that needs nothing else, the same in either theme, with all that was measured.
#include "views/experiment_report.h"

#include <QDir>
#include <QFile>
#include <QXmlStreamReader>
#include <map>

#include "gtest/gtest.h"
#include "sample_experiment_test.h"
#include "views/experiment_chart.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;
using test::sampleExperiment;

const QDateTime kWritten(QDate(2026, 3, 14), QTime(9, 26, 53), Qt::UTC);

/// What a reader of XML, which knows nothing of how it was written, finds.
struct ReadReport {
    std::map<QString, int> elements;
    QStringList cells;     // of table bodies
    QStringList headings;  // h3
    QStringList captions;  // of figures
    QStringList svg_texts;
    QString all_text;
    QString error;
};

ReadReport readReport(const QString& html) {
    ReadReport read;
    QXmlStreamReader xml(html);
    QStringList open;
    while (!xml.atEnd()) {
        xml.readNext();
        if (xml.isStartElement()) {
            open << xml.name().toString();
            ++read.elements[open.back()];
            if (open.back() == u"td"_s) read.cells << QString();
            if (open.back() == u"h3"_s) read.headings << QString();
            if (open.back() == u"figcaption"_s) read.captions << QString();
            if (open.back() == u"text"_s) read.svg_texts << QString();
            for (const QXmlStreamAttribute& attribute : xml.attributes()) {
                const bool names_a_source = attribute.name() == u"src"_s || attribute.name() == u"href"_s;
                EXPECT_TRUE(!names_a_source || attribute.value().startsWith(u"data:"_s) ||
                            attribute.value().startsWith(u'#'))
                    << attribute.value().toString().toStdString();
                EXPECT_FALSE(attribute.name().startsWith(u"on"_s)) << attribute.name().toString().toStdString();
            }
        } else if (xml.isEndElement()) {
            open.removeLast();
        } else if (xml.isCharacters()) {
            const QString text = xml.text().toString();
            read.all_text += text;
            if (open.contains(u"td"_s)) read.cells.back() += text;
            if (open.contains(u"h3"_s)) read.headings.back() += text;
            if (open.contains(u"figcaption"_s)) read.captions.back() += text;
            if (open.contains(u"text"_s)) read.svg_texts.back() += text;
        }
    }
    if (xml.hasError()) read.error = xml.errorString() + u" in line "_s + QString::number(xml.lineNumber());
    return read;
}

/// The experiment with another frame.
template <typename Change>
std::shared_ptr<ExperimentSnapshot> changed(const ExperimentPointer& experiment, const Change& change) {
    auto snapshot = std::make_shared<ExperimentSnapshot>(*experiment);
    auto frame = std::make_shared<ExperimentFrame>(*snapshot->frame);
    change(*frame);
    snapshot->frame = frame;
    return snapshot;
}

void keepReport(const QString& html, const QString& name) {
    const QString directory = qEnvironmentVariable("MIXO_ARTEFACTS", u"view_artefacts"_s);
    QDir().mkpath(directory);
    QFile file(QDir(directory).filePath(name));
    if (file.open(QIODevice::WriteOnly)) file.write(html.toUtf8());
}

TEST(ExperimentReport, HoldsWhatWasMeasuredAskedAndRunWith) {
    auto experiment = changed(sampleExperiment(), [](ExperimentFrame&) {});
    experiment->identity = {.experiment_json = {}, .model_hash = "0123abcd", .tasks_hash = "4567ef"};
    experiment->stretches = {{.begun = "2026-03-14T08:00:00Z", .program = "0.1", .backend = "cpu (AVX2, 2 threads)"}};
    const QString html = experimentReport(experiment, kWritten);
    keepReport(html, u"report.html"_s);
    const ReadReport read = readReport(html);
    EXPECT_EQ(read.error, QString());
    for (std::size_t cell = 0; cell < experiment->results.size(); ++cell)
        EXPECT_TRUE(read.cells.contains(accuracyText(experiment->results[cell].accuracy))) << cell;
    EXPECT_EQ(read.elements.at(u"svg"_s), 5) << "budget, lengths, map, tokens/s, latency";
    EXPECT_EQ(read.captions.size(), 5);
    for (const std::string& policy : experiment->frame->experiment.policies)
        EXPECT_GE(read.svg_texts.count(QString::fromStdString(policy)), 4) << policy << " in legends and map";
    for (const QString& text :
         {u"0123abcd"_s, u"4567ef"_s, u"from 2026-03-14T08:00:00Z, Mixoscope 0.1, cpu (AVX2, 2 threads)"_s,
          u"2026-03-14T09:26:53Z"_s, u"2 layers × 2 experts"_s, u"600 of 600 runs have finished."_s,
          u"\"policies\": ["_s, u"Exact McNemar test"_s, u"/nowhere/sums.jsonl"_s})
        EXPECT_TRUE(read.all_text.contains(text)) << text.toStdString();
    EXPECT_FALSE(read.elements.contains(u"script"_s));
    EXPECT_FALSE(read.elements.contains(u"link"_s));
}

TEST(ExperimentReport, IsTheSameInEitherTheme) {
    const ExperimentPointer experiment = sampleExperiment();
    const QString light = experimentReport(experiment, kWritten);
    Theme::instance().setChoice(ThemeChoice::kDark);
    const QString dark = experimentReport(experiment, kWritten);
    EXPECT_TRUE(colours().dark) << "the window's colours are as before";
    Theme::instance().setChoice(ThemeChoice::kLight);
    EXPECT_EQ(light, dark);
}

TEST(ExperimentReport, NamesAreTextAndNeverMarkup) {
    const auto experiment = changed(sampleExperiment(), [](ExperimentFrame& frame) {
        frame.experiment.name = "a</title><script>alert(1)</script> & \"b\"\x01";
        frame.experiment.policies[1] = "<img src=x onerror=alert(2)>";
        frame.experiment.tasks[0].name = "t\"><b>";
        frame.experiment.tasks[0].system = "</pre><script src=\"http://example.org\"/>";
    });
    const QString html = experimentReport(experiment, kWritten);
    const ReadReport read = readReport(html);
    EXPECT_EQ(read.error, QString());
    for (const QString& element : {u"script"_s, u"b"_s, u"img"_s}) EXPECT_FALSE(read.elements.contains(element));
    EXPECT_TRUE(read.cells.contains(u"<img src=x onerror=alert(2)>"_s));
    EXPECT_EQ(read.elements.at(u"title"_s), 1 + read.elements.at(u"svg"_s));
}

TEST(ExperimentReport, HasPartsForAllTasksAndBatchSizesAndSaysWhatIsNotFinished) {
    test::SampleExperiment sample;
    sample.tasks = {"sums", "words"};
    sample.lanes = {1, 4};
    sample.unfinished_from = 50;
    const ExperimentPointer experiment = sampleExperiment(sample);
    const QString html = experimentReport(experiment, kWritten);
    keepReport(html, u"report-tasks-lanes.html"_s);
    const ReadReport read = readReport(html);
    EXPECT_EQ(read.error, QString());
    EXPECT_EQ(read.headings.mid(0, 6),
              (QStringList{u"all tasks · batch of 1"_s, u"all tasks · batch of 4"_s, u"sums · batch of 1"_s,
                           u"sums · batch of 4"_s, u"words · batch of 1"_s, u"words · batch of 4"_s}));
    EXPECT_EQ(read.captions.count(u"Time per token against batch size"_s), 3);
    EXPECT_EQ(read.captions.count(u"Accuracy against budget"_s), 3) << "answers do not depend on the batch";
    EXPECT_EQ(read.captions.count(u"Accuracy against latency"_s), 6);
    EXPECT_TRUE(read.all_text.contains(u"these are no final results"_s));
    EXPECT_EQ(read.cells.count(u"all tasks"_s), 30) << "a row a policy, place and batch size";
}

TEST(ExperimentReport, TextsHavePerplexitiesInTheTableAndNoCharts) {
    test::SampleExperiment sample;
    sample.texts = {"wiki"};
    sample.lanes = {1, 4};
    ExperimentPointer experiment = sampleExperiment(sample);
    ReadReport read = readReport(experimentReport(experiment, kWritten));
    EXPECT_EQ(read.headings.mid(0, 3),
              (QStringList{u"sums · batch of 1"_s, u"sums · batch of 4"_s, u"Experiment file"_s}))
        << "one task is asked: nothing to be drawn together";
    EXPECT_EQ(read.cells.count(u"all tasks"_s), 0);
    EXPECT_EQ(experiment->results.size(), 3U * 5U * 2U + 3U * 2U);
    for (std::size_t row = 30; row < 36; ++row) {
        EXPECT_TRUE(read.cells.contains(perplexityText(experiment->results[row].perplexity))) << row;
        EXPECT_NE(perplexityText(experiment->results[row].perplexity), format::kAbsent);
    }
    EXPECT_TRUE(read.cells.contains(nllChangeText(experiment->results.back().nll_change)));
    EXPECT_EQ(read.cells.count(u"perplexity"_s), 1) << "is what the text is judged by";
    EXPECT_TRUE(read.all_text.contains(u"Texts are scored and not judged"_s));

    sample.tasks = {"sums", "words"};
    experiment = sampleExperiment(sample);
    read = readReport(experimentReport(experiment, kWritten));
    EXPECT_EQ(
        read.headings.mid(0, 7),
        (QStringList{u"all tasks · batch of 1"_s, u"all tasks · batch of 4"_s, u"sums · batch of 1"_s,
                     u"sums · batch of 4"_s, u"words · batch of 1"_s, u"words · batch of 4"_s, u"Experiment file"_s}));
    EXPECT_EQ(experiment->results.back().cell.task, ExperimentCell::kAllTasks);
    EXPECT_EQ(experiment->results.back().runs, 80);

    sample.tasks.clear();
    read = readReport(experimentReport(sampleExperiment(sample), kWritten));
    EXPECT_EQ(read.error, QString());
    EXPECT_EQ(read.headings, QStringList{u"Experiment file"_s});
    EXPECT_TRUE(read.all_text.contains(u"Texts are scored and not judged"_s));
}

TEST(ExperimentReport, DrawsABoundedNumberOfParts) {
    test::SampleExperiment sample;
    sample.tasks.clear();
    for (int task = 0; task < 30; ++task) sample.tasks.push_back("task " + std::to_string(task));
    sample.policies = {"model"};
    sample.budgets = {16};
    sample.modes = {ThinkingMode::kThink};
    sample.items = 2;
    const ReadReport read = readReport(experimentReport(sampleExperiment(sample), kWritten));
    EXPECT_TRUE(read.all_text.contains(u"Charts are drawn of the first 24 of 31 parts"_s));
    EXPECT_EQ(read.elements.at(u"svg"_s), 24 * 5);
}

}  // namespace
}  // namespace mixoscope
