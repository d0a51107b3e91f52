// The policy picker with real events: rule, form, text, errors, drag, undo.
#include "views/policy_picker.h"

#include <gtest/gtest.h>

#include <QAbstractItemView>
#include <QCheckBox>
#include <QComboBox>
#include <QDialog>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QSlider>
#include <QStyleOptionSlider>
#include <QTest>
#include <QToolButton>
#include <QUndoStack>

#include "engine/routing_policy.h"
#include "sample_snapshot_test.h"
#include "views/exportable_view.h"
#include "views/policy_editor.h"
#include "views/policy_parameter_row.h"
#include "views/policy_part_form.h"
#include "views/policy_presets.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

ModelConfig configOf(std::int64_t experts, std::int64_t k) {
    ModelConfig config;
    config.num_hidden_layers = 4;
    config.num_experts = experts;
    config.num_experts_per_tok = k;
    config.norm_topk_prob = true;
    return config;
}

ModelFacts factsOf(const char* name, std::int64_t experts, std::int64_t k) {
    ModelFacts facts;
    facts.name = name;
    facts.config = configOf(experts, k);
    return facts;
}

class PolicyPickerTest : public testing::Test {
protected:
    void SetUp() override {
        picker.setModel(factsOf("demo", 64, 4));
        picker.resize(320, 40);
        picker.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&picker));
        QObject::connect(&picker, &PolicyPicker::policySet, &picker, [this](const QString& text) { set << text; });
        QObject::connect(&picker, &PolicyPicker::policyChosen, &picker,
                         [this](const QString& text) { chosen << text; });
    }
    void openEditor() {
        QTest::mouseClick(picker.findChild<QToolButton*>(u"policy_parameters"_s), Qt::LeftButton);
        ASSERT_TRUE(QTest::qWaitForWindowActive(picker.findChild<QDialog*>(u"policy_dialog"_s)));
    }
    /// Picks an item of the rule's list with the mouse.
    void pick(QComboBox& box, const QString& name) {
        box.showPopup();
        QAbstractItemView* list = box.view();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(list->window()));
        const QModelIndex item = box.model()->index(box.findText(name), 0);
        list->scrollTo(item);
        QTest::mouseMove(list->viewport(), list->visualRect(item).center());
        QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, list->visualRect(item).center());
    }
    void type(const QString& text) {
        QLineEdit& field = picker.editor().text();
        field.setFocus();
        field.selectAll();
        QTest::keyClicks(&field, text);
    }
    QString state() { return picker.editor().findChild<QLabel*>(u"policy_state"_s)->text(); }
    static QPoint handle(const QSlider& slider, int value) {
        QStyleOptionSlider option;
        option.initFrom(&slider);
        option.minimum = slider.minimum();
        option.maximum = slider.maximum();
        option.sliderPosition = option.sliderValue = value;
        return slider.style()->subControlRect(QStyle::CC_Slider, &option, QStyle::SC_SliderHandle, &slider).center();
    }
    void keepPicture(const QString& name) {
        QTest::qWait(30);  // new parts are shown when events are handled
        test::keepPicture(renderWidget(*picker.findChild<QDialog*>(u"policy_dialog"_s), 1.0), name);
    }

    QUndoStack undo;
    PolicyPicker picker{undo};
    QStringList set;
    QStringList chosen;
};

TEST(PolicyPresets, AreValidForEveryModelAndNoneIsThereTwice) {
    for (const ModelConfig& config : {configOf(64, 4), configOf(128, 8), configOf(8, 2), configOf(4, 1)}) {
        QStringList texts;
        for (const PolicyPreset& preset : policyPresets(config)) {
            EXPECT_EQ(parsePolicy(preset.text.toStdString(), config)->text(), preset.text.toStdString());
            texts << preset.text;
        }
        EXPECT_GE(texts.size(), 6);
        EXPECT_EQ(texts.removeDuplicates(), 0);
    }
    EXPECT_TRUE(policyPresets(configOf(0, 0)).empty());
}

TEST(ParameterScale, CoversTheRangeAndComesBackToEachStep) {
    const ModelConfig config = configOf(128, 8);
    int scales = 0;
    for (const PolicySpec& spec : policySpecs(config)) {
        for (const ParameterSpec& parameter : spec.parameters) {
            if (!ParameterScale::suits(parameter)) continue;
            ++scales;
            const ParameterScale scale(parameter);
            EXPECT_EQ(scale.textAt(0).toDouble(), parameter.minimum) << parameter.key;
            EXPECT_EQ(scale.textAt(scale.steps()).toDouble(), parameter.maximum) << parameter.key;
            double before = parameter.minimum - 1.0;
            for (int step = 0; step <= scale.steps(); ++step) {
                const double value = scale.textAt(step).toDouble();
                EXPECT_GE(value, before) << parameter.key;
                // Whole numbers may lie closer than a step.
                EXPECT_EQ(scale.textAt(scale.stepFor(value)).toDouble(), value) << parameter.key << " " << step;
                before = value;
            }
        }
    }
    EXPECT_GE(scales, 20);
}

