#include "views/experiment_report.h"

#include <QCoreApplication>
#include <algorithm>

#include "engine/error.h"
#include "sessions/output_file.h"
#include "sessions/record_names.h"
#include "views/accuracy_budget_chart.h"
#include "views/accuracy_cost_chart.h"
#include "views/accuracy_map.h"
#include "views/batch_speed_chart.h"
#include "views/experiment_fields.h"
#include "views/format.h"
#include "views/light_colours.h"
#include "views/models/experiment_results_model.h"
#include "views/svg_drawing.h"
#include "views/theme.h"
#include "views/think_distribution.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr QSize kChartSize{560, 360};
constexpr int kMapHead = 110;  // of the map, above and below its rows
constexpr int kMapRow = 34;
constexpr int kLowestMap = 200;
constexpr int kMostParts = 24;  // of which charts are drawn

// Nothing is loaded and nothing runs, whatever a name in the experiment may contain.
constexpr QLatin1StringView kHead(R"(<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/>
<title>%1</title>
<style>
:root { color-scheme: light; --text: #1a1e26; --muted: #566070; --line: #d3d8df; --band: #f6f7f9; }
body { margin: 0 auto; max-width: 1240px; padding: 24px; background: #fff; color: var(--text);
  font: 15px/1.5 Inter, system-ui, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 32px 0 8px; border-bottom: 1px solid var(--line); padding-bottom: 4px; }
h3 { font-size: 15px; margin: 20px 0 6px; }
p { margin: 4px 0; }
.muted { color: var(--muted); }
.warning { color: #8a5a00; font-weight: 600; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 8px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { border-bottom: 2px solid var(--muted); }
.text { text-align: left; }
td.name { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: normal; overflow-wrap: anywhere;
  min-width: 110px; }
tbody tr:nth-child(even) { background: var(--band); }
.facts th { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); font-weight: 600; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(440px, 1fr)); gap: 14px; align-items: start; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: 8px; break-inside: avoid; }
figcaption { font-size: 13px; font-weight: 600; margin-bottom: 4px; }
svg { display: block; width: 100%; height: auto; }
svg [font-family="Inter"] { font-family: Inter, system-ui, "Helvetica Neue", Arial, sans-serif; }
svg [font-family="DejaVu Sans Mono"] { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px; padding: 10px; font-size: 12px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
dl { font-size: 13px; columns: 2 380px; } dt { font-weight: 600; } dd { margin: 0 0 4px 16px; }
dl div { break-inside: avoid; }
@page { size: A4 landscape; margin: 12mm; }
@media print { body { max-width: none; padding: 0; font-size: 11px; } .wide { overflow: visible; }
  table { font-size: 7.5px; } th, td { padding: 2px 4px; } td.name { min-width: 70px; }
  h2, h3 { break-after: avoid; } .charts { grid-template-columns: 1fr 1fr; } tr { break-inside: avoid; } }
</style>
</head>
<body>
)");

/// For any place in the text; control characters, which no HTML may hold, are replaced.
QString escaped(const QString& text) {
    QString clean = text;
    for (QChar& c : clean) {
        if (c < u' ' && c != u'\n' && c != u'\t') c = QChar::ReplacementCharacter;
    }
    return clean.toHtmlEscaped();
}

QString escaped(const std::string& text) {
    return escaped(format::plainText(text));
}

QString element(const QString& name, const QString& text, const QString& kind = {}) {
    return kind.isEmpty() ? u"<%1>%2</%1>\n"_s.arg(name, text) : u"<%1 class=\"%3\">%2</%1>\n"_s.arg(name, text, kind);
}

/// A row of a table of facts; nothing where there is no fact.
QString fact(const QString& name, const QString& html) {
    return html.isEmpty() ? QString() : u"<tr><th scope=\"row\">%1</th><td>%2</td></tr>\n"_s.arg(name, html);
}

// --- results -------------------------------------------------------------------------------------------------------

QString resultsTable(const ExperimentPointer& experiment) {
    ExperimentResultsModel model;
    model.show(experiment);
    QList<int> columns;
    for (int column = 0; column < ExperimentResultsModel::kColumns; ++column) {
        if (model.isTold(column)) columns << column;
    }
    const auto kind = [&](int column) {
        if (column == ExperimentResultsModel::kPolicy) return u" class=\"text name\""_s;
        return column <= ExperimentResultsModel::kMode ? u" class=\"text\""_s : QString();
    };
    QString html = u"<div class=\"wide\"><table>\n<thead><tr>"_s;
    for (const int column : columns)
        html += u"<th scope=\"col\"%1>%2</th>"_s.arg(kind(column),
                                                     escaped(model.headerData(column, Qt::Horizontal).toString()));
    html += u"</tr></thead>\n<tbody>\n"_s;
    for (int row = 0; row < model.rowCount(); ++row) {
        html += u"<tr>"_s;
        for (const int column : columns)
            html += u"<td%1>%2</td>"_s.arg(kind(column), escaped(model.index(row, column).data().toString()));
        html += u"</tr>\n"_s;
    }
    return html + u"</tbody></table></div>\n"_s;
}

QString columnMeanings(const ExperimentPointer& experiment) {
    ExperimentResultsModel model;
    model.show(experiment);
    QString html = u"<dl>\n"_s;
    for (int column = 0; column < ExperimentResultsModel::kColumns; ++column) {
        if (!model.isTold(column)) continue;
        html += u"<div><dt>%1</dt><dd>%2</dd></div>\n"_s.arg(
            escaped(model.headerData(column, Qt::Horizontal).toString()),
            escaped(model.headerData(column, Qt::Horizontal, Qt::ToolTipRole).toString()));
    }
    return html + u"</dl>\n"_s;
}

// --- charts --------------------------------------------------------------------------------------------------------

/// The drawing itself: a prologue has no place within HTML, and the page says how wide it is.
QString inlined(const QByteArray& svg, const QString& label) {
    QString text = QString::fromUtf8(svg);
    text.remove(0, text.indexOf("<svg"_L1));
    const qsizetype end = text.indexOf(u'>');
    const qsizetype box = text.indexOf("viewBox="_L1);
    text.replace(0, std::min(box, end), u"<svg role=\"img\" aria-label=\"%1\" "_s.arg(escaped(label)));
    return text;
}

class ReportCharts {
public:
    explicit ReportCharts(const ExperimentPointer& experiment) {
        for (ExperimentChart* chart : std::initializer_list<ExperimentChart*>{&m_budget, &m_speed, &m_latency, &m_tpot,
                                                                              &m_rate, &m_map, &m_lengths}) {
            chart->setPalette(paletteFor(lightColours()));
            chart->resize(kChartSize);
        }
        m_speed.setChoiceOffered(false);
        m_latency.setChoiceOffered(false);
        m_latency.setMeasure(CostMeasure::kLatency);
        m_tpot.setChoiceOffered(false);
        m_rate.setChoiceOffered(false);
        m_rate.setMeasure(SpeedMeasure::kTokensPerSecond);
        const auto policies = static_cast<int>(experiment->frame->experiment.policies.size());
        m_map.resize(kChartSize.width(), std::max(kLowestMap, kMapHead + kMapRow * policies));
        m_selection.setExperiment(experiment);
    }

    /// Charts of every task that is asked and of all of them, sampling, seed, batch size and page of policies.
    QString html() {
        const Experiment& experiment = m_selection.frame()->experiment;
        QString html;
        int parts = 0;
        for (const std::size_t task : tasks()) {
            for (std::size_t sampling = 0; sampling < experiment.samplings.size(); ++sampling) {
                const std::size_t seeds = experiment.samplings[sampling].greedy ? 1 : experiment.seeds.size();
                for (std::size_t seed = 0; seed < seeds; ++seed) {
                    for (std::size_t lanes = 0; lanes < experiment.lanes.size(); ++lanes) {
                        for (std::size_t page = 0; page < m_selection.pageCount(); ++page) {
                            if (parts++ >= kMostParts) continue;
                            m_selection.setTask(task);
                            m_selection.setSampling(sampling);
                            m_selection.setSeed(seed);
                            m_selection.setLanes(lanes);
                            m_selection.setPage(page);
                            html += part();
                        }
                    }
                }
            }
        }
        if (parts > kMostParts)
            html += element(u"p"_s,
                            QObject::tr("Charts are drawn of the first %1 of %2 parts; the table has all of them.")
                                .arg(kMostParts)
                                .arg(parts),
                            u"muted"_s);
        if (std::ranges::any_of(experiment.tasks, &ExperimentTask::scoresText))
            html += element(
                u"p"_s, QObject::tr("Texts are scored and not judged: their perplexity is in the table of results."),
                u"muted"_s);
        return html;
    }

private:
    /// Choices of ExperimentSelection::setTask that have charts: all tasks together first, no texts.
    std::vector<std::size_t> tasks() const {
        const ExperimentFrame& frame = *m_selection.frame();
        const std::vector<ExperimentTask>& all = frame.experiment.tasks;
        std::vector<std::size_t> shown;
        if (frame.poolsTasks()) shown.push_back(all.size());
        for (std::size_t task = 0; task < all.size(); ++task) {
            if (!all[task].scoresText()) shown.push_back(task);
        }
        return shown;
    }

    QString title() const {
        const Experiment& experiment = m_selection.frame()->experiment;
        const ExperimentCell choice = m_selection.choice(0, m_selection.slice().places.front());
        QStringList names{QString::fromStdString(taskName(experiment, choice))};
        if (experiment.samplings.size() > 1)
            names << QString::fromStdString(samplingText(experiment.samplings[choice.sampling]));
        if (experiment.seeds.size() > 1 && !experiment.samplings[choice.sampling].greedy)
            names << QObject::tr("seed %1").arg(choice.seed);
        if (experiment.lanes.size() > 1) names << QObject::tr("batch of %1").arg(choice.lanes);
        if (m_selection.pageCount() > 1)
            names << QObject::tr("policies 1, %1")
                         .arg(format::range(static_cast<std::int64_t>(m_selection.shownPolicies()[1]) + 1,
                                            static_cast<std::int64_t>(m_selection.shownPolicies().back()) + 1));
        return names.join(u" · "_s);
    }

    QString part() {
        const QString of = title();
        QString figures;
        const auto draw = [&](ExperimentChart& chart, const QString& caption) {
            figures += figure(chart, caption, of);
        };
        if (m_selection.lanes() == 0) {  // answers do not depend on the batch
            draw(m_budget, m_budget.viewTitle());
            draw(m_lengths, m_lengths.viewTitle());
            if (m_selection.page() == 0) draw(m_map, m_map.viewTitle());
            draw(m_tpot, QObject::tr("Time per token against batch size"));
            draw(m_rate, QObject::tr("Tokens/s against batch size"));
        }
        draw(m_speed, QObject::tr("Accuracy against tokens/s"));
        draw(m_latency, QObject::tr("Accuracy against latency"));
        if (figures.isEmpty()) figures = element(u"p"_s, QObject::tr("Nothing to draw."), u"muted"_s);
        return element(u"h3"_s, escaped(of)) + u"<div class=\"charts\">\n"_s + figures + u"</div>\n"_s;
    }

    static QString figure(ExperimentChart& chart, const QString& title, const QString& of) {
        if (chart.isEmpty()) return {};
        return u"<figure>\n<figcaption>%1</figcaption>\n%2</figure>\n"_s.arg(
            escaped(title), inlined(svgOf(chart, title), title + u", "_s + of));
    }

    ExperimentSelection m_selection;
    AccuracyBudgetChart m_budget{m_selection};
    AccuracyCostChart m_speed{m_selection};
    AccuracyCostChart m_latency{m_selection};
    BatchSpeedChart m_tpot{m_selection};
    BatchSpeedChart m_rate{m_selection};
    AccuracyMap m_map{m_selection};
    ThinkDistribution m_lengths{m_selection};
};

// --- settings and provenance ---------------------------------------------------------------------------------------

QString taskTable(const ExperimentFrame& frame) {
    QString html =
        u"<div class=\"wide\"><table>\n<thead><tr><th scope=\"col\" class=\"text\">Task</th><th "
        u"scope=\"col\">Items</th>"
        "<th scope=\"col\" class=\"text\">Layout</th><th scope=\"col\" class=\"text\">Judged by</th>"
        "<th scope=\"col\" class=\"text\">File</th><th scope=\"col\" class=\"text\">System message</th></tr></thead>\n"
        "<tbody>\n"_s;
    for (std::size_t index = 0; index < frame.experiment.tasks.size(); ++index) {
        const ExperimentTask& task = frame.experiment.tasks[index];
        const std::int64_t items = index < frame.facts.items.size() ? frame.facts.items[index] : 0;
        html +=
            u"<tr><td class=\"text\">%1</td><td>%2</td><td class=\"text\">%3</td><td class=\"text\">%4</td>"
            "<td class=\"text name\">%5</td><td class=\"text name\">%6</td></tr>\n"_s.arg(
                escaped(task.name), items > 0 ? format::count(items) : format::kAbsent,
                escaped(std::string(taskLayoutName(task.layout))),
                task.scoresText()   ? QObject::tr("perplexity")
                : task.rule.empty() ? QObject::tr("rule of the layout")
                                    : escaped(task.rule),
                escaped(task.file.string()), task.system.empty() ? format::kAbsent : escaped(task.system));
    }
    return html + u"</tbody></table></div>\n"_s;
}

QString settings(const ExperimentFrame& frame) {
    const Experiment& experiment = frame.experiment;
    const auto listed = [](const auto& values, const auto& text) {
        QStringList texts;
        for (const auto& value : values) texts << escaped(text(value));
        return texts.join(u"<br/>"_s);
    };
    const auto same = [](const std::string& text) { return text; };
    QString html = taskTable(frame) + u"<table class=\"facts\">\n<tbody>\n"_s;
    html += fact(QObject::tr("Policies"), listed(experiment.policies, same));
    html += fact(QObject::tr("Modes"), listed(experiment.modes, [](ThinkingMode mode) {
                     return std::string(modeName(static_cast<std::int64_t>(mode)));
                 }));
    html += fact(QObject::tr("Budgets"),
                 listed(experiment.budgets, [](std::int32_t budget) { return format::budget(budget); }));
    html += fact(QObject::tr("Sampling"), listed(experiment.samplings, samplingText));
    html +=
        fact(QObject::tr("Seeds"), listed(experiment.seeds, [](std::uint64_t seed) { return std::to_string(seed); }));
    html += fact(QObject::tr("Runs in a batch"), lanesText(experiment.lanes));
    html +=
        fact(QObject::tr("Tokens of a run"), experiment.max_tokens > 0 ? format::count(experiment.max_tokens)
                                                                       : QObject::tr("as many as the context holds"));
    html += fact(QObject::tr("Soft switch"), experiment.soft_switch
                                                 ? QObject::tr("/think or /no_think is appended to the prompts")
                                                 : QObject::tr("none"));
    html += u"</tbody></table>\n"_s;
    html += element(u"h3"_s, QObject::tr("Experiment file"));
    return html + u"<pre>%1</pre>\n"_s.arg(escaped(experimentJson(experiment)));
}

QString provenance(const ExperimentSnapshot& experiment, const QDateTime& written) {
    const ExperimentFrame& frame = *experiment.frame;
    QString html = u"<table class=\"facts\">\n<tbody>\n"_s;
    html += fact(QObject::tr("Model"), escaped(frame.experiment.model));
    html += fact(QObject::tr("Description"), escaped(frame.facts.model_description));
    html += fact(QObject::tr("Model's hash"), escaped(experiment.identity.model_hash));
    html += fact(QObject::tr("Tasks' hash"), escaped(experiment.identity.tasks_hash));
    QStringList stretches;
    for (const ExperimentStretch& stretch : experiment.stretches)
        stretches << QObject::tr("from %1, Mixoscope %2, %3")
                         .arg(escaped(stretch.begun), escaped(stretch.program), escaped(stretch.backend));
    html += fact(QObject::tr("Runs made"), stretches.isEmpty() ? QObject::tr("the file does not tell when and where")
                                                               : stretches.join(u"<br/>"_s));
    html += fact(QObject::tr("Kept in"), escaped(experiment.store.string()));
    html += fact(QObject::tr("Report"),
                 QObject::tr("Mixoscope %1, %2")
                     .arg(escaped(QCoreApplication::applicationVersion()), written.toUTC().toString(Qt::ISODate)));
    return html + u"</tbody></table>\n"_s;
}

QString progress(const ExperimentSnapshot& experiment) {
    if (experiment.total == 0)
        return element(u"p"_s, QObject::tr("%1 runs have finished; how many there are to be is not known.")
                                   .arg(format::count(experiment.done)));
    const QString count =
        QObject::tr("%1 of %2 runs have finished").arg(format::count(experiment.done), format::count(experiment.total));
    if (experiment.isComplete()) return element(u"p"_s, count + u'.');
    return element(u"p"_s, count + QObject::tr(": these are no final results. Hollow marks are not finished."),
                   u"warning"_s);
}

}  // namespace