TEST_F(PolicyPickerTest, TheFormOfEveryPolicyHasEachOfItsParameters) {
    openEditor();
    for (const PolicySpec& spec : policySpecs(configOf(64, 4))) {
        picker.editor().showPolicy(u"model"_s);
        if (spec.role == PolicyRole::kChooses) {
            picker.editor().choose(QString::fromStdString(spec.name));
        } else {
            picker.editor().addPart(QString::fromStdString(spec.name));
        }
        PolicyPartForm& form = picker.editor().part(picker.editor().partCount() - 1);
        ASSERT_EQ(form.name().toStdString(), spec.name);
        for (const ParameterSpec& parameter : spec.parameters) {
            const PolicyParameterRow* row = form.row(QString::fromStdString(parameter.key));
            ASSERT_NE(row, nullptr) << spec.name << " " << parameter.key;
            EXPECT_EQ(row->value().toStdString(), parameter.default_value) << spec.name << " " << parameter.key;
        }
    }
}

TEST_F(PolicyPickerTest, AFormSaysWhetherItsPartSeesLaterTokensOrRemembersAsItIsSet) {
    openEditor();
    const auto chips = [this] {
        QStringList shown;
        for (const auto& [name, word] :
             {std::pair{u"part_sees_later"_s, u"later"_s}, {u"part_remembers"_s, u"past"_s}}) {
            if (!picker.editor().part(0).findChild<QLabel*>(name)->isHidden()) shown << word;
        }
        return shown.join(u' ');
    };
    const auto shownFor = [&](const QString& text) {
        picker.editor().choose(text);
        return chips();
    };
    EXPECT_EQ(shownFor(u"top-k:k=4"_s), QString());
    EXPECT_EQ(shownFor(u"top-k:k=4,capacity=1.25"_s), u"later"_s);
    EXPECT_EQ(shownFor(u"top-k:k=4"_s), QString()) << "the same form, other values";
    EXPECT_EQ(shownFor(u"expert-choice"_s), u"later"_s);
    EXPECT_EQ(shownFor(u"any-experts"_s), u"past"_s);
    EXPECT_EQ(shownFor(u"any-experts:importance=constant"_s), QString());
    // By hand, in the form: the chip follows the field, and stays while a draft beside it is not valid yet.
    picker.editor().choose(u"top-k:k=4,capacity=1"_s);
    picker.editor().addPart(u"ban"_s);
    EXPECT_EQ(chips(), u"later"_s);
}

TEST_F(PolicyPickerTest, ARuleIsChosenInTheListAndUndone) {
    auto& rule = *picker.findChild<QComboBox*>(u"policy_rule"_s);
    pick(rule, u"top-p"_s);
    EXPECT_EQ(set, QStringList{u"top-p:p=0.4"_s});
    EXPECT_EQ(chosen, QStringList{u"top-p:p=0.4"_s});
    EXPECT_EQ(rule.currentText(), u"top-p"_s);
    undo.undo();
    EXPECT_EQ(set.back(), u"model"_s);
    EXPECT_EQ(rule.currentText(), u"model"_s);
    EXPECT_EQ(picker.editor().policy(), u"model"_s);
    undo.redo();
    EXPECT_EQ(set.back(), u"top-p:p=0.4"_s);
}

TEST_F(PolicyPickerTest, AnotherRuleKeepsTheEdits) {
    picker.editor().choose(u"top-k:k=2+ban:experts=3"_s);
    auto& rule = *picker.findChild<QComboBox*>(u"policy_rule"_s);
    EXPECT_EQ(rule.currentIndex(), -1);
    EXPECT_EQ(rule.placeholderText(), u"top-k + ban"_s);
    pick(rule, u"random"_s);
    EXPECT_EQ(set.back(), u"random:k=4+ban:experts=3"_s);
}

TEST_F(PolicyPickerTest, DraggingActsAtOnceAndIsOneUndo) {
    picker.editor().choose(u"top-k:k=4"_s);
    set.clear();
    openEditor();
    keepPicture(u"policy-editor-light"_s);
    auto* slider = picker.editor().part(0).findChild<QSlider*>(u"slider_k"_s);
    QTest::mousePress(slider, Qt::LeftButton, {}, handle(*slider, slider->value()));
    for (const int k : {10, 20, 30}) QTest::mouseMove(slider, handle(*slider, k - 1));
    ASSERT_GE(set.size(), 3);
    const QString dragged = set.back();
    EXPECT_NE(dragged, u"top-k:k=4"_s);
    EXPECT_EQ(picker.editor().text().text(), dragged);
    EXPECT_EQ(undo.count(), 1) << "the drag is not over";
    QTest::mouseRelease(slider, Qt::LeftButton, {}, handle(*slider, 29));
    EXPECT_EQ(set.back(), dragged);
    EXPECT_EQ(chosen.back(), dragged);
    ASSERT_EQ(undo.count(), 2);
    undo.undo();
    EXPECT_EQ(set.back(), u"top-k:k=4"_s);
    EXPECT_EQ(picker.editor().part(0).row(u"k"_s)->value(), u"4"_s);
}

TEST_F(PolicyPickerTest, AnInvalidTextSaysKeyExpectedAndFoundAndNothingIsSet) {
    picker.editor().choose(u"top-k:k=4"_s);
    set.clear();
    openEditor();
    type(u"top-k:k=99"_s);
    EXPECT_TRUE(state().contains(u"k: the value does not fit"_s)) << state().toStdString();
    EXPECT_TRUE(state().contains(u"Expected: a whole number from 1 to 64"_s));
    EXPECT_TRUE(state().contains(u"Found: \"99\""_s));
    auto* at_field = picker.editor().part(0).findChild<QLabel*>(u"error_k"_s);
    EXPECT_TRUE(at_field->isVisible());
    EXPECT_TRUE(at_field->text().contains(u"1 to 64"_s));
    QTest::keyClick(&picker.editor().text(), Qt::Key_Return);
    EXPECT_TRUE(set.isEmpty());
    EXPECT_EQ(picker.policy(), u"top-k:k=4"_s);
    keepPicture(u"policy-editor-error-light"_s);

    type(u"top-q"_s);
    EXPECT_TRUE(state().contains(u"There is no such policy"_s));
    EXPECT_TRUE(state().contains(u"Found: \"top-q\""_s));
    type(u"top-k:k=9"_s);
    EXPECT_TRUE(set.isEmpty()) << "what is typed waits for Enter";
    QTest::keyClick(&picker.editor().text(), Qt::Key_Return);
    EXPECT_EQ(set, QStringList{u"top-k:k=9"_s});
    EXPECT_EQ(picker.editor().part(0).row(u"k"_s)->value(), u"9"_s);
    EXPECT_FALSE(picker.editor().part(0).findChild<QLabel*>(u"error_k"_s)->isVisible());
}

TEST_F(PolicyPickerTest, ValuesThatDoNotFitTogetherAreToldAtTheirField) {
    picker.editor().choose(u"top-p:p=0.5,min=2,max=8"_s);
    set.clear();
    openEditor();
    auto* field = picker.editor().part(0).findChild<QLineEdit*>(u"value_min"_s);
    field->setFocus();
    field->selectAll();
    QTest::keyClicks(field, u"9"_s);
    QTest::keyClick(field, Qt::Key_Return);
    EXPECT_TRUE(set.isEmpty());
    auto* error = picker.editor().part(0).findChild<QLabel*>(u"error_min"_s);
    EXPECT_TRUE(error->text().contains(u"at most max, 8"_s)) << error->text().toStdString();
    EXPECT_TRUE(error->isVisible());
}