QString experimentReport(const ExperimentPointer& experiment, const QDateTime& written) {
    const LightColours light;
    const ExperimentFrame& frame = *experiment->frame;
    QString html = QString(kHead).arg(escaped(frame.experiment.name));
    html += element(u"h1"_s, escaped(frame.experiment.name));
    html += element(u"p"_s,
                    QObject::tr("Experiment with Mixoscope · %1 · %2")
                        .arg(escaped(frame.experiment.model), escaped(frame.facts.model_description)),
                    u"muted"_s);
    html += progress(*experiment);
    html += element(u"h2"_s, QObject::tr("Results"));
    html += resultsTable(experiment);
    html += element(u"h2"_s, QObject::tr("Charts"));
    html += ReportCharts(experiment).html();
    html += element(u"h2"_s, QObject::tr("Settings"));
    html += settings(frame);
    html += element(u"h2"_s, QObject::tr("Model, machine and program"));
    html += provenance(*experiment, written);
    html += element(u"h2"_s, QObject::tr("Columns of the table"));
    html += columnMeanings(experiment);
    return html + u"</body>\n</html>\n"_s;
}

void saveReport(const QString& report, const std::filesystem::path& file, const std::filesystem::path& source) {
    OutputFile output(file, source);
    const QByteArray bytes = report.toUtf8();
    output.stream().write(bytes.constData(), bytes.size());
    output.commit();
}

}  // namespace mixoscope