TEST_F(PolicyPickerTest, PartsAreAddedMovedAndRemoved) {
    openEditor();
    PolicyEditor& editor = picker.editor();
    editor.choose(u"top-k:k=8"_s);
    const QList<QAction*> actions = editor.findChild<QToolButton*>(u"policy_add"_s)->menu()->actions();
    const auto add = [&](const QString& name) {
        for (QAction* action : actions) {
            if (action->text() == name) action->trigger();
        }
    };
    add(u"random"_s);
    EXPECT_EQ(set.back(), u"random:k=4,phase=thinking+top-k:k=8"_s);
    add(u"ban"_s);
    EXPECT_EQ(set.back(), u"random:k=4,phase=thinking+top-k:k=8"_s) << "a ban needs experts";
    ASSERT_EQ(editor.partCount(), 3);
    EXPECT_TRUE(editor.part(2).findChild<QLabel*>(u"error_experts"_s)->text().contains(u"0 to 63"_s));
    auto* experts = editor.part(2).findChild<QLineEdit*>(u"value_experts"_s);
    experts->setFocus();
    QTest::keyClicks(experts, u"3-5/17"_s);
    QTest::keyClick(experts, Qt::Key_Return);
    EXPECT_EQ(set.back(), u"random:k=4,phase=thinking+top-k:k=8+ban:experts=3-5/17"_s);
    keepPicture(u"policy-editor-parts-light"_s);

    auto* answer = editor.part(1).findChild<QCheckBox*>(u"value_phase_answer"_s);
    editor.part(1).findChild<QToolButton*>(u"part_scope"_s)->click();
    ASSERT_TRUE(answer->isChecked());
    answer->click();
    EXPECT_EQ(set.back(), u"random:k=4,phase=thinking+top-k:k=8,phase=prompt/thinking+ban:experts=3-5/17"_s);
    editor.part(0).findChild<QToolButton*>(u"part_down"_s)->click();
    EXPECT_EQ(set.back(), u"random:k=4,phase=thinking+top-k:k=8,phase=prompt/thinking+ban:experts=3-5/17"_s)
        << "random would never act";
    EXPECT_TRUE(state().contains(u"never acts"_s)) << state().toStdString();
    editor.part(0).findChild<QToolButton*>(u"part_remove"_s)->click();
    EXPECT_EQ(set.back(), u"random:k=4,phase=thinking+ban:experts=3-5/17"_s);
    Theme::instance().setChoice(ThemeChoice::kDark);
    keepPicture(u"policy-editor-parts-dark"_s);
    Theme::instance().setChoice(ThemeChoice::kLight);
}

TEST_F(PolicyPickerTest, PresetsAndRecentOnesAreOneClickAway) {
    openEditor();
    picker.setRecent({u"skip:beta=0.25,k=4"_s, u"top-k:k=100"_s});
    QMenu* recent = picker.editor().findChild<QToolButton*>(u"policy_recent"_s)->menu();
    ASSERT_EQ(recent->actions().size(), 1) << "k=100 is no policy of this model";
    recent->actions().front()->trigger();
    EXPECT_EQ(set.back(), u"skip:beta=0.25,k=4"_s);
    for (QAction* preset : picker.editor().findChild<QToolButton*>(u"policy_presets"_s)->menu()->actions()) {
        preset->trigger();
        EXPECT_EQ(set.back(), preset->toolTip());
    }
}

TEST_F(PolicyPickerTest, ADenseModelAndOneThatIsBeingOpenedSayWhyNothingCanBeChosen) {
    openEditor();
    picker.setModel(factsOf("Qwen3-4B", 0, 0));
    auto* rule = picker.findChild<QComboBox*>(u"policy_rule"_s);
    auto* button = picker.findChild<QToolButton*>(u"policy_parameters"_s);
    EXPECT_FALSE(rule->isEnabled());
    EXPECT_FALSE(button->isEnabled());
    EXPECT_EQ(rule->toolTip(), u"Qwen3-4B is dense: it has no experts to choose"_s);
    EXPECT_FALSE(picker.findChild<QDialog*>(u"policy_dialog"_s)->isVisible());
    picker.setModel(factsOf("tiny", 8, 2));
    EXPECT_TRUE(rule->isEnabled());
    picker.setDisabledReason(u"Open a model first"_s);
    EXPECT_FALSE(rule->isEnabled());
    EXPECT_EQ(button->toolTip(), u"Open a model first"_s);
}

TEST_F(PolicyPickerTest, AnotherModelsRangesHoldInTheForm) {
    openEditor();
    picker.editor().choose(u"top-k:k=40"_s);
    picker.setModel(factsOf("tiny", 8, 2));
    EXPECT_EQ(picker.policy(), u"model"_s);
    picker.editor().choose(u"top-k:k=40"_s);
    EXPECT_TRUE(state().contains(u"1 to 8"_s));
}

TEST_F(PolicyPickerTest, APolicyThatWaitsOrWasRefusedSaysSo) {
    picker.showWaiting(
        ErrorParts{"This policy waits for the next conversation", "", "at most 4 experts", "up to 64", "x"});
    auto* notice = picker.editor().findChild<QLabel*>(u"policy_notice"_s);
    EXPECT_TRUE(notice->text().contains(u"next conversation"_s));
    EXPECT_TRUE(notice->text().contains(u"up to 64"_s));
    EXPECT_TRUE(picker.findChild<QToolButton*>(u"policy_parameters"_s)->toolTip().contains(u"at most 4 experts"_s));
    picker.showRefusal({"this calibration was made with another model", "", "model a", "model b", ""});
    picker.showWaiting({});
    EXPECT_TRUE(notice->text().contains(u"another model"_s));
    picker.editor().choose(u"random"_s);
    EXPECT_TRUE(notice->text().isEmpty());
}

}  // namespace
}  // namespace mixoscope
